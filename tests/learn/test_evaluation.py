"""Evaluation: reports, out-of-fold figures, coverage, operating points and comparisons."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from hashlib import sha256
from io import StringIO
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from coder_assist.codes import Library
from coder_assist.errors import CorpusError, InputError, PackError
from coder_assist.learn.breakdown import breakdown, changes, chapter_of, frequent_errors, outcomes
from coder_assist.learn.coverage import CLASSES, Ranked, candidates_of, coverage, rank, reaches
from coder_assist.learn.evaluation import Evaluation, evaluate, read_gold, score_lines
from coder_assist.learn.operating import (
    NEVER,
    Recut,
    curve_of,
    curve_record,
    operating_points,
    recut,
    stored_curves,
    trained_on,
)
from coder_assist.learn.report import Wanted, make_report, printable, show
from coder_assist.measure import Part, score_notes
from coder_assist.suggest import Coder, Pack, load_pack
from coder_assist.suggest.features import Proposal
from coder_assist.suggest.packs import save_pack
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.types import (
    Assertion,
    Candidate,
    Code,
    Mention,
    MentionKind,
    Polarity,
    SectionKind,
    Span,
    System,
)

ICD = "ICD-10-CM"
ROOT = Path(__file__).parents[2]
OWN = ROOT / "corpora" / "encounters.jsonl"
SHARED = ROOT.parent / "shared"
NOTES = (
    ("a", "ASSESSMENT:\n1. Essential hypertension.\n2. Cough.\n", ["I10", "R05.9"]),
    ("b", "ASSESSMENT: Type 2 diabetes mellitus. No pneumonia.\n", ["E11.9", "J18.9"]),
    ("c", "Here for a form. CANARYWORD.\n", []),
)


def coded(id: str, text: str, codes: list[str], words: dict[str, str] | None = None) -> dict[str, Any]:
    lines = []
    for place, code in enumerate(codes):
        found = (words or {}).get(code, "")
        start = text.find(found) if found else -1
        evidence = [{"start": start, "end": start + len(found), "text": found}] if start >= 0 else []
        lines.append({"system": ICD, "code": code, "status": "required", "evidence": evidence})
        if place == 0:
            lines[-1]["primary"] = True
    return {"id": id, "text": text, "setting": "outpatient", "specialty": "ENT", "codes": lines}


WORDS = {
    "I10": "Essential hypertension",
    "R05.9": "Cough",
    "E11.9": "Type 2 diabetes mellitus",
    "J18.9": "pneumonia",
}


@pytest.fixture(scope="session")
def lines() -> list[dict[str, Any]]:
    return [coded(*note, words=WORDS) for note in NOTES]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pack of the hand-set weights, with a stored curve for ICD-10-CM."""
    directory = tmp_path_factory.mktemp("packs") / "by-hand"
    points = [[0.5, 100, 70], [0.7, 60, 51], [0.9, 20, 19]]
    metrics = {"precision_curve": {ICD: {"required": 100, "points": points}}}
    save_pack(directory, WeightedScorer(), {}, "# By hand\n", metrics=metrics)
    return directory


@pytest.fixture(scope="module")
def bare_pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stricter pack that stores no curve."""
    directory = tmp_path_factory.mktemp("packs") / "bare"
    save_pack(directory, WeightedScorer(cut=0.97), {}, "# Bare\n")
    return directory


@pytest.fixture(scope="module")
def coder(pack: Path) -> Coder:
    return Coder.load(pack)


@pytest.fixture(scope="module")
def evaluation(coder: Coder, lines: list[dict[str, Any]]) -> Evaluation:
    return evaluate(coder, lines)


def test_gold_is_never_read(coder: Coder, lines: list[dict[str, Any]], evaluation: Evaluation) -> None:
    """Predictions are the same whatever the codes of the lines say."""
    blank = evaluate(coder, [line | {"codes": []} for line in lines])
    assert blank.predictions == evaluation.predictions


def test_negated_code_is_a_miss(evaluation: Evaluation) -> None:
    """What the note denies is not preselected, and shows among the misses with the gold's words."""
    found = {(o.note_id, o.code): o for o in outcomes(evaluation, ICD)}
    assert found["b", "J18.9"].kind == "miss"
    assert found["b", "J18.9"].words == "pneumonia"
    assert found["b", "E11.9"].kind == "hit"


def test_outcomes_add_up_to_the_metrics(evaluation: Evaluation) -> None:
    """Hits, misses and false positives are those that precision and recall count."""
    scores = evaluation.scores[ICD]
    kinds = [outcome.kind for outcome in outcomes(evaluation, ICD)]
    assert kinds.count("hit") + kinds.count("miss") == scores.required
    assert kinds.count("hit") + kinds.count("false positive") == scores.selected


@pytest.mark.parametrize("part", list(Part))
def test_parts_add_up(evaluation: Evaluation, library: Library, part: Part) -> None:
    """Every required and every selected code is in one part."""
    parts = breakdown(evaluation, library, part)[ICD]
    whole = evaluation.scores[ICD]
    assert sum(scores.required for scores in parts.values()) == whole.required
    assert sum(scores.selected for scores in parts.values()) == whole.selected


def test_parts_have_names(evaluation: Evaluation, library: Library) -> None:
    """Chapters have their titles, a code without evidence says so, settings are those of the lines."""
    assert next(iter(breakdown(evaluation, library, Part.SETTING)[ICD])) == "outpatient"
    assert "assessment" in breakdown(evaluation, library, Part.SECTION)[ICD]
    assert any("circulatory" in name for name in breakdown(evaluation, library, Part.CHAPTER)[ICD])
    assert chapter_of(library, ICD, "Q00.99") == "not in this edition"
    assert chapter_of(library, "CPT", "47562") == "Surgery: digestive"
    assert chapter_of(library, "CPT", "0042T") == "Category III"
    assert chapter_of(library, "CPT", "99999") == "Medicine"
    assert chapter_of(library, "HCPCS", "G0008") == "G"


def test_frequent_errors_are_ranked(evaluation: Evaluation, library: Library) -> None:
    """Errors come most frequent first, with titles, and no more than asked for."""
    found = frequent_errors(evaluation, library, ICD, "miss", 10)
    assert [e.code for e in found] == sorted((e.code for e in found), key=lambda c: c)
    assert all(e.title for e in found)
    assert len(frequent_errors(evaluation, library, ICD, "miss", 1)) == 1


def test_changes_name_what_got_better_and_worse(
    evaluation: Evaluation, library: Library, lines: list[dict[str, Any]]
) -> None:
    """A code found that was missed is better, a new false positive is worse."""
    predictions = json.loads(json.dumps(evaluation.predictions))
    for suggestion in predictions["a"]["suggestions"]:
        if suggestion["code"] == "I10":
            suggestion["selected"] = False
    predictions["c"]["suggestions"] = [
        {"system": ICD, "code": "Z02.9", "score": 0.9, "selected": True, "evidence": [], "alternatives": []}
    ]
    other = score_lines("other", lines, predictions, {})
    found = {c.code: (c.better, c.worse) for c in changes(evaluation, other, library, ICD)}
    assert found == {"I10": (0, 1), "Z02.9": (0, 1)}
    assert {c.code: (c.better, c.worse) for c in changes(other, evaluation, library, ICD)} == {
        "I10": (1, 0),
        "Z02.9": (1, 0),
    }


# --- coverage


def mention(start: int, end: int, polarity: Polarity = Polarity.AFFIRMED) -> Mention:
    return Mention(
        (Span(start, end),), MentionKind.DIAGNOSIS, "words", SectionKind.OTHER, Assertion(polarity=polarity)
    )


def proposal(
    code: str, *mentions: Mention, alternatives: tuple[str, ...] = (), system: str = ICD
) -> Proposal:
    parsed = Code(System(system), code)
    candidates = [Candidate(m, parsed, "synonym", "words", 1.0) for m in mentions]
    return Proposal(parsed, "", candidates, list(alternatives))


MANY = (*(f"A{n:02d}" for n in range(30)), "I10")
HERE, THERE = mention(0, 10), mention(50, 60)
DENIED = mention(0, 10, Polarity.NEGATED)


@pytest.mark.parametrize(
    ("wanted", "supported", "withheld", "expected"),
    [
        ("I10", [proposal("I10", HERE)], [], ""),
        ("I10", [proposal("I11.9", HERE, alternatives=("I10",))], [], ""),
        ("I10", [proposal("I11.9", HERE, alternatives=MANY)], [], "below the top"),
        ("I10", [], [proposal("I10", DENIED)], "withheld"),
        ("I10", [proposal("I10", DENIED, THERE)], [], "withheld"),
        ("I10", [proposal("I10", THERE)], [], "elsewhere"),
        ("I10", [], [], "no mention"),
        ("I10", [proposal("E11.9", THERE)], [], "no mention"),
        ("I10", [proposal("E11.9", HERE)], [], "other category"),
        ("Q00.99", [proposal("E11.9", HERE)], [], "not in the books"),
        ("S52.501D", [proposal("S52.501A", HERE)], [], "episode"),
        ("M25.562", [proposal("M25.561", HERE)], [], "laterality"),
        ("M25.562", [proposal("M25.569", HERE)], [], "laterality"),
        ("E11.65", [proposal("E11.9", HERE)], [], "sibling"),
        ("I50.22", [proposal("I50.20", HERE)], [], "unspecified though stated"),
        ("I50.20", [proposal("I50.22", HERE)], [], "specified though unspecified"),
        ("I50.20", [proposal("I50.22", HERE), proposal("I50.9", HERE)], [], "specified though unspecified"),
    ],
)  # fmt: skip
def test_classes_of_coverage(
    library: Library, wanted: str, supported: list[Proposal], withheld: list[Proposal], expected: str
) -> None:
    """Each way for a required code to be out of reach has its class."""
    line = {
        "id": "x",
        "codes": [
            {"system": ICD, "code": wanted, "status": "required", "evidence": [{"start": 5, "end": 9}]},
            {"system": ICD, "code": "Z79.4", "status": "optional", "evidence": [{"start": 5, "end": 9}]},
            {"system": ICD, "code": "Z79.82", "status": "required"},
        ],
    }
    ranked = Ranked(line, supported, withheld)
    ((system, reach),) = reaches(ranked, library)
    assert (system, reach.missed) == (ICD, expected)
    assert expected in {"", *CLASSES}
    found = coverage([ranked], library)[ICD]
    assert (found.possible, found.covered) == (1, int(not expected))
    assert found.missed == ({expected: 1} if expected else {})


def test_candidates_take_alternatives_in_turn() -> None:
    """Proposals stand first, as ranked; then the first alternative of each, then the second."""
    first = proposal("I10", HERE, alternatives=("I11.9", "I12.9"))
    second = proposal("E11.9", HERE, alternatives=("I10", "E11.65"))
    procedure = proposal("47562", HERE, system="CPT")
    assert candidates_of([first, procedure, second], ICD) == ["I10", "E11.9", "I11.9", "I12.9", "E11.65"]


def test_coverage_of_real_notes(coder: Coder, lines: list[dict[str, Any]]) -> None:
    """What is denied is withheld; what is stated is covered."""
    found = coverage(rank(coder, lines), coder.library)[ICD].as_dict()
    assert (found["covered"], found["possible"], found["missed"]) == (3, 4, {"withheld": 1})
    assert found["interval"][0] < found["share"] == 0.75 < found["interval"][1]


# --- operating points


def test_stored_curve_gives_the_cut(pack: Path) -> None:
    """The lowest stored cut that is precise enough, and the recall it loses."""
    point = operating_points(stored_curves(pack), WeightedScorer(), 0.85)[ICD]
    assert (point.cut, point.reached, point.precision, point.recall) == (0.7, True, 0.85, 0.51)
    assert (point.usual_cut, point.usual_recall, point.recall_lost) == (0.5, 0.7, 0.19)


def test_unreachable_precision_preselects_nothing(pack: Path) -> None:
    """Where no cut is precise enough, nothing is preselected, and it is said."""
    points = operating_points(stored_curves(pack), WeightedScorer(), 0.99)
    assert (points[ICD].cut, points[ICD].reached, points[ICD].recall) == (NEVER, False, 0.0)
    scorer = Recut(WeightedScorer(), {ICD: points[ICD].cut})
    assert scorer.threshold(System.ICD10CM) > 1
    assert scorer.threshold(System.CPT) == 0.5


def test_curve_goes_through_the_record(evaluation: Evaluation, tmp_path: Path) -> None:
    """What ``curve_record`` writes into metrics.json is read back as it was."""
    save_pack(
        tmp_path / "p", WeightedScorer(), {}, "", metrics={"precision_curve": curve_record(evaluation.notes)}
    )
    assert stored_curves(tmp_path / "p") == {
        name: curve_of(notes) for name, notes in evaluation.notes.items()
    }


@pytest.mark.parametrize(
    "stored", [[1], {"XYZ": {}}, {ICD: {"required": 1}}, {ICD: {"required": 1, "points": [3]}}]
)
def test_malformed_curve_is_a_pack_error(tmp_path: Path, stored: Any) -> None:
    """A curve of another form is refused with the pack's name."""
    save_pack(tmp_path / "odd", WeightedScorer(), {}, "", metrics={"precision_curve": stored})
    with pytest.raises(PackError, match="pack odd: expected precision_curve"):
        stored_curves(tmp_path / "odd")


def test_training_corpora_are_recognised(tmp_path: Path) -> None:
    """A pack knows by checksum which corpora it was trained on; one without metrics knows none."""
    corpus = write(tmp_path / "renamed.jsonl", b"{}")
    sums = [{"file": "old.jsonl", "sha256": sha256(corpus.read_bytes()).hexdigest()}]
    save_pack(tmp_path / "p", WeightedScorer(), {}, "", metrics={"trained_on": sums})
    save_pack(tmp_path / "q", WeightedScorer(), {}, "")
    assert trained_on([corpus], tmp_path / "p") == ["renamed.jsonl"]
    assert trained_on([corpus], tmp_path / "q") == []


def test_recut_pack_says_so(pack: Path) -> None:
    """Runs depend on the cuts, so the version of a recut pack names the precision."""
    loaded = load_pack(pack)
    points = operating_points(stored_curves(pack), loaded.scorer, 0.85)
    assert recut(loaded, points).version == loaded.version + "+precision0.85"
    assert recut(loaded, {}).version == loaded.version


# --- reading gold


def write(path: Path, *lines: dict[str, Any] | bytes) -> Path:
    path.write_bytes(b"\n".join(x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines) + b"\n")
    return path


def test_gold_of_several_files(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    """Several corpora are one; the same id in two of them is an error that names both."""
    first, second = write(tmp_path / "1.jsonl", *lines[:2]), write(tmp_path / "2.jsonl", lines[2])
    read = [(line["id"], line["corpus"]) for line in read_gold([first, second])]
    assert [id for id, _ in read] == ["a", "b", "c"]
    assert dict(read)["a"] == first.name and dict(read)["c"] == second.name
    with pytest.raises(InputError, match=r"'a' is in 1.jsonl and in 3.jsonl"):
        read_gold([first, write(tmp_path / "3.jsonl", lines[0])])


def test_bad_gold_names_its_line(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    """Invalid UTF-8, deep nesting and an absent file are plain errors without note text."""
    bad = write(tmp_path / "bad.jsonl", lines[2], b'{"id": "x", "text": "CANARY \xff"}')
    with pytest.raises(CorpusError, match=r"bad.jsonl:2: expected .*UTF-8") as caught:
        read_gold([bad])
    assert "CANARY" not in str(caught.value)
    with pytest.raises((InputError, CorpusError), match=r"nested too deeply|of little depth"):
        read_gold([write(tmp_path / "deep.jsonl", b"[" * 100_000)])
    with pytest.raises(InputError, match="No such file"):
        read_gold([tmp_path / "none.jsonl"])


# --- reports


def test_report_holds_what_was_asked(pack: Path, bare_pack: Path, lines: list[dict[str, Any]]) -> None:
    """A full report goes through JSON, prints, and holds no note text unless that was asked for."""
    wanted = Wanted(target=0.85, reliability=True, by=Part.CHAPTER, errors=5, coverage=True, other=bare_pack)
    report = make_report(lines, pack, wanted)
    one = json.loads(json.dumps(report))[ICD]
    assert {"intervals", "pack", "cut", "reliability", "by", "coverage", "compared", "errors"} <= set(one)
    assert one["operating_point"]["read_from"] == "the pack, out of fold"
    assert one["cut"] == 0.7
    assert "words" not in one["errors"]["misses"][0]
    stream = StringIO()
    show(report, Console(file=stream, width=120))
    assert "pneumonia" not in stream.getvalue().replace("Pneumonia", "")
    assert "withheld" in stream.getvalue()
    told = make_report(lines, pack, replace(wanted, words=True, other=None, coverage=False))
    assert ("pneumonia",) in [e["words"] for e in told[ICD]["errors"]["misses"]]


def test_report_without_stored_curve_says_so(bare_pack: Path, lines: list[dict[str, Any]]) -> None:
    """Where the pack stores no curve the cut is read from the evaluated file, and the report says that."""
    report = make_report(lines, bare_pack, Wanted(target=0.9))
    assert report[ICD]["operating_point"]["read_from"] == "this file"
    stream = StringIO()
    show(report, Console(file=stream, width=400))
    assert "read from this file" in stream.getvalue()


def test_report_compares_both_ways(pack: Path, bare_pack: Path, lines: list[dict[str, Any]]) -> None:
    """Against a stricter pack recall falls; the codes it loses are listed."""
    compared = make_report(lines, pack, Wanted(other=bare_pack))[ICD]["compared"]
    assert compared["differences"]["recall"]["difference"] <= 0
    assert compared["with"].startswith("bare@")
    assert not compared["better"] or compared["better"][0]["better"]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        (Wanted(folds=1), "at least 2 folds"),
        (Wanted(folds=3, other=Path("x")), "got both"),
        (Wanted(folds=2), "too few to train on"),
    ],
)
def test_report_refuses(pack: Path, lines: list[dict[str, Any]], wanted: Wanted, problem: str) -> None:
    """Wishes that cannot be met are plain errors."""
    with pytest.raises(InputError, match=problem):
        make_report(lines[2:], pack, wanted)


def test_report_of_nothing(pack: Path) -> None:
    """No notes, no report."""
    with pytest.raises(InputError, match="at least one coded note"):
        make_report([], pack, Wanted())


def test_out_of_fold_report(pack: Path) -> None:
    """Rankers of the other folds score each note, with their own cuts and coverage."""
    lines = list(islice(read_gold([OWN]), 24))
    seen: list[str] = []
    wanted = Wanted(folds=2, coverage=True, target=0.5)
    one = make_report(lines, pack, wanted, seen.append)[ICD]
    assert one["notes"] == 24
    assert one["pack"] == "out of 2 folds of 24 notes"
    assert one["operating_point"]["read_from"] == "this file, out of fold"
    assert one["coverage"]["possible"] > 20
    assert "fold 2 of 2" in seen


def test_printable() -> None:
    """Control characters do not reach a terminal."""
    assert printable("a\x1b[31m\n b\x00") == "a\ufffd[31m b\ufffd"


@pytest.mark.shared
def test_agrees_with_the_definition_on_real_notes(coder: Coder) -> None:
    """On real notes every metric of a report is that of the shared definition, to the digit."""
    corpus, definition = SHARED / "data/mtsamples/coded-dev.jsonl", SHARED / "eval/score.py"
    if not corpus.is_file() or not definition.is_file():
        pytest.skip("the shared data are not beside the checkout")
    spec = importlib.util.spec_from_file_location("score_definition", definition)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = read_gold([corpus])[:40]
    found = evaluate(coder, lines)
    golds = {line["id"]: line for line in lines}
    assert set(found.notes) >= {ICD, "CPT"}
    for system, scores in found.scores.items():
        assert scores.as_dict() == module.score(golds, found.predictions, system)
    assert found.notes[ICD] == score_notes(ICD, lines, found.predictions)


def test_pack_of_the_fixtures_is_whole(pack: Path) -> None:
    """The pack that these tests use is one that loads."""
    assert isinstance(load_pack(pack), Pack)
