"""What the rules say of codes at the desk, and which notes they were read from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from threading import Lock
from typing import Any

from coder_assist.review.claims import ClaimView, claim_of
from coder_assist.review.records import Desk, FinalCode
from coder_assist.suggest import Coder
from coder_assist.suggest.rules import Coding, Line
from coder_assist.suggest.rules.risk import flags_of
from coder_assist.types import Code, Document, Encounter, Evidence, Finding, SectionKind, Span, System

_MOST_KEPT = 128


class Readings:
    """The notes of the encounters opened lately, as read: reading is slow and always gives the same."""

    def __init__(self) -> None:
        self._kept: OrderedDict[object, tuple[Document, ...]] = OrderedDict()
        self._lock = Lock()

    def of(self, coder: Coder, encounter: Encounter) -> tuple[Document, ...]:
        """Return what each note says. Raises ``NoteError``."""
        key = (
            encounter.id,
            encounter.service_date,
            tuple((note.id, note.version) for note in encounter.notes),
        )
        with self._lock:
            if (kept := self._kept.get(key)) is not None:
                self._kept.move_to_end(key)
                return kept
        read = tuple(coder.read_all(encounter))
        with self._lock:
            self._kept[key] = read
            while len(self._kept) > _MOST_KEPT:
                self._kept.popitem(last=False)
        return read


def _record(desk: Desk) -> Mapping[str, Any]:
    """Return what the latest run said, as it is stored; empty before it is done."""
    return desk.run.record if desk.run and desk.run.record else {}


def _behind(desk: Desk) -> dict[Code, tuple[Evidence, ...]]:
    """Return the evidence behind each code: of the decision it rests on, else of the run's suggestion."""
    texts = {note.id: note.text for note in desk.encounter.notes}

    def evidence(places: Iterable[tuple[str, Span, SectionKind]]) -> tuple[Evidence, ...]:
        return tuple(
            Evidence(note_id, span, span.slice(texts[note_id]), section)
            for note_id, span, section in places
            if note_id in texts
        )

    only = next(iter(texts)) if len(texts) == 1 else ""
    record = _record(desk)
    behind = {
        Code(System(suggestion["system"]), suggestion["code"]): evidence(
            (e.get("note_id", only), Span(e["start"], e["end"]), SectionKind(e["section"]))
            for e in suggestion["evidence"]
        )
        for suggestion in record.get("suggestions", ())
    }
    for made in desk.decisions:
        if made.evidence and not made.undone:
            behind[made.code] = evidence(
                (place.note_id, place.span, SectionKind.OTHER) for place in made.evidence
            )
    return behind


def coding_of(coder: Coder, desk: Desk, codes: Iterable[FinalCode], readings: Readings) -> Coding:
    """Return codes of an encounter in its context, each with the evidence that the desk has for it."""
    behind = _behind(desk)
    lines = [
        Line(
            each.code,
            each.sequence,
            each.modifiers,
            each.units,
            behind.get(each.code, ()),
            each.present_on_admission,
        )
        for each in codes
    ]
    return coder.coding(desk.encounter, lines, readings.of(coder, desk.encounter))


def judged(
    coder: Coder, desk: Desk, readings: Readings, codes: Iterable[FinalCode] | None = None
) -> tuple[Finding, ...]:
    """Return what the rules say of the codes that stand on a desk, or of other ones tried out there."""
    return coder.findings(coding_of(coder, desk, desk.codes if codes is None else codes, readings))


def claim_view(coder: Coder, desk: Desk, readings: Readings) -> ClaimView:
    """Return the codes that stand as a claim would carry them, what blocks it first."""
    coding = coding_of(coder, desk, desk.codes, readings)
    return claim_of(coding, coder.findings(coding))


def flags_for(desk: Desk) -> Mapping[Code, Mapping[str, bool]]:
    """Return which diagnoses of a desk, standing or suggested, are in a risk group, a CC or MCC, or chronic.

    Empty where the groupings are not installed. It is shown, and decides nothing.
    """
    record = _record(desk)
    values = [each.code.value for each in desk.codes if each.code.system is System.ICD10CM]
    values += [s["code"] for s in record.get("suggestions", ()) if s["system"] == System.ICD10CM]
    found = {}
    for value, flags in flags_of(values).items():
        said = {
            "hcc": flags.hcc is not None,
            "cc": flags.cc == "CC",
            "mcc": flags.cc == "MCC",
            "chronic": bool(flags.chronic),
        }
        if any(said.values()):
            found[Code(System.ICD10CM, value)] = said
    return found
