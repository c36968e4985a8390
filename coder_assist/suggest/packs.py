"""Model packs: what scoring has learnt, as a directory that is verified before it is read.

A pack is ``models/<name>/`` with ``config.json`` (name, format, thresholds, features or weights),
``ranker.skops`` (the estimators) and ``forest.npz`` (the same trees as arrays, for serving), ``experience.json`` (what became of earlier proposals), ``memory.npy`` (phrase memory), ``vicinity.npy`` (what the words
around mentions tell), ``first-look.skops``, ``first-look.npz`` and ``company.npz`` (a first ranker, and which codes stand
together: see ``second_look``), ``priors.tsv`` (how many charts carried each code), ``metrics.json``, ``CARD.md`` and ``checksums.json`` (SHA-256 of every other file).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from coder_assist.errors import PackError
from coder_assist.suggest.company import Company
from coder_assist.suggest.experience import Experience
from coder_assist.suggest.features import FEATURES
from coder_assist.suggest.forest import Forest, Ranks
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.scoring import Scorer, TrainedScorer, WeightedScorer, make_ranker
from coder_assist.suggest.second_look import SecondLook, seen_first
from coder_assist.suggest.vicinity import Vicinity

FORMAT = 3
# The types a ranker may hold besides those that skops trusts by itself.
TRUSTED = (
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss._loss.CyHalfBinomialLoss",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
)
DEFAULT = "clinical-us"
# What rankers are kept as: scikit-learn's estimators, and the same trees as arrays where they have such a form.
RANKER = ("ranker.skops", "forest.npz")
FIRST_LOOK = ("first-look.skops", "first-look.npz")


@dataclass(frozen=True)
class Pack:
    """A loaded pack. ``version`` is ``<name>@<first 12 digits of its checksum>``.

    ``lone_share``: a claim needs a diagnosis; where none reaches the threshold, the likeliest is preselected from this
    share of it.

    ``any_assertion``: the notes it learnt from were coded whatever a note says of a finding (denied, a
    relative's), so it proposes such findings too, marked.
    """

    version: str
    scorer: Scorer
    priors: Mapping[str, int] = field(default_factory=dict)
    experience: Experience | None = None
    memory: PhraseMemory | None = None
    memory_file: Path | None = None
    any_assertion: bool = False
    vicinity: Vicinity | None = None
    second_look: SecondLook | None = None
    lone_share: float = 0.6

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
    raise PackError(
        f"the default pack {DEFAULT!r} is not installed; expected it in {package.name}/_models or models"
    )


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
        raise PackError(
            f"pack {directory.name}: expected a directory with a readable checksums.json"
        ) from None
    if not isinstance(sums, dict) or not all(isinstance(s, str) for s in sums.values()):
        raise PackError(f"pack {directory.name}: checksums.json must map file names to SHA-256 digits")
    for name, expected in sums.items():
        if Path(name).name != name:
            raise PackError(
                f"pack {directory.name}: checksums.json names {name!r}, which is outside of the pack"
            )
        path = directory / name
        if path.is_symlink() or not path.is_file():
            raise PackError(f"pack {directory.name}: {name} is missing")
        if _digest(path) != expected:
            raise PackError(
                f"pack {directory.name}: {name} was changed after the pack was made; train or fetch it anew"
            )
    extra = {path.name for path in directory.iterdir()} - set(sums) - {"checksums.json"}
    if extra:
        raise PackError(f"pack {directory.name}: {sorted(extra)[0]} is not listed in checksums.json")
    return _digest(sums_file)


def save_pack(
    directory: Path,
    scorer: Scorer,
    priors: Mapping[str, int],
    card: str,
    experience: Experience | None = None,
    memory: PhraseMemory | None = None,
    estimators: Sequence[Any] = (),
    metrics: Mapping[str, object] | None = None,
    any_assertion: bool = False,
    vicinity: Vicinity | None = None,
    second_look: SecondLook | None = None,
    first_estimators: Sequence[Any] = (),
) -> None:
    """Write a pack; ``estimators`` are what its trained scorer was made of, ``first_estimators`` what the first look was.

    Raises ``PackError`` if the directory holds something else than a pack.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()) and not (directory / "checksums.json").is_file():
        raise PackError(f"{directory.name} holds files that are no pack; choose an empty directory")
    for old in directory.iterdir():
        old.unlink()
    config: dict[str, object] = {"format": FORMAT, "name": directory.name}
    if any_assertion:
        config["any_assertion"] = True
    if isinstance(scorer, WeightedScorer):
        config |= {"kind": "weights", "threshold": scorer.cut, "bias": scorer.bias, "weights": scorer.weights}
    elif isinstance(scorer, TrainedScorer):
        config |= {"kind": "ranker", "thresholds": scorer.cuts, "features": scorer.names}
        further = _save_ranker(directory, RANKER, scorer.ranker, estimators)
        if second_look is not None:
            further |= _save_ranker(directory, FIRST_LOOK, second_look.first, first_estimators)
            second_look.company.save(directory)
        if further:
            config["trusted"] = sorted(further)
    else:
        raise PackError(f"a pack holds a WeightedScorer or a TrainedScorer; got {type(scorer).__name__}")
    _write_json(directory / "config.json", config)
    if experience is not None:
        _write_json(directory / "experience.json", experience.as_json())
    if memory is not None:
        memory.save(directory)
    if vicinity is not None:
        vicinity.save(directory)
    if metrics is not None:
        _write_json(directory / "metrics.json", metrics)
    lines = [f"{code}\t{count}" for code, count in sorted(priors.items())]
    (directory / "priors.tsv").write_text("\n".join(["code\tcharts", *lines]) + "\n", encoding="utf-8")
    (directory / "CARD.md").write_text(card, encoding="utf-8")
    write_checksums(directory)


def _save_ranker(
    directory: Path, names: tuple[str, str], ranker: Ranks, estimators: Sequence[Any]
) -> set[str]:
    """Write a ranker under two names, and return the types that reading it back must trust besides ``TRUSTED``."""
    import skops.io

    if isinstance(ranker, Forest):
        ranker.save(directory / names[1])
    content = skops.io.dumps(list(estimators), compression=ZIP_DEFLATED)
    further = _further_types(directory, set(skops.io.get_untrusted_types(data=content)))
    (directory / names[0]).write_bytes(_without_dates(content))
    return set(further)


def _further_types(directory: Path, types: set[str]) -> list[str]:
    """Return the types besides ``TRUSTED`` that an estimator needs. Raises ``PackError`` unless scikit-learn's."""
    further = sorted(types - set(TRUSTED))
    for name in further:
        if not name.startswith("sklearn."):
            raise PackError(
                f"pack {directory.name}: ranker.skops holds a type that is not trusted, {name}; expected "
                "estimators made of scikit-learn's own types"
            )
    return further


def _without_dates(archive: bytes) -> bytes:
    """Return a ZIP archive with its members' dates taken out, so that the same training gives the same bytes."""
    result = BytesIO()
    with ZipFile(BytesIO(archive)) as old, ZipFile(result, "w", ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(ZipInfo(name), old.read(name), ZIP_DEFLATED)
    return result.getvalue()


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    indent = None if path.name == "experience.json" else 1
    path.write_text(
        json.dumps(content, indent=indent, sort_keys=path.name != "config.json") + "\n", encoding="utf-8"
    )


def load_pack(directory: Path | None = None) -> Pack:
    """Verify and load a pack, the default one without a directory. Raises ``PackError``."""
    directory = directory or default_pack_dir()
    checksum = verify(directory)
    try:
        config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
        if config["format"] != FORMAT:
            raise PackError(f"pack {directory.name}: expected format {FORMAT}; got {config['format']}")
        scorer = _scorer(directory, config)
        experience = None
        if (directory / "experience.json").is_file():
            experience = Experience.from_json(
                json.loads((directory / "experience.json").read_text(encoding="utf-8"))
            )
        memory = PhraseMemory.load(directory)
        vicinity = Vicinity.load(directory)
        second_look = _second_look(directory, config)
        rows = (directory / "priors.tsv").read_text(encoding="utf-8").splitlines()[1:]
        priors = {code: int(charts) for code, charts in (row.split("\t") for row in rows)}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise PackError(f"pack {directory.name}: expected the files of format {FORMAT}; {error}") from None
    return Pack(
        f"{config['name']}@{checksum[:12]}",
        scorer,
        priors,
        experience,
        memory,
        directory / "memory.npy" if memory else None,
        config.get("any_assertion") is True,
        vicinity,
        second_look,
    )


def _scorer(directory: Path, config: Mapping[str, Any]) -> Scorer:
    if config["kind"] == "weights":
        return WeightedScorer(config["weights"], config["bias"], config["threshold"])
    unknown = set(config["features"]) - set(FEATURES)
    if unknown:
        raise PackError(
            f"pack {directory.name}: made for other features, {sorted(unknown)[0]!r} first; train it anew"
        )
    return TrainedScorer(_ranker(directory, RANKER), config["features"], config["thresholds"])


def _second_look(directory: Path, config: Mapping[str, Any]) -> SecondLook | None:
    company = Company.load(directory)
    if company is None:
        return None
    return SecondLook(_ranker(directory, FIRST_LOOK), tuple(seen_first(config["features"])), company)


def _ranker(directory: Path, names: tuple[str, str]) -> Ranks:
    trees = directory / names[1]
    return Forest.load(trees) if trees.is_file() else make_ranker(load_estimators(directory, names[0]))


def load_estimators(directory: Path, name: str = RANKER[0]) -> list[Any]:
    """Return the fitted scikit-learn estimators of a verified pack, for training and inspection.

    ``name`` is the file: that of the ranker, or of the first look.

    Besides ``TRUSTED`` it may hold the types that ``config.json`` names, if they are scikit-learn's own; raises
    ``PackError`` for any other.
    """
    import skops.io  # on demand: it brings all of scikit-learn, which serving does without

    file = directory / name
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    further = _further_types(directory, set(skops.io.get_untrusted_types(file=file)))
    unnamed = sorted(set(further) - set(config.get("trusted", ())))
    if unnamed:
        raise PackError(
            f"pack {directory.name}: {file.name} holds a type that is not trusted, {unnamed[0]}; "
            "config.json does not name it"
        )
    return list(skops.io.load(file, trusted=[*TRUSTED, *further]))
