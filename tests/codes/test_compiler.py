"""The store: compiled once, whole or not at all, anew when a source changes."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coder_assist.codes import Lexicon, Library, compiler, installed_editions, open_library
from coder_assist.codes.compiler import MOST_REWORDINGS, rewordings, store_for, variants
from coder_assist.codes.terms import key
from coder_assist.errors import CodeBookError, LexiconError
from coder_assist.types import System

Make = Callable[..., Path]

# Two processes that meet when both have compiled, so that both rename at once.
COMPILE_TOGETHER = """
import os, sys, time
from pathlib import Path
from coder_assist.codes import compiler, open_library

data, editions, cache, meeting = map(Path, sys.argv[1:])
compiler.data_file = lambda name: data / name
compile_alone = compiler._compile

def compile_together(*given):
    compile_alone(*given)
    (meeting / f"{os.getpid()}.compiled").touch()
    for _ in range(3000):
        if len(list(meeting.glob("*.compiled"))) == 2:
            return
        time.sleep(0.01)
    raise SystemExit("the other process did not come")

compiler._compile = compile_together
library = open_library(cache, editions)
print(library.icd.billable_count(), len(library.lexicon))
"""


def refuse(*_: Any) -> None:
    raise AssertionError("compiled again")


def test_second_opening_compiles_nothing(
    small_library: Library, make_editions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that stands is opened as it is."""
    monkeypatch.setattr(compiler, "_compile", refuse)
    again = open_library(tmp_path / "cache", make_editions())
    assert list(again.icd) == list(small_library.icd)
    assert [again.lexicon.term(row) for row in range(len(again.lexicon))] == [
        small_library.lexicon.term(row) for row in range(len(small_library.lexicon))
    ]


def test_packaged_store_is_found_again(
    library: Library, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session's own store serves a second opening of the packaged edition."""
    (row,) = library.icd._database.execute("pragma database_list").fetchall()
    monkeypatch.setattr(compiler, "_compile", refuse)
    again = open_library(Path(row[2]).parent.parent)
    assert again.icd.billable_count() == 74_719
    assert again.lexicon.version == library.lexicon.version


def test_opening_does_not_import_the_package_that_carries_the_release(
    small_data: Path, make_editions: Make, tmp_path: Path
) -> None:
    """Opening finds simple_icd_10_cm without importing it, which would parse ten megabytes."""
    open_library(tmp_path / "cache", make_editions())
    assert "simple_icd_10_cm" not in sys.modules


def test_two_processes_compile_at_once(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """Of two processes that compile into one directory both get a whole store, and nothing else is left."""
    cache, meeting = tmp_path / "cache", tmp_path / "meeting"
    meeting.mkdir()
    command = [
        sys.executable,
        "-c",
        COMPILE_TOGETHER,
        *map(str, (small_data, make_editions(), cache, meeting)),
    ]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    answers = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    assert answers[0][0] == answers[1][0]
    assert answers[0][0].startswith("6 ")
    assert len(list(meeting.iterdir())) == 2
    (store,) = cache.glob("FY2031-*")
    assert store.name.startswith("FY2031-")


def test_same_sources_give_the_same_bytes(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """Compiling twice gives the same files, byte for byte."""
    (_, edition) = installed_editions(make_editions())
    first, second = (store_for(edition, tmp_path / name) for name in ("one", "two"))
    assert first.name == second.name
    assert {p.name: p.read_bytes() for p in first.iterdir()} == {
        p.name: p.read_bytes() for p in second.iterdir()
    }


@pytest.mark.parametrize("name", ["synonyms.tsv", "abbreviations.tsv", "drugs.tsv", "cpt.tsv"])
def test_changed_lexicon_file_compiles_anew(
    small_library: Library, small_data: Path, make_editions: Make, tmp_path: Path, name: str
) -> None:
    """Any change in a lexicon file makes a new store and a new version; the old store stays."""
    path = small_data / name
    path.write_text(
        path.read_text()
        .replace("forearm", "lower arm")
        .replace("stool", "motion")
        .replace("doxy\t", "doxyx\t")
    )
    again = open_library(tmp_path / "cache", make_editions())
    assert again.lexicon.version != small_library.lexicon.version
    assert len(list((tmp_path / "cache").glob("FY2031-*"))) == 2


def test_changed_release_compiles_anew(
    small_library: Library, make_editions: Make, tmp_path: Path, tabular: Path
) -> None:
    """A release whose Tabular List grew makes a new store."""
    grown = tabular.read_text().replace("Classical cholera", "Classical and modern cholera")
    again = open_library(tmp_path / "cache", make_editions(tabular_xml=grown))
    assert again.icd.title("A00.0") == "Classical and modern cholera"
    assert small_library.icd.title("A00.0") == "Classical cholera"


def test_cache_that_cannot_be_written(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A cache directory that cannot be made is refused with the setting to change."""
    (tmp_path / "file").write_text("")
    with pytest.raises(
        CodeBookError, match=r"cache_dir: expected a directory that can be written.*CODER_ASSIST_CACHE_DIR"
    ):
        open_library(tmp_path / "file" / "cache", make_editions())


def test_failed_compilation_leaves_nothing(
    small_data: Path, make_editions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When compiling fails, no store and no half store stays behind, and the next try succeeds."""
    with monkeypatch.context() as patch:
        patch.setattr(compiler, "_write_lexicon", refuse)
        with pytest.raises(AssertionError):
            open_library(tmp_path / "cache", make_editions())
    assert list((tmp_path / "cache").iterdir()) == []
    assert open_library(tmp_path / "cache", make_editions()).icd.billable_count() == 6


def test_relative_cache_directory(
    small_data: Path, make_editions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CODER_ASSIST_CACHE_DIR may be a relative path."""
    monkeypatch.chdir(tmp_path)
    assert open_library(Path("cache"), make_editions()).icd.billable_count() == 6


def test_strange_characters_in_the_cache_path(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """Blanks, question marks and umlauts in the cache's path do no harm."""
    assert open_library(tmp_path / "my cäche? #1 100%", make_editions()).icd.billable_count() == 6


def test_user_lexicon_adds_terms(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A user's lexicon directory adds to the packaged files and takes nothing away."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "synonyms.tsv").write_text("term\tsystem\tcode\tkind\nthe blue death\tICD-10-CM\tA00.0\tlay\n")
    (extra / "abbreviations.tsv").write_text(
        "abbreviation\texpansion\tsystem\tcode\tsense\tcase\tcues\nCHL\tcholera\tICD-10-CM\tA00.9\tonly\texact\t\n"
    )
    (extra / "drugs.tsv").write_text("drug\tgeneric\tconditions\tstatus_code\nzithro\tazithromycin\tA00\t\n")
    (extra / "unrelated.txt").write_text("left alone")
    found = open_library(tmp_path / "cache", make_editions(), extra)
    lexicon = found.lexicon
    assert [term.code.value for term in lexicon.terms_of(key("the blue death"))] == ["A00.0"]
    assert [term.code.value for term in lexicon.terms_of(key("rice water stool"))] == ["A00.9"]
    assert lexicon.senses["CHL"][0].codes == ("A00.9",)
    assert set(lexicon.drugs) == {"doxy", "zithro"}


def test_user_term_for_an_unknown_code(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A user's term for a code that the edition has not is refused with file and line."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "synonyms.tsv").write_text(
        "term\tsystem\tcode\tkind\nthe blue death\tICD-10-CM\tA00.0\tlay\nodd\tICD-10-CM\tZ99.9\tlay\n"
    )
    with pytest.raises(LexiconError, match=r"synonyms\.tsv:3: .* has no Z99\.9") as caught:
        open_library(tmp_path / "cache", make_editions(), extra)
    assert (caught.value.file, caught.value.line) == ("synonyms.tsv", 3)


def test_user_abbreviation_for_an_unknown_code(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """One unknown code of an abbreviation's several is refused with file and line."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "abbreviations.tsv").write_text(
        "abbreviation\texpansion\tsystem\tcode\tsense\tcase\tcues\nQQ\tq\tICD-10-CM\tA00.0 Z99.9\tonly\texact\t\n"
    )
    with pytest.raises(LexiconError, match=r"abbreviations\.tsv:2: .* has no Z99\.9"):
        open_library(tmp_path / "cache", make_editions(), extra)


def test_lexicon_directory_that_is_not_there(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A lexicon directory that is not there is refused."""
    with pytest.raises(LexiconError, match=r"expected a directory with synonyms\.tsv"):
        open_library(tmp_path / "cache", make_editions(), tmp_path / "none")


def test_user_procedure_that_is_packaged(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """A user's own row for a packaged CPT code replaces it, with its terms."""
    extra = tmp_path / "mine"
    extra.mkdir()
    ours = (small_data / "cpt.tsv").read_text()
    (extra / "cpt.tsv").write_text(
        ours.replace("Setting", "Mending").replace("forearm reduction", "arm mend")
    )
    found = open_library(tmp_path / "cache", make_editions(), extra)
    assert [(entry.code.value, entry.title) for entry in found.books[System.CPT]] == [
        ("99999", "Mending a broken forearm")
    ]
    assert found.lexicon.procedures["99999"].label == "Mending a broken forearm"
    assert found.lexicon.terms_of(key("arm mend"))
    assert found.lexicon.terms_of(key("forearm reduction")) == ()


@pytest.mark.parametrize(("conditions", "status"), [("A00 A99", ""), ("A00", "A99")])
def test_drug_with_an_unknown_code(
    small_data: Path, make_editions: Make, tmp_path: Path, conditions: str, status: str
) -> None:
    """A drug's condition or status code that the edition has not is refused with file and line."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "drugs.tsv").write_text(
        f"drug\tgeneric\tconditions\tstatus_code\nzithro\tazithromycin\t{conditions}\t{status}\n"
    )
    with pytest.raises(LexiconError, match=r"drugs\.tsv:2: ICD-10-CM edition FY2031 has no A99"):
        open_library(tmp_path / "cache", make_editions(), extra)


INDEX = (
    "<ICD10CM.index><letter><mainTerm><title>Blue death</title><code>A00.9</code></mainTerm>"
    "<mainTerm><title>Red death</title><code>A99</code></mainTerm></letter></ICD10CM.index>"
)


@pytest.mark.parametrize("name", ["index.xml", "index.xml.gz"])
def test_index_file_in_the_lexicon_directory(
    small_data: Path, make_editions: Make, tmp_path: Path, name: str
) -> None:
    """A CDC Index file in the user's lexicon directory adds its terms, codes that are not there aside."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / name).write_bytes(gzip.compress(INDEX.encode()) if name.endswith(".gz") else INDEX.encode())
    found = open_library(tmp_path / "cache", make_editions(), extra)
    (added,) = found.lexicon.terms_of(key("blue death"))
    assert (added.code.value, added.source) == ("A00.9", "index")
    assert found.lexicon.terms_of(key("red death")) == ()


def test_version_covers_index_files(small_library: Library, make_editions: Make, tmp_path: Path) -> None:
    """The lexicon's version changes with the Index files of the edition and of the lexicon directory."""
    extra = tmp_path / "mine"
    extra.mkdir()
    (extra / "index.xml").write_text(INDEX)
    own = open_library(tmp_path / "cache", make_editions(), extra)
    toml = 'name = "FY2031"\nvalid_from = 2030-10-01\nvalid_to = 2031-09-30\ntabular = "tabular.xml"\n'
    listed = open_library(
        tmp_path / "cache", make_editions(toml + 'index = ["index.xml"]\n', index_xml=INDEX)
    )
    assert own.lexicon.version != small_library.lexicon.version != listed.lexicon.version


def test_packaged_rows_without_their_code(
    small_data: Path, make_editions: Make, tmp_path: Path, tabular: Path
) -> None:
    """A packaged row whose code an edition lacks is left out of it; a drug only loses the code."""
    older = tabular.read_text().replace("B20", "B21").replace("A00.9", "A00.8")
    (small_data / "drugs.tsv").write_text(
        "drug\tgeneric\tconditions\tstatus_code\ndoxy\tdoxycycline\tA00 B20\tA00.9\n"
    )
    lexicon = open_library(tmp_path / "cache", make_editions(tabular_xml=older)).lexicon
    assert lexicon.terms_of(key("rice water stool")) == ()
    assert set(lexicon.senses) == {"FX"}
    assert (lexicon.drugs["doxy"].conditions, lexicon.drugs["doxy"].status_code) == (("A00",), "")


def test_changed_code_compiles_anew(
    small_library: Library, make_editions: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that other code has compiled is not taken."""
    assert compiler._code_digest() == compiler._code_digest.__wrapped__()
    monkeypatch.setattr(compiler, "_code_digest", lambda: b"other code")
    open_library(tmp_path / "cache", make_editions())
    assert len(list((tmp_path / "cache").glob("FY2031-*"))) == 2


def test_store_of_another_format(small_library: Library, tmp_path: Path) -> None:
    """A store of another format is refused when it is opened by its path."""
    (store,) = (tmp_path / "cache").glob("FY2031-*")
    (store / "meta.json").write_text('{"edition": "FY2031", "lexicon": "0"}')
    with pytest.raises(CodeBookError, match=r"expected a store of format \d+; got None"):
        Lexicon(store)


def test_abandoned_compilations_are_removed(small_data: Path, make_editions: Make, tmp_path: Path) -> None:
    """What a killed compilation left is removed after an hour; one that may still run is left alone."""
    old, young = (tmp_path / "cache" / f".compiling-{name}" for name in ("old", "young"))
    for path in (old, young):
        path.mkdir(parents=True)
        (path / "codes.sqlite").write_text("half")
    os.utime(old, (0, 0))
    open_library(tmp_path / "cache", make_editions())
    assert not old.exists()
    assert young.exists()


def test_store_may_be_read_by_others(small_library: Library, tmp_path: Path) -> None:
    """A store has the access rights of any new directory, so that a service may read a shared one."""
    (store,) = (tmp_path / "cache").glob("FY2031-*")
    (tmp_path / "plain").mkdir()
    assert store.stat().st_mode & 0o755 == (tmp_path / "plain").stat().st_mode & 0o755


@pytest.mark.parametrize(
    ("title", "forms"),
    [
        ("Cough", ["cough"]),
        ("Essential (primary) hypertension", ["essential primary hypertension", "essential hypertension"]),
        (
            "Human immunodeficiency virus [HIV] disease",
            ["human immunodeficiency virus disease", "hiv disease"],
        ),
        ("Panic disorder [episodic paroxysmal anxiety]", ["panic disorder", "episodic paroxysmal anxiety"]),
        ("Acute appendicitis NOS", ["acute appendicitis"]),
        ("Headache, not elsewhere classified", ["headache"]),
    ],
)
def test_variants_of_a_title(title: str, forms: list[str]) -> None:
    """A title gives the forms in which it may stand in a note, each once."""
    assert variants(title) == forms


def test_completed_codes_add_no_terms(small_library: Library) -> None:
    """Codes with a 7th character are not in the lexicon: their words are those of the code they complete."""
    terms = [small_library.lexicon.term(row) for row in range(len(small_library.lexicon))]
    assert all(len(term.code.value) < 8 for term in terms)
    assert {term.source for term in terms} == {"title", "inclusion", "synonym", "catalogue"}


@pytest.mark.parametrize(
    ("term", "wanted"),
    [
        ("picc line placement", "picc line insertion"),
        ("posterior spinal fusion", "posterior spine arthrodesis"),
        ("renal arteriography", "renal angiogram"),
        ("retrograde cystogram", "retrograde cystography"),
    ],
)
def test_rewordings_of_operations(term: str, wanted: str) -> None:
    """What operative notes use for one another stands for one another; the term itself is not repeated."""
    found = rewordings(term)
    assert wanted in found and term not in found and len(found) == len(set(found)) < MOST_REWORDINGS


def test_a_side_in_brackets_stands_for_one_word() -> None:
    assert variants("Unspecified injury of descending [left] colon")[1] == "unspecified injury of left colon"
