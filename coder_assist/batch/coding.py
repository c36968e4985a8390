"""What a worker does: a shard in, its part out, by one coder that is loaded once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from platform import node
from typing import Any

from coder_assist.batch.reading import Shard, Unread
from coder_assist.errors import BatchError, CoderAssistError, InputError, RecordError
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_line, run_record


@dataclass(frozen=True, slots=True)
class Versions:
    """What decides a prediction, beside the note."""

    pack: str
    code_books: dict[str, str]
    lexicon: str
    rules: str
    software: str

    @classmethod
    def of(cls, coder: Coder) -> Versions:
        """Return the versions that a loaded coder works with."""
        library = coder.library
        return cls(
            coder.pack.version,
            library.versions(),
            library.lexicon.version,
            coder.rules_version,
            coder.software,
        )


@dataclass(frozen=True, slots=True)
class Part:
    """A shard's predictions and rejects as JSON lines, and how many they are."""

    index: int
    predictions: bytes = field(repr=False)
    rejects: bytes = field(repr=False)
    coded: int
    rejected: int


@lru_cache(maxsize=1)
def _coder(pack: Path | None, settings: str) -> Coder:
    """Load the coder of this process, once. Raises ``BatchError``, which travels between processes as it is."""
    try:
        coder = Coder.load(pack, Settings.model_validate_json(settings))
    except CoderAssistError as error:
        raise BatchError(f"a worker cannot load what the batch is coded with: {error}") from None
    coder.settle()
    return coder


def code_shard(shard: Shard, pack: Path | None, settings: str, expected: Versions | None = None) -> Part:
    """Return the part of a shard. ``settings`` are JSON, so that any process can be asked.

    A record that cannot be coded becomes a reject, whatever the fault. Raises ``BatchError`` where this process
    cannot load the pack and the books, or would work with other versions than the ones ``expected``.
    """
    coder = _coder(pack, settings)
    mine = Versions.of(coder)
    if expected is not None and mine != expected:
        raise BatchError(
            f"the worker on {node()} has other versions: {difference(asdict(expected), asdict(mine))}. "
            "Give it the same, and start it anew"
        )
    predictions, rejects = [], []
    for number, line in enumerate(shard.lines, shard.first):
        try:
            predictions.append(_prediction(coder, number, line))
        except RecordError as error:
            rejects.append(_reject(number, str(error)))
        except InputError as error:
            rejects.append(_reject(number, f"line {number}: {error}"))
        except CoderAssistError as error:
            # Not the record's fault but that of a file of ours: the next record would meet it too.
            raise BatchError(f"a worker cannot go on: {error}") from None
        except Exception as error:
            # The type alone: what a fault says may quote the note.
            rejects.append(_reject(number, f"line {number}: could not be coded; {type(error).__name__}"))
    return Part(shard.index, b"".join(predictions), b"".join(rejects), len(predictions), len(rejects))


def _prediction(coder: Coder, number: int, line: bytes | Unread) -> bytes:
    if isinstance(line, Unread):
        raise RecordError(number, line.problem)
    run = coder.suggest(read_line(number, line))
    return json.dumps(run_record(run), ensure_ascii=False).encode() + b"\n"


def _reject(number: int, reason: str) -> bytes:
    return json.dumps({"record": number, "reason": reason}, ensure_ascii=False).encode() + b"\n"


def difference(expected: dict[str, Any], got: dict[str, Any]) -> str:
    """Say what differs between what was expected and what came."""
    names = [name for name in expected if expected[name] != got.get(name)]
    return "; ".join(f"{name} must be {expected[name]}, got {got.get(name)}" for name in names)
