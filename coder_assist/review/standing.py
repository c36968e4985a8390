"""What stands: from the line of decisions about each code to the codes of the encounter.

Decisions are only ever appended. Each is about a *subject*: the code that was suggested, or, without a
suggestion, the code that was added. The last decision on a subject that nobody took back is the one that
stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from coder_assist.review.records import FinalCode, NewDecision
from coder_assist.types import Code, Decision, System, Verdict

# These put a code on the claim.
CODING = frozenset({Verdict.ACCEPT, Verdict.REPLACE, Verdict.ADD})


@dataclass(frozen=True, slots=True)
class Line:
    """All decisions about one subject, oldest first."""

    subject: Code
    decisions: tuple[Decision, ...]

    @property
    def tip(self) -> Decision:
        """The newest decision, undone or not: the one that the next supersedes."""
        return self.decisions[-1]

    @property
    def standing(self) -> Decision | None:
        """The newest decision that was not taken back."""
        for decision in reversed(self.decisions):
            if decision.verdict is not Verdict.UNDO and not decision.undone:
                return decision
        return None

    @property
    def code(self) -> Code | None:
        """The code that this line puts on the claim, if it does."""
        standing = self.standing
        return standing.code if standing is not None and standing.verdict in CODING else None


def lines_of(decisions: Iterable[tuple[Code, Decision]]) -> dict[Code, Line]:
    """Return the line of each subject, of decisions in order of their ids."""
    gathered: dict[Code, list[Decision]] = {}
    for subject, decision in decisions:
        gathered.setdefault(subject, []).append(decision)
    return {subject: Line(subject, tuple(line)) for subject, line in gathered.items()}


def subjects_of(new: NewDecision, replaces: Code | None, lines: Mapping[Code, Line]) -> tuple[Code, ...]:
    """Return the subjects of a new decision, its own first.

    Who accepts or adds a code decides about that code. Who takes one away, or replaces it, means the code
    wherever it stands: after "E11.9 replaced by E11.65", rejecting E11.65 is about the suggestion E11.9, and
    where E11.65 stands by two lines it is about both, or the code would stay.
    """
    if new.verdict in (Verdict.ACCEPT, Verdict.ADD):
        return (new.code,)
    meant = replaces or new.code
    standing = [line.subject for line in lines.values() if line.code == meant]
    if new.suggestion is not None or not standing:
        standing = [meant, *(subject for subject in standing if subject != meant)]
    return tuple(standing)


def final_codes(
    lines: Mapping[Code, Line],
    order: Sequence[Code],
    sequences: Mapping[Code, int],
    titles: Mapping[Code, str],
) -> tuple[FinalCode, ...]:
    """Return the codes that stand, in order, each once.

    ``order`` is a person's; codes it lacks follow, by the suggestion's ``sequences``, then as decided.
    """
    keys: dict[Code, tuple[int, int, int]] = {}
    chosen: dict[Code, Decision] = {}
    places = {code: place for place, code in enumerate(order)}
    for line in lines.values():
        standing = line.standing
        if standing is None or standing.verdict not in CODING:
            continue
        code = standing.code
        proposed = sequences.get(code) or sequences.get(line.subject)
        if code in places:
            key = (0, places[code], standing.id)
        elif proposed is not None:
            key = (1, proposed, standing.id)
        else:
            key = (2, 0, standing.id)
        keys[code] = min(key, keys.get(code, key))
        # Of two lines that lead to the same code the newer decision says how it is billed.
        other = chosen.get(code)
        if other is None or (not standing.stale, standing.id) > (not other.stale, other.id):
            chosen[code] = standing
    final: list[FinalCode] = []
    for system in System:
        ordered = sorted((code for code in chosen if code.system is system), key=keys.__getitem__)
        for sequence, decision in enumerate((chosen[code] for code in ordered), 1):
            final.append(
                FinalCode(
                    code=decision.code,
                    title=titles.get(decision.code, ""),
                    sequence=sequence,
                    modifiers=decision.modifiers,
                    units=decision.units,
                    decision=decision.id,
                    from_suggestion=decision.verdict is Verdict.ACCEPT,
                    stale=decision.stale,
                    present_on_admission=decision.present_on_admission,
                )
            )
    return tuple(final)
