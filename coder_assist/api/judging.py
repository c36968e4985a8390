"""What the rules say of codes at the desk, and which notes they were read from."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from threading import Lock

from coder_assist.review.records import Desk, FinalCode
from coder_assist.suggest import Coder
from coder_assist.types import Code, Document, Encounter, Finding, Place

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


def findings_for(
    coder: Coder,
    encounter: Encounter,
    codes: Iterable[FinalCode],
    documents: Sequence[Document],
    evidence: Mapping[int, Sequence[Place]],
) -> tuple[Finding, ...]:
    """Return what the coding rules say of codes. ``evidence`` is by the decision that a code rests on."""
    return ()


def flags_for(coder: Coder, codes: Iterable[Code]) -> Mapping[Code, Mapping[str, bool]]:
    """Return what is known of codes beyond their book: ``hcc``, ``cc``, ``chronic`` ..."""
    return {}


def judged(coder: Coder, desk: Desk, readings: Readings) -> tuple[Finding, ...]:
    """Return what the rules say of the codes that stand on a desk."""
    evidence = {made.id: made.evidence for made in desk.decisions}
    return findings_for(coder, desk.encounter, desk.codes, readings.of(coder, desk.encounter), evidence)
