"""Reading coded lines for training: one coder, one pass over the notes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coder_assist.learn.examples import Example, make_examples
from coder_assist.learn.remember import KEEP_ALL, Retention, build_memory, note_phrases
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.scoring import WeightedScorer


def prepare(
    lines: Sequence[dict[str, Any]],
    priors: Mapping[str, int],
    any_assertion: bool = False,
    retention: Retention = KEEP_ALL,
) -> tuple[Coder, list[Example]]:
    """Return an untrained coder over prior counts, and the lines as it reads them, in order.

    Each note is read once, with every phrase that any fold may remember pointed out.
    """
    with TemporaryDirectory() as scratch:
        build_memory(note_phrases(line, retention) for line in lines).save(Path(scratch))
        pack = Pack(
            "untrained",
            WeightedScorer(),
            priors,
            memory_file=Path(scratch) / "memory.npy",
            any_assertion=any_assertion,
        )
        coder = Coder.load_with(pack, Settings())
        return coder, make_examples(coder, lines, retention)
