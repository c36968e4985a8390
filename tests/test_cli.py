"""The command line: what it prints, what it writes, and how it fails."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from coder_assist import cli
from coder_assist.learn.corpus import compile_notes, summary
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, load_pack
from coder_assist.suggest.packs import save_pack
from coder_assist.suggest.scoring import WeightedScorer

CANARY = "Zanzibarine"
NOTE = "ASSESSMENT:\n1. Essential hypertension.\n2. Type 2 diabetes mellitus. No pneumonia.\n"
CORPORA = Path(__file__).parents[1] / "corpora"


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("packs") / "by-hand"
    points = [[0.5, 100, 70], [0.99, 60, 51]]
    metrics = {"precision_curve": {"ICD-10-CM": {"required": 100, "points": points}}}
    save_pack(directory, WeightedScorer(), {}, "# By hand\n", metrics=metrics)
    return directory


@pytest.fixture(scope="module")
def coder(pack: Path) -> Coder:
    return Coder.load_with(load_pack(pack), Settings())


@pytest.fixture
def loaded(coder: Coder, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every command have the one coder that was loaded; loading itself has tests of its own."""
    monkeypatch.setattr(Coder, "load", classmethod(lambda cls, *_: coder))
    yield


def run(*arguments: object) -> Result:
    cli.out.width = 200
    return CliRunner().invoke(cli.app, [str(a) for a in arguments])


def wrong(result: Result, code: int = 2) -> str:
    """Return what a failed command said; it failed on purpose, in one line, without note text."""
    assert result.exit_code == code, result.output
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert "Traceback" not in result.output
    assert CANARY not in result.output
    return " ".join(result.stderr.split())


def note(directory: Path, content: str | bytes) -> Path:
    path = directory / "note.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def jsonl(directory: Path, *records: dict[str, Any] | bytes) -> Path:
    path = directory / "notes.jsonl"
    path.write_bytes(
        b"".join((r if isinstance(r, bytes) else json.dumps(r).encode()) + b"\n" for r in records)
    )
    return path


# --- suggest, one note


def test_suggest_prints_a_table(tmp_path: Path, pack: Path) -> None:
    """A note gives codes with probability, title and the words they rest on, and what was withheld."""
    result = run("suggest", note(tmp_path, NOTE), "--pack", pack)
    assert result.exit_code == 0, result.output
    (line,) = [line for line in result.stdout.splitlines() if "I10" in line]
    assert line.startswith("✓")
    assert "Essential (primary) hypertension" in line
    assert "1. Essential hypertension" in line
    assert "E11.9" in result.stdout
    assert "withheld J18.9" in result.stdout and "negated" in result.stdout
    assert "by-hand@" in result.stdout


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    "text",
    [
        "ASSESSMENT: \U0001f600 hypertension \U0001f469\u200d\u2695\ufe0f [bold] [/red] \\[x",
        "ASSESSMENT:\x00 hypertension\x00\x1b[31m",
        "\ufeffASSESSMENT: hypertension",
        "ASSESSMENT: hypertension\r\n\r\n\u202eplan\u202c",
    ],
    ids=["emoji and mark-up", "control characters", "byte order mark", "direction marks"],
)
def test_suggest_takes_odd_text(tmp_path: Path, text: str) -> None:
    """Emoji, NULs, mark-up and control characters are text; none of them reaches the terminal as a command."""
    result = run("suggest", note(tmp_path, text))
    assert result.exit_code == 0, result.output
    assert "hypertension" in result.stdout
    assert not {"\x00", "\x1b", "\u202e"} & set(result.stdout)


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty"),
        (b" \n\t ", "empty"),
        (f"{CANARY} \xff".encode("latin-1"), f"UTF-8 text; byte {len(CANARY) + 1} is not"),
        (f"{CANARY} hypertension. ".encode() * 210_000, "200,000"),
    ],
    ids=["empty", "blank", "not UTF-8", "5 MB"],
)
def test_suggest_refuses(tmp_path: Path, content: bytes, expected: str) -> None:
    """A note that is empty, too long or not UTF-8 is a plain error with exit code 2."""
    said = wrong(run("suggest", note(tmp_path, content)))
    assert said.startswith("error:")
    assert expected in said or expected.replace(",", "") in said, said


def test_suggest_wants_what_exists(tmp_path: Path) -> None:
    """An absent note, an absent pack, no note at all and an unknown setting are plain errors."""
    assert "expected a text file that can be read; No such file" in wrong(
        run("suggest", tmp_path / "none.txt")
    )
    path = note(tmp_path, NOTE)
    assert "pack" in wrong(run("suggest", path, "--pack", tmp_path / "none"))
    assert "expected NOTE.txt, or --jsonl" in wrong(run("suggest"))
    assert "expected NOTE.txt, or --jsonl" in wrong(run("suggest", "--jsonl", path))
    assert "'ward' is not one of" in wrong(run("suggest", path, "--setting", "ward"))


def test_suggest_at_a_precision(tmp_path: Path, pack: Path) -> None:
    """A stored curve moves the cut and what that costs is said; the run's pack names the precision."""
    result = run("suggest", note(tmp_path, NOTE), "--pack", pack, "--target-precision", "0.85")
    assert result.exit_code == 0, result.output
    assert "preselected from 0.99 instead of 0.50" in result.stderr
    assert "recall 0.51 instead of 0.7, 0.19 lost" in result.stderr
    assert "0 preselected" in result.stdout
    assert "+precision0.85" in result.stdout


def test_suggest_at_an_unknown_precision(tmp_path: Path) -> None:
    """A pack without a stored curve cannot say where to cut; a target above 1 is refused."""
    save_pack(tmp_path / "bare", WeightedScorer(), {}, "")
    path = note(tmp_path, NOTE)
    said = wrong(run("suggest", path, "--pack", tmp_path / "bare", "--target-precision", "0.9"))
    assert "stores no precision_curve" in said
    assert "Invalid value" in wrong(run("suggest", path, "--target-precision", "1.5"))


# --- suggest, many notes


@pytest.mark.usefixtures("loaded")
def test_jsonl_takes_encounters_of_several_notes(tmp_path: Path) -> None:
    """A line with notes is one encounter, whose evidence says in which note it stands."""
    notes = [{"id": "a", "text": "ASSESSMENT: hypertension"}, {"id": "b", "text": "He has hypertension."}]
    source = jsonl(tmp_path, {"id": "e1", "notes": notes})
    result = run("suggest", "--jsonl", source, "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    (line,) = (tmp_path / "out.jsonl").read_bytes().splitlines()
    found = next(s for s in json.loads(line)["suggestions"] if s["code"] == "I10")
    assert [e["note_id"] for e in found["evidence"]] == ["a", "b"]


@pytest.mark.usefixtures("loaded")
def test_jsonl_goes_through(tmp_path: Path) -> None:
    """Each record gets a prediction, in order; spans are code points into the text; codes are not read."""
    text = "\U0001f600 " + NOTE
    source = jsonl(
        tmp_path,
        {"id": "1", "text": text, "codes": [{"nonsense": 1}], "setting": "inpatient"},
        b"",
        {"id": "2", "text": "Nothing to code."},
        {"id": "1b", "text": text},
    )
    result = run("suggest", "--jsonl", source, "--out", tmp_path / "out.jsonl")
    assert result.exit_code == 0, result.output
    predictions = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [p["id"] for p in predictions] == ["1", "2", "1b"]
    for prediction in (predictions[0], predictions[2]):
        assert {"I10", "E11.9"} <= {s["code"] for s in prediction["suggestions"]}
        for suggestion in prediction["suggestions"]:
            for evidence in suggestion["evidence"]:
                assert text[evidence["start"] : evidence["end"]] == evidence["text"]


@pytest.mark.usefixtures("loaded")
def test_one_bad_line_of_ten(tmp_path: Path) -> None:
    """Line 7 is reported with its number, the other nine are written, and the exit code is 1."""
    records: list[dict[str, Any] | bytes] = [{"id": str(n), "text": NOTE} for n in range(1, 11)]
    records[6] = b'{"id": "7", "text": "' + CANARY.encode()
    result = run("suggest", "--jsonl", jsonl(tmp_path, *records), "--out", tmp_path / "out.jsonl")
    said = wrong(result, 1)
    assert "notes.jsonl: line 7: expected a JSON object" in said
    assert "1 line left out" in said
    written = [json.loads(line)["id"] for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert written == ["1", "2", "3", "4", "5", "6", "8", "9", "10"]


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"id": "x", "text": "' + CANARY.encode() + b' \xff"}', "expected UTF-8"),
        (b'["' + CANARY.encode() + b'"]', "must be an object"),
        (b'"' + CANARY.encode() + b'"', "must be an object"),
        (b'{"id": "x"}', "text must be a string; got nothing"),
        (b'{"text": "' + CANARY.encode() + b'"}', "id must be a string; got nothing"),
        (b'{"id": "x", "text": ""}', "empty"),
        (b'{"id": "x", "text": "a", "setting": "' + CANARY.encode() + b'"}', "setting must be one of"),
        (b'{"id": "x", "text": "a", "age": "' + CANARY.encode() + b'"}', "age must be a number"),
        (b'{"id": "x", "text": "\\ud83d ' + CANARY.encode() + b'"}', "half of a surrogate pair"),
        (b"[" * 200_000, "nested too deeply"),
        (b'{"id": "x", "text": "a", "age": ' + b"9" * 5000 + b"}", "too many digits"),
        (b'{"id": "x", "text": "' + (CANARY + " ").encode() * 450_000 + b'"}', "at most"),
        (b'{"id": "[/red]", "text": 3}', "note '[/red]': text must be a string"),
    ],
    ids=lambda value: value[:24].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_bad_lines_say_what_was_expected(tmp_path: Path, line: bytes, expected: str) -> None:
    """Whatever a line holds, its number and the expectation are said, and nothing of its text."""
    source = jsonl(tmp_path, {"id": "1", "text": NOTE}, line)
    result = run("suggest", "--jsonl", source, "--out", tmp_path / "out.jsonl")
    said = wrong(result, 1)
    assert "line 2: " in said
    assert expected in said, said
    assert len((tmp_path / "out.jsonl").read_bytes().splitlines()) == 1


@pytest.mark.usefixtures("loaded")
def test_jsonl_wants_files(tmp_path: Path) -> None:
    """Absent notes, a place that cannot be written and the notes themselves as target are refused."""
    source = jsonl(tmp_path, {"id": "1", "text": NOTE})
    before = source.read_bytes()
    assert "expected a JSONL file" in wrong(
        run("suggest", "--jsonl", tmp_path / "no", "--out", tmp_path / "o")
    )
    assert "can be written" in wrong(run("suggest", "--jsonl", source, "--out", tmp_path / "no" / "o"))
    assert "another file" in wrong(run("suggest", "--jsonl", source, "--out", source))
    assert source.read_bytes() == before


# --- codes


def test_codes_show(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A code shows its title, place and notes, with or without dot; the short form is the same."""
    long = run("codes", "show", "e119")
    assert long.exit_code == 0, long.output
    assert "E11.9 Type 2 diabetes mellitus without complications (billable)" in long.stdout
    assert "below E11 Type 2 diabetes mellitus" in long.stdout
    monkeypatch.setattr(sys, "argv", ["coder-assist", "codes", "E11.9"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    assert "E11.9 Type 2 diabetes" in capsys.readouterr().out


def test_codes_show_refuses() -> None:
    """A code that does not exist, one of no form and an unknown system are plain errors."""
    assert "has no code 'Q99.999'" in wrong(run("codes", "show", "Q99999"))
    assert "not in its written form" in wrong(run("codes", "show", "what"))
    assert "is not one of" in wrong(run("codes", "show", "I10", "--system", "ICD-9"))


def test_codes_search() -> None:
    """Words and beginnings of codes find codes; nothing found is no error."""
    assert "I10" in run("codes", "search", "high blood pressure").stdout
    found = run("codes", "search", "E11.6", "--limit", 3).stdout.splitlines()
    assert len(found) == 3 and all(line.startswith("E11.6") for line in found)
    assert run("codes", "search", "xqzzy").exit_code == 0
    assert "Invalid value" in wrong(run("codes", "search", "pain", "--limit", 0))


# --- evaluate


def gold(directory: Path) -> Path:
    codes = [
        {"system": "ICD-10-CM", "code": "I10", "status": "required", "primary": True},
        {
            "system": "ICD-10-CM",
            "code": "J18.9",
            "status": "required",
            "evidence": [{"start": 70, "end": 79}],
        },
    ]
    return jsonl(
        directory, {"id": "1", "text": NOTE, "codes": codes}, {"id": "2", "text": CANARY, "codes": []}
    )


@pytest.mark.usefixtures("loaded")
def test_evaluate_prints_tables(tmp_path: Path) -> None:
    """Metrics, intervals and what was asked for; no note text."""
    wanted = ("--reliability", "--by", "chapter", "--coverage", "--errors", 3)
    result = run("evaluate", gold(tmp_path), *wanted)
    assert result.exit_code == 0, result.output
    for expected in ("recall_at_20", "0.5 ", "mean probability", "by chapter", "withheld", "misses", "J18.9"):
        assert expected in result.stdout, expected
    assert "Pneumonia, unspecified organism" in result.stdout
    assert CANARY not in result.stdout


@pytest.mark.usefixtures("loaded")
def test_evaluate_prints_json(tmp_path: Path) -> None:
    """The report by system as JSON, and nothing else on stdout."""
    result = run("evaluate", gold(tmp_path), "--json", "--errors", 2, "--show-text")
    one = json.loads(result.stdout)["ICD-10-CM"]
    assert (one["notes"], one["required"], one["recall"]) == (2, 2, 0.5)
    assert one["errors"]["misses"][0]["code"] == "J18.9"
    assert len(one["intervals"]["recall"]) == 2


def test_evaluate_refuses(tmp_path: Path) -> None:
    """An absent corpus, a bad line and an unknown part are plain errors."""
    assert "No such file" in wrong(run("evaluate", tmp_path / "none.jsonl"))
    bad = jsonl(tmp_path, {"id": "1", "text": CANARY, "codes": []}, {"id": "2", "text": CANARY})
    assert "notes.jsonl:2: 'codes' must be a list" in wrong(run("evaluate", bad))
    assert "is not one of" in wrong(run("evaluate", bad, "--by", "moon"))


# --- corpus

MARKED = "id: x-1\nsetting: outpatient\nspecialty: ENT\ntitle: Ear\nsplit: train\n---\nRight {{ear pain|H92.01!}}.\n"


def corpus(directory: Path, text: str) -> Path:
    (directory / "notes").mkdir()
    (directory / "notes" / "001.txt").write_text(text, encoding="utf-8")
    return directory


def test_corpus_compile_check_and_counts(tmp_path: Path) -> None:
    """A corpus that was not compiled has a problem; compiled it has none, and its counts are a table."""
    directory = corpus(tmp_path, MARKED)
    before = run("corpus", "check", directory)
    assert before.exit_code == 1
    assert "encounters.jsonl:1: is not what compiling" in before.stdout
    assert "1 problem" in before.stdout
    assert run("corpus", "compile", directory).exit_code == 0
    after = run("corpus", "check", directory)
    assert (after.exit_code, after.stdout.strip()) == (0, "0 problems")
    for source in (directory, directory / "encounters.jsonl"):
        counts = run("corpus", "counts", source)
        assert counts.exit_code == 0
        assert "| notes | 1 | 0 | 1 |" in counts.stdout


def test_corpus_problems_have_exit_code_1(tmp_path: Path) -> None:
    """A code that does not exist is a problem of check; a note out of form stops compiling and counting."""
    directory = corpus(tmp_path, MARKED.replace("H92.01", "H92.9"))
    result = run("corpus", "check", directory)
    assert result.exit_code == 1
    assert "001.txt:7: ICD-10-CM edition" in result.stdout
    (directory / "notes" / "001.txt").write_text(MARKED.replace("}}", ""), encoding="utf-8")
    for command in ("compile", "counts"):
        assert "001.txt:7: '{{' without '}}'" in wrong(run("corpus", command, directory), 1)
    assert not (directory / "encounters.jsonl").exists()


def test_corpus_wants_a_directory(tmp_path: Path) -> None:
    """An absent directory and one without notes are errors."""
    assert "expected a directory" in wrong(run("corpus", "check", tmp_path / "none"))
    assert "expected a directory" in wrong(run("corpus", "compile", tmp_path / "none"))
    assert "found none" in wrong(run("corpus", "compile", tmp_path), 1)
    assert "No such file" in wrong(run("corpus", "counts", tmp_path / "none.jsonl"))


def test_own_corpus_counts() -> None:
    """The counts command prints the summary of the project's own notes."""
    assert run("corpus", "counts", CORPORA).stdout == summary(compile_notes(CORPORA))


def test_rules_are_listed_and_asked() -> None:
    """`rules list` names every rule; `rules check` finds what is wrong with codes and fails on an error."""
    from coder_assist.suggest.rules import REGISTRY

    listed = run("rules", "list", "--markdown")
    assert all(f"`{id}`" in listed.output for id in REGISTRY)
    checked = run("rules", "check", "E10.9", "E11.9")
    assert checked.exit_code == 0 and "excludes1" in checked.output
    assert run("rules", "check", "S52.501").exit_code == 1
    assert "E11.9" in wrong(run("rules", "check", "hello!"))


def test_codes_lexicon_counts_and_finds_nothing_unexplained() -> None:
    """``codes lexicon`` prints every file's rows and ends well while no conflict is unexplained."""
    result = CliRunner().invoke(cli.app, ["codes", "lexicon"])
    assert result.exit_code == 0, result.output
    assert "hcpcs.tsv" in result.output and "0 unexplained" in result.output
