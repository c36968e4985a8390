"""The project's coded notes: mark-up, compiler, reader and the committed corpus itself."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coder_assist.codes import Library, open_library
from coder_assist.learn.corpus import (
    CorpusError,
    Record,
    check,
    compile_note,
    compile_notes,
    read_corpus,
    summary,
    to_jsonl,
)
from coder_assist.settings import Settings

CORPORA = Path(__file__).parents[2] / "corpora"
SHARED = Path(__file__).parents[3] / "shared" / "data"
FRONT = "id: x-1\nsetting: outpatient\nspecialty: ENT\ntitle: Ear\nsplit: train\n---\n"


@pytest.fixture(scope="module")
def library() -> Library:
    return open_library(Settings().cache_dir)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return compile_notes(CORPORA)


def codes_of(record: Record) -> dict[str, Record]:
    return {coded["code"]: coded for coded in record["codes"]}


def test_corpus_has_no_problem(library: Library) -> None:
    """Every code is valid and billable, every id unique, and the committed file is up to date."""
    assert [str(problem) for problem in check(CORPORA, library)] == []


def test_compiled_file_is_what_compiling_gives(records: list[Record]) -> None:
    """encounters.jsonl is a build product of notes/*.txt, byte for byte."""
    assert (CORPORA / "encounters.jsonl").read_text(encoding="utf-8") == to_jsonl(records)


def test_compiled_file_reads_back(records: list[Record]) -> None:
    """The reader accepts what the compiler writes, and changes nothing."""
    assert list(read_corpus(CORPORA / "encounters.jsonl")) == records


def test_readme_holds_the_counts(records: list[Record]) -> None:
    """The table in corpora/README.md is the one the command prints."""
    assert summary(records) in (CORPORA / "README.md").read_text(encoding="utf-8")


def test_corpus_is_as_varied_as_promised(records: list[Record]) -> None:
    """At least 72 notes over 24 specialties, three without a code, encounters of two notes, 80 to 700 words."""
    assert len(records) >= 72
    assert len({record["specialty"] for record in records}) >= 24
    assert sum(not record["codes"] for record in records) >= 3
    encounters = [record["encounter"] for record in records if "encounter" in record]
    assert len(encounters) == 2 * len(set(encounters)) >= 6
    assert all(80 <= len(record["text"].split()) <= 700 for record in records)


def test_no_evaluation_and_management_codes(records: list[Record]) -> None:
    """Visit levels, anesthesia and drug supplies are outside the gold."""
    cpt = [coded["code"] for record in records for coded in record["codes"] if coded["system"] == "CPT"]
    assert cpt
    assert not [code for code in cpt if "99202" <= code <= "99499" or code < "02000"]
    assert not [coded for record in records for coded in record["codes"] if coded["system"] == "HCPCS"]


def test_every_coded_diagnosis_has_one_first_listed(records: list[Record]) -> None:
    """A note with diagnoses says which stands first."""
    for record in records:
        diagnoses = [coded for coded in record["codes"] if coded["system"] == "ICD-10-CM"]
        assert sum("primary" in coded for coded in diagnoses) == bool(diagnoses), record["id"]


def test_repeated_evidence_is_gathered_under_one_code() -> None:
    """Two places that name the same condition are two pieces of evidence, one code."""
    record = compile_note(FRONT + "{{Pain|H92.01}} and {{discharge|H92.11?}} of the {{right ear|H92.01}}.")
    assert [piece["text"] for piece in codes_of(record)["H92.01"]["evidence"]] == ["Pain", "right ear"]
    assert codes_of(record)["H92.11"]["status"] == "optional"


def test_several_codes_share_words_and_the_primary_leads() -> None:
    """Codes separated by a blank rest on the same words; the primary one comes first."""
    record = compile_note(FRONT + "{{Cholecystectomy|CPT:47562}} for {{hypertensive CKD|N18.31 I12.9!}}.")
    assert [coded["code"] for coded in record["codes"]] == ["I12.9", "47562", "N18.31"]
    assert [coded["type"] for coded in record["codes"]] == ["diagnosis", "procedure", "diagnosis"]


def test_a_bar_in_the_words_is_kept() -> None:
    """Only the last bar separates words from codes."""
    assert compile_note(FRONT + "{{a|b|R05.9}}")["text"] == "a|b"


@pytest.mark.parametrize(
    ("body", "line", "message"),
    [
        ("fine\n{{pain|R52", 8, "without '}}'"),
        ("pain|R52}}", 7, "without '{{'"),
        ("{{a {{b|R52}} c|R51.9}}", 7, "without '}}'"),
        ("\n\n{{pain}}", 9, "found no code"),
        ("{{pain|}}", 7, "found no code"),
        ("{{ pain|R52}}", 7, "begin or end with a blank"),
        ("{{pain|R52?!}}", 7, "one of '?'"),
        ("{{pain|52}}", 7, "written form"),
        ("{{pain|ICD-9:780}}", 7, "system must be one of"),
        ("{{scan|CPT:70450!}}", 7, "only a diagnosis"),
        ("{{pain|R52}}\n{{ache|R52?}}", 8, "required in another (line 7)"),
        ("{{pain|R52!}}\n{{cough|R05.9!}}", 8, "so is R52 (line 7)"),
        ("{{pain|R52 R52}}", 7, "stands twice"),
        ("\n", 7, "no text"),
    ],
)
def test_faulty_mark_up_names_file_and_line(body: str, line: int, message: str) -> None:
    """A mistake in the mark-up is reported where it stands."""
    with pytest.raises(CorpusError) as error:
        compile_note(FRONT + body, "n.txt")
    assert str(error.value).startswith(f"n.txt:{line}: ")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("front", "message"),
    [
        ("", "line '---'"),
        ("id x\n---\n", "expected 'key: value'"),
        ("colour: red\n---\n", "key must be one of"),
        ("id: a\nid: b\n---\n", "stands twice"),
        ("id: a\n---\n", "lacks setting, specialty, title, split"),
        ("setting: ward\n---\n", "setting must be one of outpatient, inpatient"),
        ("age: old\n---\n", "age must be a number"),
        ("age: nan\n---\n", "age must be a number"),
    ],
)
def test_faulty_front_matter_is_refused(front: str, message: str) -> None:
    """Front matter has known keys with known values, each once."""
    with pytest.raises(CorpusError, match=message):
        compile_note(front + "text")


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_characters="{}|\r", exclude_categories=["Cs"]), max_size=20),
            st.sampled_from(["R05.9", "E11.9", "S52.501A"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_evidence_is_verbatim_whatever_the_text(pieces: list[tuple[str, str]]) -> None:
    """Offsets hold for any text, emoji and line breaks included."""
    body = "".join(f"{before}{{{{x{before.strip()}y|{code}}}}}" for before, code in pieces)
    record = compile_note(FRONT + body)
    assert "{{" not in record["text"]
    for coded in record["codes"]:
        for piece in coded["evidence"]:
            assert record["text"][piece["start"] : piece["end"]] == piece["text"]


def test_check_finds_what_is_wrong(tmp_path: Path, library: Library) -> None:
    """Unknown codes, headers, repeated ids, split encounters and a stale file are all reported."""
    notes = tmp_path / "notes"
    notes.mkdir()
    front = FRONT.replace("split: train", "encounter: e-1\nsplit: train")
    (notes / "1.txt").write_text(front + "{{a|E11}} {{b|E11.999}} {{c|CPT:00001}}", encoding="utf-8")
    (notes / "2.txt").write_text(front.replace("train", "test") + "b", encoding="utf-8")
    (notes / "3.txt").write_text("nothing", encoding="utf-8")
    (notes / "4.txt").write_bytes(b"\xff")
    problems = "\n".join(map(str, check(tmp_path, library)))
    for expected in (
        "1.txt:8: E11 is a header",
        "1.txt:8: ICD-10-CM edition 2026-04 has no code E11.999",
        "2.txt:1: id 'x-1' is also that of 1.txt",
        "2.txt:1: split differs from 1.txt",
        "3.txt:1: expected front matter",
        "4.txt:1: must be UTF-8",
        "encounters.jsonl:1: is not what compiling",
    ):
        assert expected in problems
    assert "00001" not in problems


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "expected a JSON object"),
        ("[]", "expected a JSON object; got list"),
        ('{"id": "a", "text": " ", "codes": []}', "'text' must be a string"),
        ('{"id": "a", "text": "t"}', "'codes' must be a list"),
        ('{"id": "a", "text": "t", "codes": [], "setting": "ward"}', "'setting' must be one of"),
        ('{"id": "a", "text": "t", "codes": [], "age": true}', "'age' must be a number"),
        ('{"id": "a", "text": "t", "codes": [{"code": "R52"}]}', "the strings 'system' and 'code'"),
        ('{"id": "a", "text": "t", "codes": [{"system": "CPT", "code": "R"}]}', "written form"),
        (
            '{"id": "a", "text": "t", "codes": [{"system": "ICD-10-CM", "code": "R52", "status": "sure"}]}',
            "status of R52 must be one of",
        ),
        (
            '{"id": "a", "text": "t", "codes": [{"system": "ICD-10-CM", "code": "R52"},'
            ' {"system": "ICD-10-CM", "code": "r52"}]}',
            "R52 stands twice",
        ),
        (
            '{"id": "a", "text": "t", "codes": [{"system": "ICD-10-CM", "code": "R52",'
            ' "evidence": [{"start": 0, "end": 2}]}]}',
            "0 <= start < end <= 1",
        ),
        (
            '{"id": "a", "text": "secret", "codes": [{"system": "ICD-10-CM", "code": "R52",'
            ' "evidence": [{"start": 0, "end": 2, "text": "xx"}]}]}',
            "is not the text of the note there",
        ),
        ('{"id": "ok", "text": "t", "codes": []}', "also on line 1"),
    ],
)
def test_reader_names_file_and_line_and_no_note_text(tmp_path: Path, line: str, message: str) -> None:
    """A bad line is refused by file and number; the message never quotes the note."""
    corpus = tmp_path / "c.jsonl"
    corpus.write_text('{"id": "ok", "text": "fine", "codes": []}\n\n' + line + "\n", encoding="utf-8")
    with pytest.raises(CorpusError) as error:
        list(read_corpus(corpus))
    assert str(error.value).startswith("c.jsonl:3: ")
    assert message in str(error.value)
    assert "secret" not in str(error.value)


def test_reader_takes_codes_without_evidence(tmp_path: Path) -> None:
    """Evidence, status and type may be missing; unknown keys are kept; codes are normalised."""
    corpus = tmp_path / "c.jsonl"
    record = {"id": "a", "text": "t", "note": 1, "codes": [{"system": "ICD-10-CM", "code": "e119"}]}
    corpus.write_text(json.dumps(record), encoding="utf-8")
    (read,) = read_corpus(corpus)
    assert read["note"] == 1
    assert read["codes"] == [
        {"system": "ICD-10-CM", "code": "E11.9", "status": "required", "type": "diagnosis"}
    ]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["mtsamples/coded-train.jsonl", "codiesp/train.jsonl"])
def test_reader_reads_the_shared_corpora(name: str) -> None:
    """Both shared training corpora are in the documented form."""
    path = SHARED / name
    if not path.is_file():
        pytest.skip(f"needs {name} beside the checkout")
    assert sum(1 for _ in read_corpus(path)) > 400


def test_samples_are_the_notes_without_mark_up() -> None:
    """The plain sample notes of the README are those of the corpus, without their gold codes."""
    texts = {record["text"] for record in read_corpus(CORPORA / "encounters.jsonl")}
    samples = sorted((CORPORA / "samples").glob("*.txt"))
    assert samples
    assert all(path.read_text(encoding="utf-8") in texts for path in samples)
