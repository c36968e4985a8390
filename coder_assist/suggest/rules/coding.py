"""What the rules judge: a set of codes in its context.

The same record stands for what the tool would preselect, for what a coder has accepted so far and for a
set that is only being tried out.

>>> line = parse_line("93000-26*2")
>>> line.code.value, line.modifiers, line.units
('93000', ('26',), 2)
>>> parse_line("E11.9").code.system
<System.ICD10CM: 'ICD-10-CM'>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from coder_assist.errors import InputError
from coder_assist.suggest.rules.edit_files import EditTables
from coder_assist.suggest.rules.facts import CodeFacts, FactBook
from coder_assist.types import (
    Claim,
    Code,
    Document,
    Encounter,
    Evidence,
    Fix,
    Mention,
    Note,
    Suggestion,
    System,
)

MOST_MODIFIERS = 4  # of a line on either claim form


@dataclass(frozen=True, slots=True)
class Line:
    """One code of the set. ``sequence`` orders the lines of a system; 1 is first-listed or principal.

    ``present_on_admission`` is ``Y``, ``N``, ``U``, ``W``, ``1`` (exempt) or ``None`` where nobody said.
    """

    code: Code
    sequence: int | None = None
    modifiers: tuple[str, ...] = ()
    units: int = 1
    evidence: tuple[Evidence, ...] = ()
    present_on_admission: str | None = None

    @property
    def value(self) -> str:
        """The code as it is written."""
        return self.code.value


@dataclass(frozen=True)
class Coding:
    """A set of codes with its encounter, what the notes say, and the facts of the code books.

    Lines stand in one order whatever order they came in: by system, sequence and code. ``documents``
    may be empty (a set without its notes); rules that need the note then stay silent.
    """

    encounter: Encounter
    lines: tuple[Line, ...]
    facts: FactBook
    documents: tuple[Document, ...] = ()

    @classmethod
    def of(
        cls,
        encounter: Encounter,
        lines: Iterable[Line],
        facts: FactBook,
        documents: Sequence[Document] = (),
    ) -> Coding:
        """Make the set out of lines in any order; a code that comes twice stays twice (a rule speaks of it)."""

        def standing(line: Line) -> tuple[str, int, str, tuple[str, ...], int]:
            return (
                line.code.system.value,
                line.sequence if line.sequence is not None else 10_000,
                line.code.value,
                line.modifiers,
                line.units,
            )

        return cls(encounter, tuple(sorted(lines, key=standing)), facts, tuple(documents))

    @cached_property
    def diagnoses(self) -> tuple[Line, ...]:
        """The ICD-10-CM lines, first-listed first."""
        return tuple(line for line in self.lines if line.code.system is System.ICD10CM)

    @cached_property
    def procedures(self) -> tuple[Line, ...]:
        """The CPT and HCPCS lines."""
        return tuple(line for line in self.lines if line.code.system in (System.CPT, System.HCPCS))

    @cached_property
    def values(self) -> frozenset[str]:
        """The diagnosis codes as written."""
        return frozenset(line.value for line in self.diagnoses)

    @cached_property
    def by_category(self) -> Mapping[str, tuple[Line, ...]]:
        """The diagnosis lines by their first three characters, by code whatever their sequence."""
        found: dict[str, list[Line]] = {}
        for line in sorted(self.diagnoses, key=lambda line: line.value):
            found.setdefault(line.value[:3], []).append(line)
        return {category: tuple(lines) for category, lines in found.items()}

    @property
    def first(self) -> Line | None:
        """The first-listed or principal diagnosis, ``None`` where the lines carry no sequence."""
        return next((line for line in self.diagnoses if line.sequence == 1), None)

    @property
    def facility_inpatient(self) -> bool:
        """Whether this is the hospital's claim of an inpatient stay (guideline sections II and III bind)."""
        return self.encounter.uncertain_as_established

    @property
    def claim(self) -> Claim:
        """Whose bill it is; where nobody said, the facility's for a stay and the professional's elsewhere."""
        if self.encounter.claim is not None:
            return self.encounter.claim
        return Claim.FACILITY if self.facility_inpatient else Claim.PROFESSIONAL

    @property
    def edits(self) -> EditTables:
        """The payer edits that the deployment loaded."""
        return self.facts.edits

    def starting(self, *beginnings: str) -> tuple[Line, ...]:
        """Return the diagnosis lines whose code begins with one of the given texts ("E11.2")."""
        return tuple(line for line in self.diagnoses if line.value.startswith(beginnings))

    @cached_property
    def categories(self) -> frozenset[str]:
        """The first three characters of the diagnosis codes, for rules to leave early by."""
        return frozenset(self.by_category)

    def put_first(self, line: Line) -> Fix:
        """Return the change that lists a diagnosis first; the others keep their order."""
        behind = tuple(dict.fromkeys(other.code for other in self.diagnoses if other.code != line.code))
        return Fix(behind, behind)

    def put_last(self, lines: Iterable[Line]) -> Fix | None:
        """Return the change that moves diagnoses behind all others, ``None`` where there are no others."""
        moved = tuple(dict.fromkeys(line.code for line in lines))
        return Fix(moved, moved) if any(line.code not in moved for line in self.diagnoses) else None

    def mark(self, line: Line, modifiers: Iterable[str]) -> Fix | None:
        """Return the change that makes these, each once, the modifiers of a line.

        ``None`` where a claim has no place for them, or where the code stands on several lines and the change
        could not say which it means.
        """
        wanted = tuple(dict.fromkeys(modifiers))
        alone = sum(other.code == line.code for other in self.lines) == 1
        return Fix(modifiers=((line.code, wanted),)) if alone and len(wanted) <= MOST_MODIFIERS else None

    def fact(self, line: Line) -> CodeFacts:
        """Return what the book says of a diagnosis line's code."""
        return self.facts.of(line.value)

    @cached_property
    def mentions(self) -> tuple[tuple[str, Mention], ...]:
        """Every mention of the notes with its note's id, in order."""
        return tuple(
            (document.note.id, mention) for document in self.documents for mention in document.mentions
        )

    def mentions_of(self, line: Line) -> tuple[Mention, ...]:
        """Return the mentions that a line's evidence overlaps."""
        places = [(evidence.note_id, evidence.span.start, evidence.span.end) for evidence in line.evidence]
        return tuple(
            mention
            for note_id, mention in (self.mentions if places else ())
            for span in (mention.span,)
            if any(start < span.end and span.start < end and of == note_id for of, start, end in places)
        )

    def evidence_where(self, wanted: Callable[[Mention], bool], limit: int = 3) -> tuple[Evidence, ...]:
        """Return the phrases of the mentions that are wanted, as a query or a finding may quote them."""
        texts: dict[str, Note] = {document.note.id: document.note for document in self.documents}
        found = [
            Evidence(note_id, mention.span, mention.span.slice(texts[note_id].text), mention.section)
            for note_id, mention in self.mentions
            if wanted(mention)
        ]
        return tuple(found[:limit])

    def after(self, fix: Fix) -> Coding:
        """Return the set that a fix would make.

        What is put in takes the place in the sequence of what is taken out; without a removal it goes last.
        A fix that takes out and puts in the same code moves it behind the others. Lines whose modifiers it
        names carry those.
        """
        moved = set(fix.remove) & set(fix.add)
        kept = [line for line in self.lines if line.code not in fix.remove]
        freed = [line for line in self.lines if line.code in fix.remove and line.code not in moved]
        added = []
        for index, code in enumerate(fix.add):
            old = next((line for line in self.lines if line.code == code), None)
            if old is not None and code not in moved:
                continue
            place = freed[min(index, len(freed) - 1)] if freed and code not in moved else None
            base = old or place or Line(code)
            added.append(replace(base, code=code, sequence=place.sequence if place else None))
        marked = dict(fix.modifiers)
        lines = [replace(line, modifiers=marked.get(line.code, line.modifiers)) for line in (*kept, *added)]
        return replace(self, lines=_renumbered(lines))


def _renumbered(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Give the lines of each system consecutive places, those without one last, if any had one."""
    result: list[Line] = []
    for system in System:
        of_system = [line for line in lines if line.code.system is system]
        if any(line.sequence is not None for line in of_system):
            of_system.sort(key=lambda line: line.sequence if line.sequence is not None else 10_000)
            of_system = [replace(line, sequence=place) for place, line in enumerate(of_system, 1)]
        result.extend(of_system)
    return tuple(
        sorted(result, key=lambda line: (line.code.system.value, line.sequence or 10_000, line.value))
    )


def icd(value: str) -> Code:
    """Return an ICD-10-CM code of a rule's own tables."""
    return Code.parse(System.ICD10CM, value)


def codes_of(lines: Iterable[Line]) -> tuple[Code, ...]:
    """Return the codes of lines, each once, in an order that does not depend on their sequence."""
    return tuple(sorted({line.code for line in lines}))


def lines_of(suggestions: Iterable[Suggestion]) -> list[Line]:
    """Return the lines of the suggestions that are preselected."""
    return [
        Line(suggestion.code, suggestion.sequence, evidence=suggestion.evidence)
        for suggestion in suggestions
        if suggestion.selected
    ]


_LINE = re.compile(
    r"(?P<code>[A-Z0-9.]+)(?P<modifiers>(?:-[A-Z0-9]{2})*)(?:\*(?P<units>[0-9]{1,4}))?(?:@(?P<poa>[YNUW1]))?"
)


def parse_line(text: str, sequence: int | None = None) -> Line:
    """Read a line as the regression cases write it: ``E11.9``, ``93000-26*2``, ``I50.9@Y``.

    The system follows from the form: a dot or three characters are ICD-10-CM, a letter and four digits
    HCPCS, seven characters ICD-10-PCS, the rest CPT. Raises ``ValueError``.
    """
    match = _LINE.fullmatch(text)
    if match is None:
        raise ValueError(
            f"a line must look like 'E11.9', '93000-26*2' (at most 9999 units) or 'I50.9@Y'; got {text!r}"
        )
    value = match["code"]
    if "." in value or len(value) == 3:
        system = System.ICD10CM
    elif len(value) == 7:
        system = System.ICD10PCS
    else:
        system = System.HCPCS if value[0].isalpha() else System.CPT
    modifiers = tuple(match["modifiers"].split("-")[1:])
    code = Code.parse(system, value)
    return Line(code, sequence, modifiers, int(match["units"] or "1"), present_on_admission=match["poa"])


def sequenced(texts: Iterable[str]) -> list[Line]:
    """Read lines in the order of their sequence, each system counted on its own. Raises ``InputError``."""
    places: dict[System, int] = {}
    lines = []
    for text in texts:
        typed = text.strip()
        try:
            # Other scripts have letters whose capital is one of ours.
            line = parse_line(typed.upper() if typed.isascii() else typed)
        except ValueError as error:
            raise InputError(str(error)) from None
        places[line.code.system] = places.get(line.code.system, 0) + 1
        lines.append(replace(line, sequence=places[line.code.system]))
    return lines
