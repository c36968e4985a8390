"""Whatever comes in, only documented errors come out, without a word of it; offsets slice back to the text."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from coder_assist.batch import count_records, shards
from coder_assist.codes import Library, listings
from coder_assist.codes.cdc_index import read_index
from coder_assist.codes.sources import read_abbreviations, read_procedures, read_synonyms
from coder_assist.codes.tabular import read_tabular
from coder_assist.errors import (
    BatchError,
    CodeBookError,
    CorpusError,
    InputError,
    LexiconError,
    NoteError,
    RecordError,
)
from coder_assist.learn.corpus import compile_note, read_corpus
from coder_assist.review.fhir import from_fhir
from coder_assist.review.importing import from_jsonl, from_records
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack
from coder_assist.suggest.rules.edit_files import read_mue, read_ncci
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.suggest.wire import read_line, run_record
from coder_assist.types import Encounter, Note
from tests.properties.cost import assert_linear

CANARY = "Zanzibarine"

# Any code point a note can hold: surrogates cannot be written as UTF-8 and are refused at the edge.
anything = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
# What notes are made of, and what breaks readers: directions, joiners, marks, emoji, every kind of line end, NULs.
PIECES = (
    "Assessment:", "HPI:", "Family history:", "1. ", "- ", "Type 2 diabetes", "no chest pain", "denies", "HTN",
    "left femur fracture", "BP 140/90", "BMI 34.2", "s/p CABG", "h/o", "r/o PE", "E11.9", "?", ";", ".", ",", "(",
    ")" * 9, "[" * 40, " ", "\n", "\r\n", "\r", "\n\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x00",
    "\u200b", "\u200d", "\ufeff", "\u00ad", "\u202e", "\u2066", "\u2069", "e\u0301", "\u0301" * 5, "İ", "ß", "ﬁ",
    "ſ", "👩🏽\u200d⚕️", "🇺🇸", "שלום", "مرحبا", "ก็", "\U0010ffff", "\ufffd", "Ⅳ", "²", "٣", "_" * 30, "x" * 300,
)  # fmt: skip
notes = st.lists(st.one_of(st.sampled_from(PIECES), anything), min_size=1, max_size=30).map("".join)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | anything
    | st.sampled_from([CANARY, "note", "2026-02-30", 10**400]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(anything, inner, max_size=4),
    max_leaves=12,
)
KEYS = (
    "id",
    "text",
    "notes",
    "setting",
    "claim",
    "sex",
    "age",
    "service_date",
    "specialty",
    "title",
    "priority",
)
records = st.dictionaries(st.sampled_from(KEYS), json_values, max_size=7)
unhurried = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def coder(cache_dir: Path) -> Coder:
    """A real coder with the hand-set weights; the shipped pack is tried in ``test_the_shipped_pack``."""
    return Coder.load_with(Pack("hand-set@0", WeightedScorer()), Settings(cache_dir=cache_dir))


def spans_slice_back(coder: Coder, text: str) -> None:
    """Everything a run points to is in the note, and is what the note says there."""
    run = coder.suggest(Encounter.of(Note("n", text)))
    for suggestion in run.suggestions:
        assert suggestion.evidence
        for evidence in suggestion.evidence:
            assert 0 <= evidence.span.start < evidence.span.end <= len(text)
            assert text[evidence.span.start : evidence.span.end] == evidence.text
    json.dumps(run_record(run), ensure_ascii=False, allow_nan=False).encode("utf-8")


@unhurried
@given(notes.filter(str.strip))
@example("Assessment: hypertension\x00 and\u200b dia\u200dbetes \u202eotsag\u202c.")
@example("ASSESSMENT:\r\nGout.\rAsthma.\u2028Cough.\x85Fever.\n\rCOPD 👩🏽\u200d⚕️ e\u0301")
def test_any_note_can_be_read(coder: Coder, text: str) -> None:
    """Any Unicode is read without an error, and offsets slice back to it."""
    spans_slice_back(coder, text)


@pytest.mark.slow
def test_the_shipped_pack_slices_back(cache_dir: Path) -> None:
    """The shipped pack, with its phrase memory, points to what is there as well."""
    coder = Coder.load(settings=Settings(cache_dir=cache_dir))
    for joined in ("", " ", "\n", "\u200b", "\r\n", "\u202e"):
        spans_slice_back(coder, joined.join(PIECES))


def again(piece: str) -> Callable[[int], str]:
    """Return what makes a text of a length out of one piece."""
    return lambda size: (piece * (size // len(piece) + 1))[:size]


# What notes are never made of, or not for so long: each tries another loop of the reader.
ODD: dict[str, Callable[[int], str]] = {
    "brackets": again("("),
    "one token": again("x"),
    "marks": again("\u0301"),
    "overrides": lambda size: "\u202e" * size + "gout",
    "stops": again("a."),
    "cues": again("no "),
    "line ends": lambda size: "\r\n" * (size // 2) + "gout",
    "headings": again("HPI:\n"),
    "figures": again("1" * 40 + "/"),
    "procedures": again("PROCEDURE: Left knee arthroscopy\n"),
}
ODDER: dict[str, Callable[[int], str]] = {
    "blanks": lambda size: "gout" + " " * size + "gout",
    "commas": again("pain, "),
    "semicolons": again("a;"),
    "slashes": again("a/"),
    "dashes": again(" - "),
    "apostrophes": again("a'"),
    "signs": again("(-) fever ? "),
    "one term": again("hypertension "),
    "joined terms": again("hypertension and "),
    "shared heads": again("hip and knee pain "),
    "abbreviations": again("MI, "),
    "compounds": again("A/P "),
    "headed abbreviations": again("HPI: MI.\n"),
    "sides": again("left right "),
    "sides of parts": again("left knee and right hip "),
    "levels": again("C5-6 and "),
    "weeks": again("12 weeks and "),
    "weeks after": again("weeks post "),
    "follow-ups": again("follow up for "),
    "measured": again("BMI 34.2 "),
    "years": again("in 1998 "),
    "history": again("family history of "),
    "operations": again("s/p CABG "),
    "drugs": again("amoxicillin clavulanate potassium "),
    "diagnoses": again("ASSESSMENT: gout\n"),
    "a list": lambda size: "ASSESSMENT:\n" + again("1. Gout of left knee.\n")(size),
    "unknown phrases": lambda size: "ASSESSMENT:\n" + again("zorbian flux\n")(size),
    "items within a line": again("1. Gout 2. "),
    "corrections": again("Addendum: left, not right. "),
    "copies": again("The patient has a long line of text that is copied here again and again.\n"),
    "misspelt words": lambda size: " ".join(f"hypertensoin{chr(97 + n % 26)}" for n in range(size // 14)),
    "other words": lambda size: " ".join(f"w{n}" for n in range(size // 7)),
    "stages": again("second degree burn "),
    "fractures": again("open fracture of left femur "),
    "emoji": again("👩🏽\u200d⚕️ "),
    "NULs": lambda size: "\x00" * size + "gout",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "made",
    [
        *(pytest.param(made, id=name) for name, made in ODD.items()),
        *(pytest.param(made, id=name, marks=pytest.mark.endurance) for name, made in ODDER.items()),
    ],
)
def test_cost_grows_as_the_text_does(coder: Coder, made: Callable[[int], str]) -> None:
    """Eight times the text takes at most about eight times as long, twenty times at the very most."""
    short, long = (Note("n", made(size)) for size in (12_000, 96_000))
    assert_linear(lambda: coder.suggest(short), lambda: coder.suggest(long), times=20, slack=0.2)


MEGABYTE = 1_000_000


def unread(*_: object) -> None:
    """Stand where a reader stands that must not be asked."""
    raise AssertionError("the note was read")


def test_a_token_of_a_megabyte_is_refused_at_once(coder: Coder) -> None:
    """A note longer than the limit is refused before a character of it is read, with both lengths and the way out."""
    note = Note("n", again(CANARY)(MEGABYTE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("coder_assist.text.find_sections", unread)
        patch.setattr("coder_assist.text.find_sentences", unread)
        with pytest.raises(NoteError) as refusal:
            coder.suggest(note)
    message = str(refusal.value)
    assert "1,000,000 characters; expected at most 200,000" in message
    assert "CODER_ASSIST_MAX_NOTE_CHARACTERS" in message and CANARY not in message
    (item,) = from_records([{"id": "n", "text": note.text}], longest=200_000)
    assert item.encounter is None and "1 to 200000 characters; got 1000000" in (item.error or "")


@pytest.mark.parametrize("made", [again("x"), again("9"), again("e\u0301"), again("x-")], ids="x9é-")
@pytest.mark.slow
def test_a_token_of_a_megabyte_is_read_in_its_time(cache_dir: Path, made: Callable[[int], str]) -> None:
    """Where the limit is raised, a word of 1 MB takes about eight times as long as one of an eighth."""
    settings = Settings(cache_dir=cache_dir, max_note_characters=MEGABYTE)
    patient = Coder.load_with(Pack("hand-set@0", WeightedScorer()), settings)
    short, long = (Note("n", made(size)) for size in (MEGABYTE // 8, MEGABYTE))
    assert patient.suggest(long).suggestions == ()
    assert_linear(lambda: patient.suggest(short), lambda: patient.suggest(long), times=20, slack=0.2)


def refused_plainly(
    read: Callable[[], object], *documented: type[Exception], words: Iterable[str] = ()
) -> None:
    """See that reading works or fails as documented, and that the failure holds none of the words."""
    try:
        read()
    except documented as error:
        for word in words:
            assert word not in str(error)


@unhurried
@given(st.one_of(st.binary(max_size=80), json_values.map(lambda value: json.dumps(value).encode())))
@example(b'{"id": "n1", "text": "Zanzibarine')
@example(b'{"id": "n1", "text": "Zanzibarine", "age": "Zanzibarine", "sex": "Zanzibarine"}')
@example(b"[" * 100_000)
@example(b'{"id": "n", "text": "x", "age": 1e999}')
@example(b"9" * 5000)
@example(b'{"id": "n", "text": "\\ud83d Zanzibarine"}')
def test_any_line(line: bytes) -> None:
    """A line is a note record or a ``RecordError`` without the note's words."""
    refused_plainly(lambda: read_line(1, line), RecordError, words=[CANARY])


@unhurried
@given(records)
@example({"id": "n1", "text": "x", "specialty": CANARY * 50, "setting": CANARY, "service_date": CANARY})
@example({"id": "n1", "notes": [{"id": CANARY, "text": None}, CANARY], "priority": CANARY})
def test_any_record(record: dict[str, Any]) -> None:
    """An import tells each bad item's reason without a value; nothing is raised."""
    (item,) = from_records([record])
    assert (item.encounter is None) == bool(item.error)
    assert CANARY not in (item.error or "") or record.get("id") == CANARY


@unhurried
@given(st.lists(st.one_of(st.binary(max_size=60), records.map(lambda r: json.dumps(r).encode())), max_size=5))
def test_any_jsonl(lines: list[bytes]) -> None:
    """A JSONL import answers for every line that is not blank."""
    content = b"\n".join(lines)
    items = from_jsonl(content)
    assert len(items) == sum(bool(line.strip()) for line in content.split(b"\n"))


def fhir(data: Any, context: Any, more: dict[str, Any]) -> dict[str, Any]:
    document = {"resourceType": "DocumentReference", "id": "d1", "context": context}
    document |= {"content": [{"attachment": {"contentType": "text/plain", "data": data}}]}
    return {"resourceType": "Bundle", "entry": [{"resource": document | more}, {"resource": more}, more]}


fields = st.dictionaries(
    st.sampled_from(["resourceType", "content", "context", "subject", "type", "id", "gender", "birthDate", "entry",
                     "period", "class", "date"]),
    json_values | st.sampled_from(["Patient", "Encounter", "Binary", "1990-13-40"]),
    max_size=6,
)  # fmt: skip


@unhurried
@given(json_values | anything.map(lambda text: base64.b64encode(text.encode()).decode()), json_values, fields)
@example(
    "!!!", {"encounter": [{"reference": CANARY}]}, {"resourceType": "Patient", "birthDate": "0000-00-00"}
)
@example(base64.b64encode(b"\xff\xfe" + CANARY.encode()).decode(), None, {})
@example(base64.b64encode(CANARY.encode()).decode(), None, {"content": CANARY})
def test_any_fhir(data: Any, context: Any, more: dict[str, Any]) -> None:
    """A bundle's documents are read or listed with a reason; only ``InputError`` is raised."""
    whole = fhir(data, context, more)
    for resource in (whole, whole["entry"][0]["resource"], more, [whole]):
        try:
            items = from_fhir(resource)
        except InputError as error:
            assert CANARY not in str(error)
        else:
            assert all(CANARY not in (item.error or "") for item in items)


LINES = {
    "cpt": "99213    OFFICE VISIT",
    "longult": "99213\tOffice visit",
    "hcpcs": "A0021 00100 3Ambulance service",
    "pcs": "00001 0016070 1 Bypass                                                        Bypass of it",
    "mue": "99213,1,2 Date of Service Edit: Policy,Nature of Service",
    "ncci": "0001A\t0593T\t\t20201211\t*\t1\tMisuse",
    "synonyms": "term\tsystem\tcode\tkind\nheart attack\tICD-10-CM\tI21.9\tclinical",
    "tabular": '<ICD10CM.tabular><version>2026</version><chapter><name>1</name><desc>A</desc></chapter>',
    "corpus": json.dumps({"id": "a", "text": "Gout.", "codes": [{"system": "ICD-10-CM", "code": "M10.9"}]}),
}  # fmt: skip
line_ends = st.sampled_from(["\n", "\r\n", "\r", "\t", ",", " ", "\x00", '"', "²", "٣", "|", "<", ">"])


def flipped(content: bytes, place: int) -> bytes:
    """Return the content with one byte turned over, as damage on a disk does."""
    place %= len(content)
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


files = st.lists(
    st.one_of(
        st.sampled_from(sorted(LINES.values())),
        line_ends,
        anything,
        st.sampled_from(["99213", "*", "20201211"]),
    ),
    max_size=14,
).map(lambda parts: "".join(parts).encode())
packed = files.map(gzip.compress)
damaged = st.builds(flipped, packed, st.integers(min_value=10))
contents = st.one_of(files, st.binary(max_size=120), packed, damaged)


READERS: dict[str, tuple[str, Callable[[Path], object], tuple[type[Exception], ...]]] = {
    "AMA": ("LONGULT.txt", listings.read_cpt, (CodeBookError,)),
    "AMA, wide": ("MEDU.txt", listings.read_cpt, (CodeBookError,)),
    "HCPCS": ("HCPC2026_APR_ANWEB.txt", listings.read_hcpcs, (CodeBookError,)),
    "HCPCS, gzip": ("hcpcs.tsv.gz", listings.read_hcpcs, (CodeBookError,)),
    "PCS": ("icd10pcs_order_2026.txt", listings.read_pcs, (CodeBookError,)),
    "MUE": ("mue.csv", read_mue, (CodeBookError,)),
    "NCCI": ("ncci.txt", lambda path: read_ncci([path]), (CodeBookError,)),
    "tabular": ("tabular.xml", read_tabular, (CodeBookError,)),
    "index": ("index.xml", lambda path: list(read_index(path)), (CodeBookError,)),
    "synonyms": ("synonyms.tsv", lambda path: list(read_synonyms(path)), (LexiconError,)),
    "abbreviations": ("abbreviations.tsv", lambda path: list(read_abbreviations(path)), (LexiconError,)),
    "procedures": ("cpt.tsv", lambda path: list(read_procedures(path)), (LexiconError,)),
    "corpus": ("corpus.jsonl", lambda path: list(read_corpus(path)), (CorpusError,)),
}


@pytest.mark.parametrize("kind", READERS)
@unhurried
@given(content=contents)
@example(content=b"")
@example(content="99213,²,2 x,y".encode())
@example(content=b"99213,1\x1f,2 x,y")
@example(content=b"99213,1,2 x\n" + b'99214,"' + b"x" * 200_000 + b'",2')
@example(content="99213\t0593T\t\t٢٠٢٠١٢١١\t*\t1\tM".encode())
@example(content=b"\x1f\x8b\x08 not gzip at all")
@example(content=b"[" * 100_000)
@example(content=b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>")
def test_any_file_of_codes(tmp_path: Path, kind: str, content: bytes) -> None:
    """A file of codes, edits, terms or coded notes is read or refused with its documented error."""
    name, read, documented = READERS[kind]
    (tmp_path / name).write_bytes(content)
    refused_plainly(lambda: read(tmp_path / name), *documented)


@pytest.mark.parametrize("name", ["notes.jsonl", "notes.jsonl.gz", "notes.parquet"])
@unhurried
@given(content=contents)
@example(content=b"PAR1" + b"\x00" * 40 + b"PAR1")
@example(content=flipped(gzip.compress(b'{"id": "a", "text": "b"}\n'), 10))
def test_any_file_of_notes(tmp_path: Path, name: str, content: bytes) -> None:
    """A batch's input is counted and cut into shards or refused with ``BatchError``."""
    pytest.importorskip("pyarrow")
    (tmp_path / name).write_bytes(content)
    refused_plainly(lambda: list(shards(tmp_path / name)), BatchError)
    refused_plainly(lambda: count_records(tmp_path / name), BatchError)


@unhurried
@given(
    st.lists(
        st.one_of(
            anything, st.sampled_from(["---\n", "id: a\n", "{{", "}}", "|", "[[E11.9]]", "\n", CANARY])
        ),
        max_size=12,
    ).map("".join)
)
def test_any_written_note(text: str) -> None:
    """A note with marks compiles or is refused with file and line, without its words."""
    refused_plainly(lambda: compile_note(text, "a.txt"), CorpusError, words=[CANARY])


@unhurried
@given(query=notes, limit=st.integers(1, 30))
@example(query='" OR 1=1 --', limit=5)
@example(query="* NEAR(", limit=5)
@example(query="%_\\\x00", limit=5)
@example(query="a" * 5000, limit=5)
def test_any_search(library: Library, query: str, limit: int) -> None:
    """Whatever is typed into the search gives at most ``limit`` entries, each once."""
    found = library.search(query, None, limit)
    assert len(found) <= limit
    assert len({entry.code for entry in found}) == len(found)
