"""Properties of suggestions that hold for any note, and notes that try to break the reading."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import unicodedata
from functools import partial
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record
from coder_assist.types import Encounter, Note, Run
from tests.properties.cost import assert_linear

CORPUS = Path(__file__).parents[2] / "corpora" / "encounters.jsonl"
ALL_CASES = [json.loads(line) for line in CORPUS.read_bytes().splitlines()]
CASES = ALL_CASES[::9]

relaxed = settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
LINES = st.lists(
    st.sampled_from(
        [
            "ASSESSMENT:", "PLAN:", "1. COPD exacerbation.", "2. Left knee pain.", "Denies fever.", "Type 2 diabetes.",
            "Possible pneumonia.", "PMH: hypertension, gout", "s/p appendectomy", "PROCEDURE: Colonoscopy with biopsy",
            "FH: mother had breast cancer", "12 weeks gestation", "BMI 41.2", "((((", "\u200b", "e\u0301dema", "\U0001f912",
            "\u202ecough\u202c", "\x00", "Fracture of the right wrist, initial visit", "on metformin",
        ]
    ),
    min_size=1,
    max_size=14,
)  # fmt: skip
JOINTS = st.sampled_from(["\n", "\r\n", " ", "\r", "\n\n"])


def told(run: Run) -> list[tuple[object, ...]]:
    """Return what a run says of codes, without the encounter's id."""
    return [
        (s.code, s.probability, s.selected, s.sequence, s.evidence, s.reasons, s.alternatives)
        for s in run.suggestions
    ] + [(w.code, w.reason, w.evidence) for w in run.withheld]


@pytest.mark.parametrize("blanks", [" ", "\n", "\n\n  \t\n", "\r\n"])
def test_blanks_at_the_end_change_nothing_but_places(coder: Coder, blanks: str) -> None:
    """Which codes are suggested and preselected, on which words, does not depend on blanks at the end."""
    for case in CASES:
        text = case["text"].rstrip()
        plain, longer = (coder.suggest(Note("n", t)) for t in (text, text + blanks))
        assert [(s.code, s.evidence) for s in sorted(plain.suggestions, key=lambda s: s.code)] == [
            (s.code, s.evidence) for s in sorted(longer.suggestions, key=lambda s: s.code)
        ]


@relaxed
@given(st.randoms(use_true_random=False), st.integers(0, len(CASES) - 1))
def test_the_order_of_notes_changes_nothing(coder: Coder, random: Random, number: int) -> None:
    """An encounter of several notes gives the same run however the notes come."""
    texts = [CASES[(number + step) % len(CASES)]["text"] for step in range(3)]
    notes = [Note(f"n{place}", text) for place, text in enumerate(texts)]
    shuffled = random.sample(notes, len(notes))
    assert told(coder.suggest(Encounter("e", tuple(notes)))) == told(
        coder.suggest(Encounter("e", tuple(shuffled)))
    )


@pytest.mark.parametrize(
    "denial",
    [
        "No evidence of leprosy.",
        "Denies hemophilia.",
        "He was ruled out for botulism.",
        "Negative for trichinosis.",
    ],
)
def test_an_unrelated_denial_selects_nothing(coder: Coder, denial: str) -> None:
    """What a note denies, and nothing else of it speaks of, is neither suggested nor preselects another code."""
    for case in ALL_CASES[::3]:
        before = coder.suggest(read_record(case))
        after = coder.suggest(read_record({**case, "text": f"{case['text'].rstrip()}\n{denial}\n"}))
        selected = [{s.code for s in run.suggestions if s.selected} for run in (before, after)]
        assert selected[1] <= selected[0], case["id"]
        assert all(denial not in e.text for s in after.suggestions for e in s.evidence)


@relaxed
@given(LINES, JOINTS)
def test_evidence_slices_back(coder: Coder, lines: list[str], joint: str) -> None:
    """Whatever stands in a note, evidence is never empty and is the note's own characters."""
    text = joint.join(lines) + " cough"
    run = coder.suggest(Note("n", text))
    for item in (*run.suggestions, *run.withheld):
        assert item.evidence
        assert all(e.text and e.span.slice(text) == e.text for e in item.evidence)


HOSTILE = {
    "brackets": "(",
    "closed brackets": "()",
    "one word": "a",
    "capitals": "A",
    "capital words": "ABC ",
    "headings": "PLAN: ",
    "right to left": "\u05d0\u05d1 ",
    "combining": "e\u0301\u0323",
    "emoji": "\U0001f469\u200d\u2695\ufe0f ",
    "zero width": "\u200bcough\u200b",
    "line ends": "\r\n\r\n\n\r",
    "nothing": "\x00",
    "commas": "fever, ",
    "numbers": "12 ",
    "weeks": "12 weeks and ",
    "cues": "no history of possible ",
    "sides": "left right ",
    "conditions": "pneumonia and ",
    "slashes": "s/p w/o ",
    "spines": "C5-6, ",
    "stops": "..",
    "dashes": " - ",
    "items": "1. A ",
    "stars": "**",
    "blanks": " ",
    "denied addenda": "ADDENDUM: not left but ",
    "questions": "?a ",
    "abbreviations": "MS PT ",
}


def assert_costs(coder: Coder, short: str, long: str, *, times: float, slack: float = 0.0) -> None:
    """Assert that the long note costs at most so many times what the short one does."""
    notes = Note("n", short), Note("n", long)
    assert_linear(*(partial(coder.suggest, note) for note in notes), times=times, slack=slack)


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_cost_is_linear_in_the_text(coder: Coder, piece: str) -> None:
    """Four times as long costs at most some eight times as much (a square would cost sixteen), whatever it is."""
    whole = "cough. " + piece * (40_000 // len(piece)) + "\x01"
    assert_costs(coder, whole[:9_999] + "\x01", whole, times=8, slack=0.1)


def test_the_longest_note_costs_its_length(coder: Coder) -> None:
    """What is read up to 200,000 characters costs no more for each than a quarter of it does."""
    whole = "".join(piece * 40 for piece in HOSTILE.values())
    whole *= 200_000 // len(whole) + 1
    assert_costs(coder, whole[:50_000], whole[:200_000], times=7)


@pytest.mark.slow
def test_a_chart_of_copied_notes_costs_its_length(coder: Coder) -> None:
    """The same notes again and again, every passage of them a copy, cost no more for each character than once."""
    whole = "\n".join(case["text"] for case in ALL_CASES[:47])
    whole *= 200_000 // len(whole) + 1
    assert_costs(coder, whole[:50_000], whole[:200_000], times=7)


def test_what_follows_a_hundred_thousand_brackets_is_found(coder: Coder) -> None:
    """Pathological text is read to its end, and what it says is found."""
    text = "(" * 100_000 + " gout"
    assert [s.evidence[0].text for s in coder.suggest(Note("n", text)).suggestions if s.evidence] == ["gout"]


@pytest.mark.parametrize("form", ["NFD", "NFKC", "NFKD"])
@pytest.mark.parametrize(
    "words",
    [
        "Sj\u00f6gren's syndrome",
        "M\u00e9ni\u00e8re's disease, left ear",
        "Beh\u00e7et's disease",
        "Guillain-Barr\u00e9 syndrome",
        "Chronic atrial \ufb01brillation, congestive heart failure with \ufb02uid overload",
        "Jos\u00e9 N\u00fa\u00f1ez, n\u00e9 \u00e0 l'h\u00f4pital. Gout, hypertension",
    ],
)
def test_the_form_of_accents_changes_nothing(coder: Coder, words: str, form: str) -> None:
    """However a text writes accents and ligatures, the same codes stand on the same words, as likely; places slice back."""
    plain = f"ASSESSMENT: {words}.\nPLAN: Follow up in two weeks."
    other = unicodedata.normalize(form, plain)
    runs = coder.suggest(Note("n", plain)), coder.suggest(Note("n", other))
    codes = [
        {s.code: (s.selected, pytest.approx(s.probability, abs=0.005)) for s in run.suggestions}
        for run in runs
    ]
    assert codes[0] == codes[1] and any(s.selected for s in runs[0].suggestions)
    for run, text in zip(runs, (plain, other), strict=True):
        assert all(e.span.slice(text) == e.text for s in run.suggestions for e in s.evidence)
    found = [
        {unicodedata.normalize(form, e.text) for s in run.suggestions for e in s.evidence} for run in runs
    ]
    assert found[0] == found[1]


READS = """
import json, sys
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import read_record, run_record
coder = Coder.load()
for line in sys.stdin:
    print(json.dumps(run_record(coder.suggest(read_record(json.loads(line))))))
"""


def test_every_process_says_the_same(cache_dir: Path) -> None:
    """Processes that hash words differently, as each does, give the same bytes."""
    preterm = "Preterm labor at 33 weeks gestation with preterm delivery. Repeat low transverse C-section."
    lines = "\n".join(json.dumps(case) for case in [*CASES, {"id": "preterm", "text": preterm}])
    environment = {**os.environ, "CODER_ASSIST_CACHE_DIR": str(cache_dir)}
    said = {
        subprocess.run(
            [sys.executable, "-c", READS], input=lines, capture_output=True, text=True, check=True,
            env={**environment, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "3", "6")
    }  # fmt: skip
    assert len(said) == 1
    assert len(said.pop().splitlines()) == len(CASES) + 1
