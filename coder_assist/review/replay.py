"""A past run again: from the same notes, pack and books the same bytes, or which version is missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy.orm import Session

from coder_assist.codes import Shelf
from coder_assist.errors import DataError, NotFound, PackError, StateConflict
from coder_assist.review.database import Database
from coder_assist.review.loading import encounter_row
from coder_assist.review.queue import as_read, record_bytes
from coder_assist.review.states import RunState
from coder_assist.review.tables import RunRow
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, load_pack
from coder_assist.suggest.coder import software_version
from coder_assist.suggest.packs import default_pack_dir, verify
from coder_assist.types import Encounter


@dataclass(frozen=True, slots=True)
class Missing:
    """A version that a run was made with and that is not here; ``installed`` is what is here instead."""

    what: str
    recorded: str
    installed: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What became of a replay. ``difference`` is where in the record the bytes part, without any value."""

    run: int
    encounter: str
    missing: tuple[Missing, ...]
    difference: str | None

    @property
    def identical(self) -> bool:
        """Whether the run was produced again byte for byte."""
        return not self.missing and self.difference is None


def replay(database: Database, run_id: int, settings: Settings, packs: Sequence[Path] = ()) -> Replay:
    """Produce a run again from its recorded versions and compare the bytes.

    ``packs`` are further pack directories to look in, beside the settings' and the installed ones. Raises
    ``NotFound``, ``StateConflict`` for a run that has no record yet, and ``DataError`` for a record that is
    not what was stored once.
    """
    with database.read() as session:
        row, encounter, recorded = _stored(session, run_id)
    shelf = Shelf.of(settings)
    found = find_pack(row.pack, packs, settings)
    missing = list(_missing(row, encounter, shelf))
    if isinstance(found, Missing):
        missing.insert(0, found)
    if missing or isinstance(found, Missing):
        return Replay(run_id, encounter.id, tuple(missing), None)
    run = Coder(shelf, load_pack(found), settings.max_note_characters).suggest(encounter)
    if (row.rules or "") != run.rules:
        rules = Missing("rules", row.rules or "not stated", run.rules)
        return Replay(run_id, encounter.id, (rules,), None)
    written = record_bytes(run)
    difference = None
    if written != recorded:
        difference = first_difference(json.loads(recorded), json.loads(written)) or "the order of keys"
    return Replay(run_id, encounter.id, (), difference)


def _stored(session: Session, run_id: int) -> tuple[RunRow, Encounter, bytes]:
    row = session.get(RunRow, run_id)
    if row is None:
        raise NotFound("run", run_id)
    if row.state is not RunState.DONE or row.record is None:
        raise StateConflict(f"run {run_id}", row.state.value, (RunState.DONE.value,))
    if sha256(row.record).hexdigest() != row.record_hash:
        raise DataError(f"the record of run {run_id} was changed after it was stored: its hash does not fit")
    return row, as_read(session, encounter_row(session, row.encounter_id), row), row.record


def _missing(row: RunRow, encounter: Encounter, shelf: Shelf) -> Iterator[Missing]:
    here = {note.id: note.version for note in encounter.notes}
    for note, version in row.note_versions.items():
        if here.get(note) != version:
            yield Missing(f"note {note}", f"version {version}", "not stored")
    library, _ = shelf.library_for(encounter.service_date)
    books = library.versions()
    recorded = row.code_books or {}
    for system in sorted({*books, *recorded}):
        if books.get(system) != recorded.get(system):
            yield Missing(f"{system} code book", recorded.get(system, "none"), books.get(system, "none"))
    if row.lexicon != library.lexicon.version:
        yield Missing("lexicon", row.lexicon or "not stated", library.lexicon.version)
    if row.software != software_version():
        yield Missing("software", row.software or "not stated", software_version())


def find_pack(version: str, packs: Iterable[Path], settings: Settings) -> Path | Missing:
    """Return the directory of a pack by its version, ``<name>@<checksum>``, or what is there instead."""
    candidates = [*packs, *([settings.pack] if settings.pack else [])]
    with suppress(PackError):  # where no pack is installed, those that were named are looked at
        candidates += sorted(path for path in default_pack_dir().parent.iterdir() if path.is_dir())
    installed = []
    for candidate in candidates:
        try:
            config = json.loads((candidate / "config.json").read_text(encoding="utf-8"))
            name = f"{config['name']}@{verify(candidate)[:12]}"
        except (OSError, ValueError, KeyError, TypeError, PackError):
            continue  # not a pack, or one that was changed: it made no run
        if name == version:
            return candidate
        installed.append(name)
    return Missing("pack", version, ", ".join(dict.fromkeys(installed)) or "none")


def first_difference(recorded: object, produced: object, path: str = "") -> str | None:
    """Return where two JSON values differ first; never what stands there, for it may be a note's words.

    >>> first_difference({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]})
    'a[1].b'
    """
    if isinstance(recorded, Mapping) and isinstance(produced, Mapping):
        for key in (*recorded, *(key for key in produced if key not in recorded)):
            below = f"{path}.{key}" if path else str(key)
            if key not in recorded or key not in produced:
                return below
            if found := first_difference(recorded[key], produced[key], below):
                return found
        return None
    if isinstance(recorded, list) and isinstance(produced, list):
        for index, (one, other) in enumerate(zip(recorded, produced, strict=False)):
            if found := first_difference(one, other, f"{path}[{index}]"):
                return found
        shorter = min(len(recorded), len(produced))
        return f"{path}[{shorter}]" if len(recorded) != len(produced) else None
    return path if recorded != produced or type(recorded) is not type(produced) else None
