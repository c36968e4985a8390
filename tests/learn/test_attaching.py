"""Codes that are kept apart from their texts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from coder_assist.codes import Library
from coder_assist.errors import CorpusError, InputError
from coder_assist.learn.attaching import attach, text_digest

TEXT = "ASSESSMENT:\r\nZanzibarine left knee pain \U0001f600."
START = TEXT.index("left")
CODED = {
    "id": "n1",
    "text_sha256": text_digest(TEXT),
    "setting": "outpatient",
    "codes": [{"system": "ICD-10-CM", "code": "M25562", "evidence": [{"start": START, "end": START + 14}]}],
}


def files(directory: Path, coded: dict[str, object], text: str, id: str = "n1") -> tuple[Path, Path]:
    codes, texts = directory / "codes.jsonl", directory / "texts.jsonl.gz"
    codes.write_text(json.dumps(coded) + "\n\n", encoding="utf-8")
    texts.write_bytes(gzip.compress((json.dumps({"id": id, "text": text}) + "\n").encode()))
    return codes, texts


def test_codes_meet_their_text(tmp_path: Path) -> None:
    """The line is one of a coded corpus: codes in written form, evidence that slices the text."""
    (line,) = attach(*files(tmp_path, CODED, TEXT))
    (code,) = line["codes"]
    assert (line["text"], line["setting"], code["code"], code["type"]) == (
        TEXT,
        "outpatient",
        "M25.562",
        "symptom",
    )
    (evidence,) = code["evidence"]
    assert line["text"][evidence["start"] : evidence["end"]] == "left knee pain"
    assert "text_sha256" not in line


@pytest.mark.parametrize(
    ("coded", "text", "id", "said"),
    [
        (CODED, TEXT + " ", "n1", "SHA-256 differs"),
        (CODED, TEXT, "n2", "no text with the id 'n1'"),
        ({**CODED, "codes": [{"system": "ICD-10-CM", "code": "?"}]}, TEXT, "n1", "ICD-10-CM"),
        ({"id": "n1", "codes": []}, TEXT, "n1", "'text_sha256'"),
    ],
)
def test_what_does_not_fit_is_named_by_line(
    tmp_path: Path, coded: dict[str, object], text: str, id: str, said: str
) -> None:
    """Another text, none, or a code in no form: the line is named, and nothing of the text is said."""
    with pytest.raises(CorpusError, match=said) as caught:
        list(attach(*files(tmp_path, coded, text, id)))
    assert str(caught.value).startswith("codes.jsonl:1")
    assert "Zanzibarine" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """An absent file and one that is no gzip are said plainly."""
    codes, texts = files(tmp_path, CODED, TEXT)
    with pytest.raises(InputError, match="No such file"):
        list(attach(tmp_path / "none.jsonl", texts))
    for broken in (b"no gzip", texts.read_bytes()[:-9]):
        texts.write_bytes(broken)
        with pytest.raises(InputError, match="gzip"):
            list(attach(codes, texts))


CODES = Path(__file__).parents[2] / "corpora" / "mtsamples-codes.jsonl"
TEXTS = Path(__file__).parents[3] / "shared" / "data" / "mtsamples" / "uncoded.jsonl.gz"


def test_our_codes_of_other_texts_are_codes_alone(library: Library) -> None:
    """Every diagnosis is billable in the book, every note has at most one primary, and no line holds words of a note."""
    lines = [json.loads(line) for line in CODES.read_bytes().splitlines()]
    assert len({line["id"] for line in lines}) == len(lines) > 1000
    for line in lines:
        assert set(line) == {"id", "text_sha256", "setting", "codes"}
        assert sum(code.get("primary", False) for code in line["codes"]) <= 1
        for code in line["codes"]:
            assert set(code) <= {"system", "code", "status", "evidence", "primary"}
            assert all(set(piece) == {"start", "end"} for piece in code["evidence"]), line["id"]
            if code["system"] == "ICD-10-CM":
                entry = library.icd.get(code["code"])
                assert entry is not None, (line["id"], code["code"])
                assert entry.billable, (line["id"], code["code"])


@pytest.mark.shared
@pytest.mark.skipif(not TEXTS.is_file(), reason="needs the shared corpora beside the checkout")
def test_our_codes_meet_the_shared_texts() -> None:
    """All of them join with the texts that were coded."""
    assert sum(bool(line["codes"]) for line in attach(CODES, TEXTS)) > 1000
