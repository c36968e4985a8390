"""Training: deterministic, leak-free, and better than chance on notes it never saw."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import KNeighborsClassifier

from coder_assist.codes import Library
from coder_assist.codes.terms import key
from coder_assist.errors import CorpusError, InputError, SettingsError
from coder_assist.learn import feature_frame
from coder_assist.learn.corpus import read_corpus
from coder_assist.learn.examples import (
    Example,
    Judged,
    feature_names,
    fold_of,
    gather_company,
    judge,
    make_examples,
)
from coder_assist.learn.frames import COLUMNS
from coder_assist.learn.packing import Recipe, train_pack
from coder_assist.learn.remember import Retention, build_memory, note_phrases
from coder_assist.learn.training import best_threshold, fit, load_factory, training_rows
from coder_assist.settings import Settings
from coder_assist.suggest import Coder, Pack, load_pack
from coder_assist.suggest.experience import keyed_words
from coder_assist.suggest.features import FEATURES, Context, Proposal
from coder_assist.suggest.scoring import WeightedScorer
from coder_assist.types import (
    Assertion,
    Candidate,
    Code,
    Encounter,
    Mention,
    MentionKind,
    Note,
    SectionKind,
    Span,
    System,
)

CORPUS = Path(__file__).parents[2] / "corpora" / "encounters.jsonl"


def line(id: str, text: str, code: str, evidence: str | None) -> dict[str, object]:
    start = text.index(evidence) if evidence else 0
    spans = [{"start": start, "end": start + len(evidence), "text": evidence}] if evidence else []
    coded = {
        "system": "ICD-10-CM",
        "code": code,
        "status": "required",
        "type": "diagnosis",
        "evidence": spans,
    }
    return {"id": id, "text": text, "setting": "outpatient", "codes": [coded]}


def test_folds_do_not_depend_on_order() -> None:
    """A group's fold is a property of its name."""
    assert [fold_of(f"n{i}", 5) for i in range(20)] == [fold_of(f"n{i}", 5) for i in range(20)]
    assert {fold_of(f"n{i}", 5) for i in range(200)} == set(range(5))


def test_memory_credits_the_evidence_only() -> None:
    """A phrase within the evidence is remembered for the code, words outside are not."""
    notes = [
        line(f"n{i}", "Seen today. Puffs two packs daily. Cold feet.", "F17.210", "Puffs two packs")
        for i in range(3)
    ]
    memory = build_memory(map(note_phrases, notes))
    (found,) = memory.lookup(key("two packs"))
    assert (found.code.value, found.right, found.seen) == ("F17.210", 3, 3)
    assert memory.lookup(key("cold feet")) == []


def test_memory_without_evidence_needs_repetition_and_precision() -> None:
    """Without evidence a phrase must have stood for the code in two notes, and in a quarter of its notes."""
    notes = [line(f"a{i}", "Brown spots on shins.", "L81.8", None) for i in range(2)]
    notes += [line(f"b{i}", "Dark shins noted.", "I87.2", None) for i in range(8)]
    memory = build_memory(map(note_phrases, notes))
    assert [r.code.value for r in memory.lookup(key("brown spots"))] == ["L81.8"]
    assert [r.code.value for r in memory.lookup(key("shins"))] == ["I87.2"]


def test_memory_forgets_what_too_few_notes_said() -> None:
    """With a minimum of three notes, a phrase of two notes leaves no trace (privacy rule of packs)."""
    notes = [line(f"a{i}", "Brown spots on shins.", "L81.8", "Brown spots") for i in range(2)]
    assert len(build_memory(map(note_phrases, notes), least_notes=3)) == 0


@pytest.mark.parametrize(
    ("probabilities", "labels", "required", "expected"),
    [
        ([0.9, 0.8, 0.3], [1, 1, 0], 2, 0.55),
        ([0.9, 0.8], [1, -1], 1, 0.85),
        ([0.4], [0], 3, 0.5),
    ],
)
def test_best_threshold(
    probabilities: list[float], labels: list[int], required: int, expected: float
) -> None:
    """The cut lies midway below the last hit that helps; neutral codes do not count; nothing right keeps .5."""
    assert best_threshold(probabilities, labels, required) == pytest.approx(expected)


def judged_note(number: int, patient: str, codes: list[str], **marks: object) -> Judged:
    """Return a judged note of a patient that carries these codes, and nothing was proposed for."""
    note = {"id": f"n{number}", "text": "Cough.", "patient_id": patient, **marks}
    coded = [{"system": "ICD-10-CM", "code": code, "status": "required"} for code in codes]
    encounter = Encounter.of(Note(f"n{number}", "Cough."))
    example = Example({**note, "codes": coded}, encounter, [], note_phrases({**note, "codes": []}))
    return Judged(example, [], Context(encounter, False, frozenset(), {}, {}), [], [])


def test_pairs_of_codes_that_few_patients_share_are_not_kept() -> None:
    """Under rules of privacy a pair of codes is remembered if three patients have both, or a note that is nobody's."""
    notes = [judged_note(n, f"p{n % 3}", ["I10", "E11.9"]) for n in range(6)]
    notes += [judged_note(n, f"p{n % 2}", ["I10", "L81.8"]) for n in range(6, 12)]
    company = gather_company(notes, Retention(3))
    assert company.notes == 12
    assert [(company.codes[a], company.codes[b]) for a, b in company.pairs] == [("E11.9", "I10")]
    assert len(gather_company(notes).pairs) == 2
    free = judged_note(12, "p0", ["I10", "L81.8"], private=False)
    assert len(gather_company([*notes, free], Retention(3)).pairs) == 2


@pytest.mark.slow
def test_the_first_look_has_not_seen_the_note(cache_dir: Path) -> None:
    """Where gold is thrown by dice, what the first ranker says in training tells nothing of it."""
    coder = Coder.load_with(Pack("untrained", WeightedScorer(), {}), Settings(cache_dir=cache_dir))
    lines = [row for row in read_corpus(CORPUS) if row["split"] == "train"][:50]
    random = Random(1)
    thrown = []
    for row, example in zip(lines, make_examples(coder, lines), strict=True):
        proposed = [proposal.code for proposal in judge(coder, example, None).proposals]
        kept = [code for code in proposed if random.random() < 0.5]
        codes = [{"system": code.system.value, "code": code.value, "status": "required"} for code in kept]
        thrown.append({**row, "codes": codes})
    rows = training_rows(coder, make_examples(coder, thrown), ["first_look", "match"])
    labels = [label for judged, _ in rows for label in judged.labels]
    assert len(labels) > 400 and 0.4 < np.mean(labels) < 0.6
    assert roc_auc_score(labels, np.concatenate([found[:, 0] for _, found in rows])) < 0.6


@pytest.mark.slow
def test_ranker_learns_from_our_notes_and_repeats_itself(cache_dir: Path) -> None:
    """Trained on the training split, right proposals of the test split score higher than wrong ones; twice the same."""
    coder = Coder.load_with(Pack("untrained", WeightedScorer(), {}), Settings(cache_dir=cache_dir))
    lines = list(read_corpus(CORPUS))
    train = make_examples(coder, [row for row in lines if row["split"] == "train"][:60])
    test = make_examples(coder, [row for row in lines if row["split"] == "test"][:15])
    ranker, again = fit(coder, train), fit(coder, train)
    right, wrong = [], []
    for example in test:
        judged, values = ranker.score(coder, example)
        assert np.array_equal(values, again.score(coder, example)[1])
        right += [v for v, label in zip(values, judged.labels, strict=True) if label == 1]
        wrong += [v for v, label in zip(values, judged.labels, strict=True) if label == 0]
    assert np.mean(right) > 2 * np.mean(wrong)


def _corpus(notes: int = 24) -> list[dict[str, object]]:
    """Return notes of two kinds, each with a diagnosis to find and another only mentioned."""
    lines = []
    for number in range(notes):
        text = (
            "ASSESSMENT: Hypertension. Puffs two packs daily. No fever."
            if number % 2
            else "ASSESSMENT: Type 2 diabetes. Brown spots on shins. Denies cough."
        )
        code, words = ("I10", "Hypertension") if number % 2 else ("E11.9", "Type 2 diabetes")
        lines.append(line(f"n{number}", text, code, words) | {"patient_id": f"p{number}"})
    return lines


def test_group_is_named_patient_encounter_or_note() -> None:
    """Splits go by the group a line names, else by its patient, its encounter, itself."""
    base = line("n1", "Fever.", "R50.9", None)
    asked = [
        {},
        {"encounter": "e1"},
        {"encounter": "e1", "patient_id": "p1"},
        {"patient_id": "p1", "group": "g"},
    ]
    found = [Example({**base, **keys}, None, [], None).group for keys in asked]  # type: ignore[arg-type]
    assert found == ["n1", "e1", "p1", "g"]


def test_memory_counts_patients_not_notes() -> None:
    """Three notes of one patient are one patient; lines that name none count together as one."""
    notes = [line(f"a{i}", "Brown spots on shins.", "L81.8", "Brown spots") for i in range(3)]
    same = [note | {"patient_id": "p"} for note in notes]
    three = [note | {"patient_id": f"p{i}"} for i, note in enumerate(notes)]
    for unknown in (same, notes):
        assert len(build_memory(map(note_phrases, unknown), least_patients=3)) == 0
    assert build_memory(map(note_phrases, three), least_patients=3).lookup(key("brown spots"))


def test_private_phrases_hold_no_digits_and_no_unknown_words(library: Library) -> None:
    """Under privacy rules a phrase consists of the lexicon's words, whoever shares it."""
    private = Retention.private(library.lexicon.knows)
    notes = [
        line(f"a{i}", "Zebulon Quackenbush has diabetes mellitus since 1987.", "E11.9", None)
        | {"patient_id": f"p{i}"}
        for i in range(4)
    ]
    memory = build_memory((note_phrases(note, private) for note in notes), least_patients=3)
    assert memory.lookup(key("diabetes mellitus"))
    for words in ("Zebulon", "Quackenbush", "Zebulon Quackenbush", "1987", "Quackenbush diabetes"):
        assert memory.lookup(key(words)) == []
    assert build_memory(map(note_phrases, notes)).lookup(key("Quackenbush")), "the canary must be findable"


def test_only_private_lines_are_bound(library: Library) -> None:
    """Beside patients' notes a corpus of nobody keeps its words; what both share is kept for its sake."""
    private = Retention.private(library.lexicon.knows)
    mine = line("a", "Brown spots on shins.", "L81.8", "Brown spots") | {"private": False}
    theirs = [
        line(f"p{i}", words, "R21", None) | {"private": True, "patient_id": f"p{i}"}
        for i, words in enumerate(("Brown spots.", "Severe swelling.", "Severe swelling.", "Zebulon coughs."))
    ]
    notes = [note_phrases(each, private) for each in (mine, *theirs)]
    assert [note.patient for note in notes] == [None, "p0", "p1", "p2", "p3"]
    memory = build_memory(notes, least_patients=3)
    assert memory.lookup(key("brown spots"))
    assert not memory.lookup(key("severe swelling"))  # two patients
    assert not memory.lookup(key("Zebulon"))


@pytest.mark.parametrize("weight", [0, -1, 1.5, True, "much"])
def test_weight_must_be_a_share(tmp_path: Path, weight: object) -> None:
    """A code's weight is above 0 and at most 1; anything else names its line."""
    bad = line("n1", "Fever.", "R50.9", None)
    bad["codes"][0]["weight"] = weight  # type: ignore[index]
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(bad) + "\n")
    with pytest.raises(CorpusError, match=r"weight of R50\.9"):
        list(read_corpus(path))


def test_sought_codes_teach_words_not_odds(cache_dir: Path) -> None:
    """A code that was sought out is neutral as a label, and its words are remembered all the same."""
    lines = _corpus(6)
    lines[1]["codes"][0]["sought"] = True  # type: ignore[index]
    coder = Coder.load_with(Pack("untrained", WeightedScorer(), {}), Settings(cache_dir=cache_dir))
    examples = make_examples(coder, lines)
    labels = {
        (example.line["id"], proposal.code.value): label
        for example in examples
        for judged in [judge(coder, example, None)]
        for proposal, label in zip(judged.proposals, judged.labels, strict=True)
    }
    assert (labels["n1", "I10"], labels["n3", "I10"]) == (-1, 1)
    assert Code.parse("ICD-10-CM", "I10") in examples[1].phrases.credited


class _Spy(LogisticRegression):
    """Remembers what it was fitted with."""

    def fit(self, X, y, sample_weight=None):  # type: ignore[no-untyped-def]
        self.seen_ = sample_weight
        return super().fit(X, y, sample_weight=sample_weight)


def test_weights_reach_the_estimator(cache_dir: Path) -> None:
    """A code accepted in bulk counts less in fitting; wrong proposals and other codes count in full."""
    lines = _corpus()
    for row in lines[1::2]:
        row["codes"][0]["weight"] = 0.25  # type: ignore[index]
    coder = Coder.load_with(Pack("untrained", WeightedScorer(), {}), Settings(cache_dir=cache_dir))
    ranker = fit(coder, make_examples(coder, lines), make=lambda seed: _Spy(max_iter=500))
    weights = ranker.estimators[0].seen_
    assert set(weights) == {0.25, 1.0}
    assert sum(weights == 0.25) == 12
    with pytest.raises(ValueError, match="no sample_weight"):
        fit(coder, make_examples(coder, lines), make=lambda seed: KNeighborsClassifier())


def logistic(seed: int) -> LogisticRegression:
    """A factory as ``--estimator`` names one."""
    return LogisticRegression(max_iter=2000, random_state=seed)


def boosted_large(seed: int) -> HistGradientBoostingClassifier:
    """Trees of more leaves than the fast form holds."""
    return HistGradientBoostingClassifier(
        max_iter=5, max_leaf_nodes=31, min_samples_leaf=2, random_state=seed
    )


def not_a_classifier(seed: int) -> LinearRegression:
    """What cannot rank."""
    return LinearRegression()


@pytest.fixture
def factories(monkeypatch: pytest.MonkeyPatch) -> str:
    """This module under a name that ``module:factory`` can import."""
    monkeypatch.setitem(sys.modules, "my_factories", sys.modules[__name__])
    return "my_factories"


@pytest.mark.parametrize("factory", ["logistic", "boosted_large"])
def test_any_classifier_ranks_and_is_served_from_its_pack(
    factory: str, factories: str, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scikit-learn classifier of one's own trains a pack, which suggests what it learnt, probabilities in [0, 1]."""
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    corpus = tmp_path / "coded.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in _corpus(40)))
    scores = train_pack([corpus], tmp_path / "mine", recipe=Recipe(estimator=f"{factories}:{factory}"))
    assert scores["ICD-10-CM"].recall == 1.0
    assert f"{factories}:{factory}" in (tmp_path / "mine" / "CARD.md").read_text()
    assert not (tmp_path / "mine" / "forest.npz").exists() or factory == "boosted_large"
    coder = Coder.load(tmp_path / "mine", Settings(cache_dir=cache_dir))
    run = coder.suggest(Note("x", "ASSESSMENT: Hypertension. No fever."))
    assert [s.code.value for s in run.suggestions if s.selected] == ["I10"]
    assert all(0 <= s.probability <= 1 for s in run.suggestions)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("logistic", "module:factory"),
        ("no_such_module:f", "cannot be found"),
        ("my_factories:absent", "cannot be found"),
        ("my_factories:not_a_classifier", "got LinearRegression"),
    ],
)
def test_bad_estimators_are_refused(name: str, said: str, factories: str) -> None:
    """What cannot be a ranker is named with what was expected."""
    with pytest.raises(InputError, match=said):
        load_factory(name)


@pytest.mark.parametrize("marked", [False, True])
def test_private_pack_holds_no_trace_of_names_and_numbers(
    marked: bool, tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Canary: of names, numbers and rare phrases of notes no file of a private pack holds text or hash.

    Private is a pack that was asked to be, or whose lines say that they are, beside others of nobody.
    """
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    lines = _corpus(30)
    for number, row in enumerate(lines):
        start = len(str(row["text"])) + 1
        row["text"] = f"{row['text']} Zebulon Quackenbush, MRN 8837712, has hypertension."
        if number < 2:
            row["text"] += " Sarcoidosis of the thyroid."
        assert start < len(str(row["text"]))
    corpus = tmp_path / "coded.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in lines))
    train_pack([corpus], tmp_path / "open")
    if marked:
        theirs, others = tmp_path / "marked.jsonl", tmp_path / "others.jsonl"
        theirs.write_text("".join(json.dumps({**row, "private": True}) + "\n" for row in lines))
        others.write_text("".join(json.dumps({**row, "id": f"o{row['id']}"}) + "\n" for row in _corpus(10)))
        train_pack([theirs, others], tmp_path / "private")
    else:
        train_pack([corpus], tmp_path / "private", recipe=Recipe(private=True))
    assert "three patients" in (tmp_path / "private" / "CARD.md").read_text()

    def traces(pack: Path) -> set[str]:
        content = b"".join(path.read_bytes() for path in sorted(pack.iterdir()))
        words = (
            "Zebulon",
            "Quackenbush",
            "8837712",
            "Zebulon Quackenbush",
            "MRN 8837712",
            "thyroid sarcoidosis",
        )
        loaded = load_pack(pack)
        assert loaded.memory is not None
        assert loaded.experience is not None
        found = {word for word in words if word.lower().encode() in content.lower()}
        found |= {word for word in words if loaded.memory.lookup(key(word))}
        shown = Mention((Span(0, 1),), MentionKind.DIAGNOSIS, "Quackenbush", SectionKind.OTHER, Assertion())
        for value in ("I10", "E11.9"):
            code = Code(System.ICD10CM, value)
            proposal = Proposal(code, "", [Candidate(shown, code, "exact", "", 1.0)])
            found |= {"hash"} & {
                "hash" for hashed in keyed_words(proposal) if hashed in loaded.experience.words
            }
        return found

    assert traces(tmp_path / "private") == set()
    assert len(load_pack(tmp_path / "private").memory or ()) > 0


def test_alone_must_be_one_of_the_corpora(tmp_path: Path) -> None:
    """Figures of a corpus alone need the corpus."""
    corpus = tmp_path / "coded.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in _corpus(4)))
    with pytest.raises(InputError, match=r"other\.jsonl must be one of the corpora"):
        train_pack([corpus], tmp_path / "p", recipe=Recipe(alone=tmp_path / "other.jsonl"))


def test_card_shows_a_corpus_alone(tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ``alone`` the card has its figures out of fold and on the notes of the other corpora."""
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    lines = _corpus(44)
    first.write_text("".join(json.dumps(row) + "\n" for row in lines[:30]))
    second.write_text("".join(json.dumps(row) + "\n" for row in lines[30:]))
    train_pack([first, second], tmp_path / "p", recipe=Recipe(alone=first))
    card = (tmp_path / "p" / "CARD.md").read_text()
    assert "A pack of `first.jsonl` alone, without prior counts" in card
    alone = json.loads((tmp_path / "p" / "metrics.json").read_text())["alone"]
    assert alone["out_of_fold"]["ICD-10-CM"]["notes"] == 30
    assert alone["other_corpora"]["ICD-10-CM"]["notes"] == 14


def test_denied_findings_are_proposed_where_the_gold_codes_them(
    tmp_path: Path, cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pack learnt from notes coded whatever they say proposes a denied finding, marked; another withholds it."""
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    lines = [
        line(
            f"n{i}",
            f"He denied {'nausea' if i % 2 else 'cough'}. Stable.",
            "R11.0" if i % 2 else "R05.9",
            None,
        )
        for i in range(40)
    ]
    corpus = tmp_path / "coded.jsonl"
    corpus.write_text("".join(json.dumps(row) + "\n" for row in lines))
    train_pack([corpus], tmp_path / "all", recipe=Recipe(any_assertion=True))
    note = Note("x", "He denied nausea. Stable.")
    run = Coder.load(tmp_path / "all", Settings(cache_dir=cache_dir)).suggest(note)
    (suggested,) = [s for s in run.suggestions if s.code.value == "R11.0"]
    assert suggested.selected
    assert "others would withhold it: negated" in suggested.reasons
    assert "Do not use it on claims" in (tmp_path / "all" / "CARD.md").read_text()
    usual = Coder.load(settings=Settings(cache_dir=cache_dir)).suggest(note)
    assert "R11.0" not in {s.code.value for s in usual.suggestions}
    assert "R11.0" in {w.code.value for w in usual.withheld}


def test_feature_frame_has_documented_columns_labels_and_groups(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row for each proposal, every column documented, labels by the gold, groups by patient."""
    pytest.importorskip("pandas")
    monkeypatch.setenv("CODER_ASSIST_CACHE_DIR", str(cache_dir))
    frame = feature_frame(_corpus(16))
    assert list(frame.columns) == list(frame.attrs["columns"]) == [*COLUMNS, *feature_names()]
    right = frame[frame.label == 1]
    assert sorted(set(right.code)) == ["E11.9", "I10"]
    assert len(right) == 16
    assert set(frame.group) == {f"p{i}" for i in range(16)}
    assert not frame.isna().any().any()
    assert list(dict.fromkeys(frame.note)) == [f"n{i}" for i in range(16)]


def test_feature_frame_without_pandas_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra the error names it."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(SettingsError, match=r"coder-assist\[workbench\]"):
        feature_frame(_corpus(2))


def test_training_page_lists_every_feature() -> None:
    """The table of docs/training.md is made from ``FEATURES`` and ``COLUMNS``."""
    page = (CORPUS.parents[1] / "docs" / "training.md").read_text(encoding="utf-8")
    for name, meaning in {**COLUMNS, **FEATURES}.items():
        assert f"| `{name}` | {meaning} |" in page, f"docs/training.md lacks the row of {name}"
    rows = [row for row in page.splitlines() if row.startswith("| `")]
    assert len(rows) == len(COLUMNS) + len(FEATURES)
