"""Model packs: what scoring has learnt, as a directory that is verified before it is read.

A pack is ``models/<name>/`` with ``config.json`` (name, format, threshold, weights), ``priors.tsv`` (how
many charts carried each code), ``CARD.md`` and ``checksums.json`` (SHA-256 of every other file).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from coder_assist.errors import PackError
from coder_assist.suggest.scoring import Scorer, WeightedScorer

FORMAT = 1
DEFAULT = "clinical-us"


@dataclass(frozen=True)
class Pack:
    """A loaded pack. ``version`` is ``<name>@<first 12 digits of its checksum>``."""

    version: str
    scorer: Scorer
    priors: Mapping[str, int] = field(default_factory=dict)

    @property
    def category_priors(self) -> dict[str, int]:
        """Charts by three-character category."""
        counts: Counter[str] = Counter()
        for code, charts in self.priors.items():
            counts[code[:3]] += charts
        return dict(counts)


def default_pack_dir() -> Path:
    """Return the default pack's directory: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    for root in (package / "_models", package.parent / "models"):
        if (root / DEFAULT / "checksums.json").is_file():
            return root / DEFAULT
    raise PackError(f"the default pack {DEFAULT!r} is not installed; expected it in {package.name}/_models or models")


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def write_checksums(directory: Path) -> None:
    """Write ``checksums.json`` over all other files of a pack."""
    files = sorted(path for path in directory.iterdir() if path.is_file() and path.name != "checksums.json")
    sums = {path.name: _digest(path) for path in files}
    (directory / "checksums.json").write_text(json.dumps(sums, indent=1) + "\n", encoding="utf-8")


def verify(directory: Path) -> str:
    """Check every file of a pack against its checksums and return the pack's own checksum.

    Raises ``PackError`` for a missing pack, a missing, changed or additional file, or a name that
    leads out of the directory.
    """
    sums_file = directory / "checksums.json"
    try:
        sums = json.loads(sums_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise PackError(f"pack {directory.name}: expected a directory with a readable checksums.json") from None
    if not isinstance(sums, dict) or not all(isinstance(s, str) for s in sums.values()):
        raise PackError(f"pack {directory.name}: checksums.json must map file names to SHA-256 digits")
    for name, expected in sums.items():
        if Path(name).name != name:
            raise PackError(f"pack {directory.name}: checksums.json names {name!r}, which is outside of the pack")
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise PackError(f"pack {directory.name}: {name} is missing")
        if _digest(path) != expected:
            raise PackError(f"pack {directory.name}: {name} was changed after the pack was made; train or fetch it anew")
    extra = {path.name for path in directory.iterdir()} - set(sums) - {"checksums.json"}
    if extra:
        raise PackError(f"pack {directory.name}: {sorted(extra)[0]} is not listed in checksums.json")
    return _digest(sums_file)


def save_pack(directory: Path, scorer: WeightedScorer, priors: Mapping[str, int], card: str) -> None:
    """Write a pack of hand-set weights. Raises ``PackError`` if the directory holds something else."""
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()) and not (directory / "checksums.json").is_file():
        raise PackError(f"{directory.name} holds files that are no pack; choose an empty directory")
    config = {
        "format": FORMAT,
        "name": directory.name,
        "threshold": scorer.threshold,
        "bias": scorer.bias,
        "weights": scorer.weights,
    }
    (directory / "config.json").write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
    lines = [f"{code}\t{count}" for code, count in sorted(priors.items())]
    (directory / "priors.tsv").write_text("\n".join(["code\tcharts", *lines]) + "\n", encoding="utf-8")
    (directory / "CARD.md").write_text(card, encoding="utf-8")
    write_checksums(directory)


def load_pack(directory: Path | None = None) -> Pack:
    """Verify and load a pack, the default one without a directory. Raises ``PackError``."""
    directory = directory or default_pack_dir()
    checksum = verify(directory)
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise PackError(f"pack {directory.name}: expected format {FORMAT}; got {config['format']}")
        scorer = WeightedScorer(config["weights"], config["bias"], config["threshold"])
        rows = (directory / "priors.tsv").read_text(encoding="utf-8").splitlines()[1:]
        priors = {code: int(charts) for code, charts in (row.split("\t") for row in rows)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise PackError(f"pack {directory.name}: expected config.json and priors.tsv of format {FORMAT}; {error}") from None
    return Pack(f"{config['name']}@{checksum[:12]}", scorer, priors)
