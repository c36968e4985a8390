"""Packs: saved, verified, loaded; anything changed or foreign is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io

from coder_assist.errors import PackError
from coder_assist.suggest.memory import PAIR, PhraseMemory
from coder_assist.suggest.packs import default_pack_dir, load_pack, save_pack, write_checksums
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.types import Code, System


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    directory = tmp_path / "small"
    save_pack(directory, WeightedScorer(), {"I10": 3, "I11.0": 1}, "# card\n")
    return directory


def test_round_trip(pack: Path) -> None:
    """What was saved comes back; the version names the pack and its checksum."""
    loaded = load_pack(pack)
    assert loaded.version.startswith("small@")
    assert loaded.priors == {"I10": 3, "I11.0": 1}
    assert loaded.category_priors == {"I10": 3, "I11": 1}


def test_default_pack_loads_and_is_small() -> None:
    """The shipped pack passes its own checksums, has a ranker and figures, and is at most 10 MB."""
    directory = default_pack_dir()
    assert load_pack(directory).experience is not None
    assert json.loads((directory / "metrics.json").read_text())["out_of_fold"]["ICD-10-CM"]["f1"] > 0
    assert sum(path.stat().st_size for path in directory.iterdir()) <= 10_000_000


def test_one_changed_byte_is_refused(pack: Path) -> None:
    """A changed file is named."""
    file = pack / "priors.tsv"
    file.write_bytes(file.read_bytes().replace(b"3", b"4"))
    with pytest.raises(PackError, match=r"priors\.tsv was changed"):
        load_pack(pack)


@pytest.mark.parametrize("name", ["CARD.md", "config.json", "priors.tsv"])
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_any_changed_byte_of_any_file_is_refused(pack: Path, name: str, place: float) -> None:
    """One bit, at the beginning, in the middle or at the end."""
    content = bytearray((pack / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (pack / name).write_bytes(content)
    with pytest.raises(PackError, match="was changed"):
        load_pack(pack)


def test_a_file_of_another_pack_is_refused(pack: Path, tmp_path: Path) -> None:
    """A file swapped for another pack's, and two files that changed places, are named; so is a link."""
    save_pack(tmp_path / "other", WeightedScorer(), {"I10": 9}, "# other\n")
    own = (pack / "priors.tsv").read_bytes()
    (pack / "priors.tsv").write_bytes((tmp_path / "other" / "priors.tsv").read_bytes())
    with pytest.raises(PackError, match=r"priors\.tsv was changed"):
        load_pack(pack)
    (pack / "priors.tsv").unlink()
    (pack / "priors.tsv").symlink_to(tmp_path / "other" / "priors.tsv")
    with pytest.raises(PackError, match=r"priors\.tsv is missing"):
        load_pack(pack)
    (pack / "priors.tsv").unlink()
    (pack / "priors.tsv").write_bytes((pack / "CARD.md").read_bytes())
    (pack / "CARD.md").write_bytes(own)
    with pytest.raises(PackError, match="was changed"):
        load_pack(pack)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "sub/file", "..", ""])
def test_no_name_leads_out_of_the_pack(pack: Path, name: str) -> None:
    """Neither upwards, nor absolute, nor down."""
    sums = json.loads((pack / "checksums.json").read_text())
    (pack / "checksums.json").write_text(json.dumps({**sums, name: "0"}))
    with pytest.raises(PackError):
        load_pack(pack)


def test_missing_and_additional_files_are_refused(pack: Path) -> None:
    """A file too few or too many is named."""
    (pack / "extra.txt").write_text("x")
    with pytest.raises(PackError, match=r"extra\.txt is not listed"):
        load_pack(pack)
    (pack / "extra.txt").unlink()
    (pack / "CARD.md").unlink()
    with pytest.raises(PackError, match=r"CARD\.md is missing"):
        load_pack(pack)


def test_path_out_of_the_pack_is_refused(pack: Path) -> None:
    """A checksum entry that leads out of the directory is refused."""
    sums = json.loads((pack / "checksums.json").read_text())
    (pack / "checksums.json").write_text(json.dumps({**sums, "../secret": "0"}))
    with pytest.raises(PackError, match="outside of the pack"):
        load_pack(pack)


def test_directory_that_is_no_pack_is_refused(tmp_path: Path) -> None:
    """A directory without checksums is no pack, and nothing in it is overwritten by saving."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(PackError, match="readable checksums"):
        load_pack(tmp_path)
    with pytest.raises(PackError, match="no pack"):
        save_pack(tmp_path, WeightedScorer(), {}, "")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_pack_of_another_format_or_other_features_is_refused(pack: Path) -> None:
    """A pack made for another version says so."""
    config = json.loads((pack / "config.json").read_text())
    (pack / "config.json").write_text(json.dumps({**config, "format": 99}))
    write_checksums(pack)
    with pytest.raises(PackError, match="expected format"):
        load_pack(pack)
    (pack / "config.json").write_text(
        json.dumps({**config, "kind": "ranker", "features": ["phase of the moon"], "thresholds": {}})
    )
    write_checksums(pack)
    with pytest.raises(PackError, match="phase of the moon"):
        load_pack(pack)


def test_untrusted_type_is_refused(pack: Path) -> None:
    """A ranker file that holds another type than the trusted ones is not loaded."""
    config = json.loads((pack / "config.json").read_text())
    skops.io.dump([pickle.Pickler], pack / "ranker.skops")
    (pack / "config.json").write_text(
        json.dumps({**config, "kind": "ranker", "features": [], "thresholds": {}})
    )
    write_checksums(pack)
    with pytest.raises(PackError, match="not trusted"):
        load_pack(pack)


def test_memory_looks_up_by_key(tmp_path: Path) -> None:
    """A memory finds all codes of a phrase, most precise first, also after a round trip."""
    codes = [Code(System.ICD10CM, "I10"), Code(System.ICD10CM, "I11.0")]
    pairs = np.array([(5, 0, 2, 9, 1), (5, 1, 8, 9, 1), (7, 0, 3, 3, 2)], dtype=PAIR)
    PhraseMemory(pairs, codes).save(tmp_path)
    memory = PhraseMemory.load(tmp_path)
    assert memory is not None
    assert [r.code.value for r in memory.lookup(5)] == ["I11.0", "I10"]
    assert memory.lookup(7)[0].precision == pytest.approx(3.2 / 5)
    assert memory.lookup(6) == []
