"""Alternatives: what the same words also support comes first."""

from __future__ import annotations

from coder_assist.suggest.features import Proposal
from coder_assist.suggest.rivals import MOST_RIVALS, Rivals
from coder_assist.types import (
    Assertion,
    Candidate,
    Code,
    Mention,
    MentionKind,
    Polarity,
    SectionKind,
    Span,
    System,
)


def proposal(
    value: str, *spans: tuple[int, int], system: System = System.ICD10CM, denied: bool = False
) -> Proposal:
    code = Code(system, value)
    judged = Assertion(Polarity.NEGATED) if denied else Assertion()
    mentions = [Mention((Span(*s),), MentionKind.DIAGNOSIS, "x", SectionKind.OTHER, judged) for s in spans]
    return Proposal(code, "", [Candidate(m, code, "exact", "x", 1.0, "n") for m in mentions])


def codes(found: tuple[Code, ...]) -> list[str]:
    return [code.value for code in found]


def test_rivals_share_category_or_words_and_stand_before_siblings() -> None:
    """Of what was not selected, codes of the category or on overlapping words are alternatives, siblings follow."""
    chosen = proposal("I50.9", (10, 23))
    chosen.alternatives = ["I50.89", "I50.20"]
    others = [
        proposal("I50.20", (90, 99)),
        proposal("I11.0", (5, 15)),
        proposal("J18.9", (30, 40)),
        proposal("R05.9", (10, 23), denied=True),
        proposal("93306", (10, 23), system=System.CPT),
    ]
    assert codes(Rivals(others).alternatives_of(chosen)) == ["I50.20", "I11.0", "I50.89"]


def test_procedures_compete_within_their_family() -> None:
    """Procedures of one family are alternatives of each other, wherever they stand."""
    chosen, other = (proposal(v, (n, n + 5), system=System.CPT) for v, n in (("29881", 0), ("29880", 50)))
    chosen.family = other.family = "knee arthroscopy"
    assert Rivals([other, chosen]).alternatives_of(chosen) == (other.code,)


def test_rivals_are_few() -> None:
    """At most six rivals, so that siblings stay in sight."""
    chosen = proposal("M54.50", (0, 5))
    chosen.alternatives = ["M54.59"]
    others = [proposal(f"M54.{n}", (n, n + 1)) for n in range(1, 9)]
    assert codes(Rivals(others).alternatives_of(chosen)) == [*(f"M54.{n}" for n in range(1, 7)), "M54.59"]
    assert MOST_RIVALS == 6


def test_pregnancy_and_the_newborn_rival_only_where_they_are_told_of() -> None:
    """A man's diabetes has no rival in chapter 15 or 16; a pregnant woman's has."""
    chosen = proposal("E11.9", (0, 8))
    others = [proposal("O24.119", (0, 8)), proposal("P70.2", (0, 8)), proposal("E13.9", (0, 8))]
    assert codes(Rivals(others, [chosen.code]).alternatives_of(chosen)) == ["E13.9"]
    pregnant = [chosen.code, Code(System.ICD10CM, "Z3A.28")]
    assert codes(Rivals(others, pregnant).alternatives_of(chosen)) == ["O24.119", "E13.9"]
    of_pregnancy = proposal("O24.112", (0, 8))
    assert codes(Rivals(others, []).alternatives_of(of_pregnancy)) == ["O24.119", "E13.9"]
