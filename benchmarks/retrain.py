"""Learning from decisions, end to end: what a weakened pack gains from a hundred reviewed notes.

    python -m benchmarks.retrain            figures on notes that nobody reviewed, then shadow, gates, promotion

A pack is trained on few of the project's notes. A stand-in, who codes as ``corpora/`` does, reviews others
with it through the store. Their decisions train a challenger, which is measured on the notes that the corpus
keeps apart; then it reads in shadow what is reviewed next, and meets the gates.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coder_assist.challenge import cast_shadows, gates_of, train_from_store
from coder_assist.learn.evaluation import Evaluation, evaluate, read_gold
from coder_assist.learn.gates import Gates
from coder_assist.learn.packing import Corpus, train_pack
from coder_assist.learn.resampling import Difference, compare
from coder_assist.review.database import now
from coder_assist.review.states import Role
from coder_assist.suggest import Coder
from coder_assist.workbench import Bench
from coder_assist.workbench.bench import CORPORA
from coder_assist.workbench.standins import review_as_coded

WEAK, REVIEWED, SHADOWED = 25, 100, 40
ICD = "ICD-10-CM"


@dataclass(frozen=True)
class Retrained:
    """What came of it: encounters reviewed, both packs on unreviewed notes, and the gates."""

    reviewed: int
    before: Evaluation
    after: Evaluation
    gates: Gates

    def gain(self, system: str = ICD) -> dict[str, Difference]:
        """Return each metric of both packs on the notes that nobody reviewed."""
        return compare(system, self.before.notes[system], self.after.notes[system])


def retrain(directory: Path, reviewed: int = REVIEWED, shadowed: int = SHADOWED) -> Retrained:
    """Weaken, review, retrain, measure, cast shadows and meet the gates."""
    lines = [line for line in read_gold([CORPORA / "encounters.jsonl"]) if "encounter" not in line]
    apart = [line for line in lines if line["split"] == "test"]
    known = [line | {"patient_id": f"patient of {line['id']}"} for line in lines if line["split"] == "train"]
    few, others = Corpus.of("few", known[:WEAK]), known[WEAK:]
    train_pack([few], directory / "weakened")
    weakened = Coder.load(directory / "weakened")
    bench = Bench.temporary(weakened)
    done, others = review_some(bench, others, reviewed)
    moment = now()
    train_from_store(bench.database, bench.actor, directory / "challenger", [few], moment)
    challenger = Coder.load(directory / "challenger")
    before, after = evaluate(weakened, apart), evaluate(challenger, apart)
    review_some(bench, others, shadowed)
    cast_shadows(bench.store.shadows, challenger, moment)
    found = gates_of(bench.store.shadows, challenger.pack.version, challenger.library, moment)
    scientist = bench.with_person("Data scientist", Role.DATA_SCIENTIST).actor
    if found.passed:
        bench.store.promotions.record(scientist, found.challenger, found.as_record())
    return Retrained(done, before, after, found)


def review_some(
    bench: Bench, lines: Sequence[dict[str, Any]], count: int
) -> tuple[int, Sequence[dict[str, Any]]]:
    """Let the stand-in submit so many encounters; return how many it could, and the lines that are left."""
    done = place = 0
    while done < count and place < len(lines):
        step = lines[place : place + count - done]
        done += len(review_as_coded(bench, step))
        place += len(step)
    return done, lines[place:]


def main() -> None:
    """Print the gain on unreviewed notes, and what the gates say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--notes", type=int, default=REVIEWED, help="How many notes are reviewed.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="coder-assist-") as directory:
        result = retrain(Path(directory), options.notes)
    print(
        f"{result.reviewed} notes reviewed; figures on {len(result.before.lines)} notes that nobody reviewed"
    )
    for name, found in result.gain().items():
        if found.difference is not None:
            low, high = found.interval or (float("nan"), float("nan"))
            print(
                f"  {name:16} {found.first:.3f} -> {found.second:.3f}  {found.difference:+.3f} "
                f"({low:+.3f} to {high:+.3f}, p {found.p:.3f})"
            )
    gates = result.gates
    print(f"{gates.encounters} encounters in shadow: {'promoted' if gates.passed else 'not promoted'}")
    for failure in gates.failures:
        print(f"  {failure}")


if __name__ == "__main__":
    main()
