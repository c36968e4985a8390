"""What a worker does: a shard in, its part out, by one coder that is loaded once."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from coder_assist.batch.reading import Shard
from coder_assist.errors import BatchError, InputError, RecordError
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
    predictions: bytes
    rejects: bytes
    coded: int
    rejected: int


@lru_cache(maxsize=1)
def _coder(pack: Path | None, settings: str) -> Coder:
    """Load the coder of this process, once."""
    coder = Coder.load(pack, Settings.model_validate_json(settings))
    coder.settle()
    return coder


def code_shard(shard: Shard, pack: Path | None, settings: str, expected: Versions | None = None) -> Part:
    """Return the part of a shard. ``settings`` are JSON, so that any process can be asked.

    A record that cannot be coded becomes a reject. Raises ``BatchError`` where this process would work with
    other versions than the ones ``expected``.
    """
    coder = _coder(pack, settings)
    mine = Versions.of(coder)
    if expected is not None and mine != expected:
        raise BatchError(f"a worker has other versions: {difference(asdict(expected), asdict(mine))}")
    predictions, rejects = [], []
    for number, line in enumerate(shard.lines, shard.first):
        try:
            run = coder.suggest(read_line(number, line))
        except InputError as error:
            reason = str(error) if isinstance(error, RecordError) else f"line {number}: {error}"
            rejects.append(json.dumps({"record": number, "reason": reason}, ensure_ascii=False))
        else:
            predictions.append(json.dumps(run_record(run), ensure_ascii=False))
    return Part(shard.index, _joined(predictions), _joined(rejects), len(predictions), len(rejects))


def _joined(lines: list[str]) -> bytes:
    return "".join(line + "\n" for line in lines).encode()


def difference(expected: dict[str, Any], got: dict[str, Any]) -> str:
    """Say what differs between what was expected and what came."""
    names = [name for name in expected if expected[name] != got.get(name)]
    return "; ".join(f"{name} must be {expected[name]}, got {got.get(name)}" for name in names)
