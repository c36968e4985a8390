"""Assertion is held to the phrases of ``corpora/regression/assertion.tsv``, behaviour by behaviour."""

from __future__ import annotations

import csv
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from coder_assist.text.assertion import assert_mention, find_cues
from coder_assist.text.cues import CUES, Effect
from coder_assist.text.matcher import NoteWords
from coder_assist.types import Assertion, Experiencer, Polarity, SectionKind, Span, Temporality

PHRASES = Path(__file__).parents[2] / "corpora" / "regression" / "assertion.tsv"
LABELS = ("negated", "uncertain", "historical", "hypothetical", "family")


def _rows() -> list[dict[str, str]]:
    with PHRASES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


ROWS = _rows()
BEHAVIOURS = {name: list(rows) for name, rows in groupby(ROWS, key=lambda row: row["behaviour"])}
OPEN = [row for row in ROWS if row["known"] == "open"]


def labels(judged: Assertion) -> str:
    said = {judged.polarity.value, judged.certainty.value, judged.temporality.value, judged.experiencer.value}
    return " ".join(label for label in LABELS if label in said) or "affirmed"


def judge(read, row: dict[str, str]) -> str:
    return labels(read(row["text"].replace("\\n", "\n")).mention_at(row["mention"]).assertion)


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_behaviour(behaviour, read, record_property):
    """Every phrase of a behaviour is read as expected, but for those known to be open."""
    rows = BEHAVIOURS[behaviour]
    wrong = []
    for row in rows:
        answer = judge(read, row)
        if answer != row["expected"]:
            wrong.append((row, answer))
    record_property("pass_rate", f"{len(rows) - len(wrong)}/{len(rows)}")
    new = [
        f"{row['text']} | {row['mention']}: expected {row['expected']}, got {answer}"
        for row, answer in wrong
        if row["known"] != "open"
    ]
    assert not new, f"{behaviour} {len(rows) - len(wrong)}/{len(rows)}\n" + "\n".join(new)


@pytest.mark.parametrize("row", OPEN, ids=lambda row: row["text"])
@pytest.mark.xfail(strict=True, reason="open: see the column `known`")
def test_open_phrase(row, read):
    """An open phrase fails; once it passes, its mark goes."""
    assert judge(read, row) == row["expected"]


def test_phrases_are_well_formed():
    """Each row has a mention inside its text and known labels; no phrase is asked twice."""
    assert len({(row["text"], row["mention"]) for row in ROWS}) == len(ROWS) >= 320
    assert len(BEHAVIOURS) == len({row["behaviour"] for row in ROWS}), "rows of a behaviour stand together"
    for row in ROWS:
        assert row["mention"].lower() in row["text"].lower()
        expected = row["expected"].split()
        assert expected == ["affirmed"] or expected == [label for label in LABELS if label in expected]
        assert row["known"] in ("", "open")


def test_few_phrases_are_open():
    """At least 95 % of the phrases pass."""
    assert len(OPEN) <= 0.05 * len(ROWS)


def _hits(text: str):
    note = NoteWords.cut(text, [Span(0, len(text))])
    return note, find_cues(note, 0, len(note.words))


def test_longest_cue_wins():
    """ "no evidence of" is one cue, not a "no" with something behind it."""
    _, hits = _hits("There is no evidence of pneumonia.")
    assert [hit.cue.phrase for hit in hits] == ["there is", "no evidence of"]


def test_cues_do_not_overlap():
    """A word belongs to one phrase."""
    _, hits = _hits("He denies any history of possible stroke and cannot rule out a family history of gout")
    spans = [(hit.first, hit.last) for hit in hits]
    assert all(one == other or one[1] <= other[0] for one, other in pairwise(spans))


def test_the_cue_is_told():
    """An assertion names the phrase it rests on, and the section where that decided."""
    note, hits = _hits("no evidence of pneumonia")
    judged = assert_mention(hits, note, [3], SectionKind.OTHER)
    assert (judged.polarity, judged.cue) == (Polarity.NEGATED, "no evidence of")
    judged = assert_mention([], note, [3], SectionKind.HISTORY_FAMILY)
    assert (judged.experiencer, judged.cue) == (Experiencer.FAMILY, "family history")


def test_what_was_planned_is_done_in_an_operative_report():
    """ "will undergo" is a plan in a clinic note, and past in the body of an operative report."""
    note, hits = _hits("will undergo appendectomy")
    assert assert_mention(hits, note, [2], SectionKind.PLAN).temporality is Temporality.HYPOTHETICAL
    assert assert_mention(hits, note, [2], SectionKind.PROCEDURE_BODY).temporality is Temporality.CURRENT


def test_empty_sentence_has_no_cues():
    """A sentence without words is no error."""
    note = NoteWords.cut("...", [Span(0, 3)])
    assert find_cues(note, 0, 0) == []


def test_each_cue_reaches_somewhere():
    """A cue that says something has a direction and a reach; the same cue is not listed twice."""
    speaking = [
        cue
        for cue in CUES
        if cue.effect not in (Effect.PSEUDO, Effect.END, Effect.ONLY, Effect.RETURN, Effect.PATIENT)
    ]
    assert all((cue.forward or cue.backward) and cue.limit > 0 for cue in speaking)
    seen = [(cue.phrase, cue.effect, cue.forward) for cue in speaking]
    assert sorted({item for item in seen if seen.count(item) > 1}) == []
