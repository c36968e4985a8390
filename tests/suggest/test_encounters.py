"""Several notes make one encounter; a phrase of a note is read with all of them."""

from __future__ import annotations

from itertools import permutations

import pytest

from coder_assist.errors import InvalidRecordError, NoteError
from coder_assist.suggest import Coder
from coder_assist.suggest.wire import MOST_NOTES, read_record, run_record
from coder_assist.types import Encounter, Note, Span

NOTES = [
    {"id": "er", "text": "CHIEF COMPLAINT: Chest pain.\nHe has hypertension.", "title": "Emergency note"},
    {"id": "progress", "text": "ASSESSMENT:\n1. Hypertension.\n2. Pneumonia."},
    {"id": "summary", "text": "DISCHARGE DIAGNOSIS: Pneumonia.\nHypertension is controlled."},
]
RECORD = {"id": "e1", "setting": "inpatient", "notes": NOTES}


def test_a_record_of_notes_is_one_encounter() -> None:
    """Ids, texts and titles arrive, in the order sent."""
    encounter = read_record(RECORD)
    assert (encounter.id, [note.id for note in encounter.notes]) == ("e1", ["er", "progress", "summary"])
    assert encounter.notes[0].title == "Emergency note"
    assert encounter.notes[1].text == NOTES[1]["text"]


@pytest.mark.parametrize(
    ("record", "field", "problem"),
    [
        ({"id": "e"}, "text", "must be a string; got nothing"),
        ({"id": "e", "text": "x", "notes": NOTES}, "notes", "left out where text is given"),
        ({"id": "e", "notes": []}, "notes", "an array of 1 to 500 notes; got 0 notes"),
        ({"id": "e", "notes": NOTES[:1] * (MOST_NOTES + 1)}, "notes", "got 501 notes"),
        ({"id": "e", "notes": "x"}, "notes", "got a string of 1 character"),
        ({"id": "e", "notes": [3]}, "notes/0", "an object with id and text; got a number"),
        ({"id": "e", "notes": [NOTES[0], NOTES[0]]}, "notes/1/id", "an id of its own"),
        ({"id": "e", "notes": [{"id": "a"}]}, "notes/0/text", "a string; got nothing"),
        ({"id": "e", "notes": [{"id": "", "text": "x"}]}, "notes/0/id", "1 to 200 characters"),
        ({"id": "e", "notes": [{"id": "a", "text": "x", "title": 3}]}, "notes/0/title", "got a number"),
    ],
)
def test_exactly_one_of_text_and_notes(record: dict[str, object], field: str, problem: str) -> None:
    """What is wrong with a list of notes is said with its place, never with its text."""
    with pytest.raises(InvalidRecordError) as caught:
        read_record(record)
    ((name, said),) = caught.value.problems
    assert name == field
    assert problem in said


def test_one_condition_of_three_notes_is_one_suggestion(plain: Coder) -> None:
    """It has a piece of evidence in each note, and says in which."""
    written = run_record(plain.suggest(read_record(RECORD)))
    suggestions = written["suggestions"]
    assert isinstance(suggestions, list)
    (hypertension,) = [s for s in suggestions if s["code"] == "I10"]
    assert sorted(e["note_id"] for e in hypertension["evidence"]) == ["er", "progress", "summary"]
    texts = {note["id"]: note["text"] for note in NOTES}
    for suggestion in suggestions:
        for e in suggestion["evidence"]:
            assert texts[e["note_id"]][e["start"] : e["end"]] == e["text"]
    assert len({s["code"] for s in suggestions}) == len(suggestions)


def test_the_order_of_the_notes_changes_nothing(plain: Coder) -> None:
    """Whatever order the notes come in, the answer is the same, byte by byte."""
    written = {
        str(run_record(plain.suggest(read_record(RECORD | {"notes": list(order)}))))
        for order in permutations(NOTES)
    }
    assert len(written) == 1


def test_a_note_of_its_own_says_where_evidence_stands(plain: Coder) -> None:
    """A list of one note is an encounter too; only ``text`` leaves ``note_id`` out."""
    listed = run_record(plain.suggest(read_record({"id": "e1", "notes": NOTES[:1]})))
    alone = run_record(plain.suggest(read_record({"id": "er", "text": NOTES[0]["text"]})))
    assert '"note_id"' not in str(alone).replace("'", '"')
    assert "'note_id': 'er'" in str(listed)


def phrase_of(text: str, words: str) -> Span:
    start = text.index(words)
    return Span(start, start + len(words))


def test_a_phrase_gets_the_suggestions_that_rest_on_it(plain: Coder) -> None:
    """Only suggestions with evidence in the phrase come, and only that evidence; the context is read."""
    text = "ASSESSMENT: Left knee pain. Hypertension. He also has pain of the hip."
    encounter = Encounter("e", (Note("n", text),))
    found = plain.suggest_phrase(encounter, "n", phrase_of(text, "knee pain"))
    assert found[0].code.value == "M25.562"  # the side stands outside of the phrase
    assert "I10" not in {s.code.value for s in found}
    assert all(e.span.overlaps(phrase_of(text, "knee pain")) for s in found for e in s.evidence)


def test_a_phrase_without_suggestions_is_searched(plain: Coder) -> None:
    """Words that nothing rests on are looked up in the code books; nothing is known of the probability."""
    text = "No evidence of pneumonia. Plan: rest."
    phrase = phrase_of(text, "pneumonia")
    found = plain.suggest_phrase(Encounter("e", (Note("n", text),)), "n", phrase)
    assert "J18.9" in {s.code.value for s in found}
    assert all(s.probability == 0 and not s.selected and s.evidence[0].span == phrase for s in found)


@pytest.mark.parametrize(
    ("note", "span"), [("other", Span(0, 3)), ("n", Span(2, 2)), ("n", Span(0, 99)), ("n", Span(4, 5))]
)
def test_a_phrase_stands_in_a_note(plain: Coder, note: str, span: Span) -> None:
    """A note that is not there, and a phrase that is empty, blank or beyond the note, are refused."""
    with pytest.raises(NoteError):
        plain.suggest_phrase(Encounter("e", (Note("n", "Mild asthma."),)), note, span)
