from __future__ import annotations

import base64
import json
from datetime import date
from typing import Any

import pytest

from coder_assist.errors import InputError
from coder_assist.review.fhir import from_fhir
from coder_assist.review.importing import from_jsonl, from_records, from_text
from coder_assist.types import Encounter, Setting, Sex


def one(record: object) -> Encounter:
    (item,) = from_records([record])
    assert item.encounter is not None, item.error
    return item.encounter


def test_text_and_records() -> None:
    """A bare text is an encounter of one note; a record says more of it."""
    (item,) = from_text("n1", "Cough.")
    assert item.encounter is not None
    assert [(note.id, note.text) for note in item.encounter.notes] == [("n1", "Cough.")]
    encounter = one(
        {"id": "n2", "text": "Cough.", "title": "Visit", "patient_id": "p1", "age": 3, "unknown": 1}
    )
    assert (encounter.notes[0].title, encounter.patient_id, encounter.age) == ("Visit", "p1", 3)


def test_several_notes() -> None:
    """An encounter of several notes keeps their order, ids and titles."""
    notes = [{"id": "b", "text": "Two.", "title": "Second"}, {"id": "a", "text": "One."}]
    encounter = one({"id": "e", "notes": notes, "setting": "inpatient"})
    assert [(note.id, note.text, note.title) for note in encounter.notes] == [
        ("b", "Two.", "Second"),
        ("a", "One.", ""),
    ]
    assert encounter.setting is Setting.INPATIENT


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        ([], "expected an object"),
        ({"text": "Zebedee"}, "id must be a string"),
        ({"id": "e", "text": "Zebedee", "notes": []}, "notes must be an array|got both"),
        ({"id": "e", "text": "Zebedee", "notes": [{"text": "x"}]}, "both"),
        ({"id": "e", "notes": [{"text": "Zebedee"}, {"text": "Quux"}]}, "id"),
        ({"id": "e", "notes": [{"id": "a", "text": "Zebedee"}, {"id": "a", "text": "Quux"}]}, "ids|twice"),
        ({"id": "e", "notes": ["Zebedee"]}, "must be an object"),
        ({"id": "e", "text": " \n"}, "text must have 1 to"),
        ({"id": "e", "text": "Zebedee" * 30}, "text must have 1 to 100 characters; got 210"),
        ({"id": "e", "text": "Zebedee\0"}, "without NUL"),
        ({"id": "e", "text": "Zebedee", "priority": 10}, "priority must be"),
        ({"id": "e", "text": "Zebedee", "patient_id": 7}, "patient_id must be a string"),
        ({"id": "e", "text": "Zebedee", "setting": "Zebedee"}, "setting must be one of"),
    ],
)
def test_bad_records_name_their_reason(record: object, problem: str) -> None:
    """A bad item says what was expected, without a word of what came; the others are read."""
    bad, good = from_records([record, {"id": "g", "text": "Cough."}], longest=100)
    assert bad.error is not None
    assert any(part in bad.error for part in problem.split("|")), bad.error
    assert "Zebedee" not in bad.error
    assert good.encounter is not None


def test_jsonl_counts_its_lines() -> None:
    """A broken line is listed by its place; blank lines are nothing."""
    content = b'{"id": "a", "text": "Cough."}\n\n{broken Zebedee\n\xff\n{"id": "b", "text": "F\xc3\xa9ver."}'
    items = from_jsonl(content)
    assert [(item.index, item.id, item.error is None) for item in items] == [
        (0, "a", True),
        (2, None, False),
        (3, None, False),
        (4, "b", True),
    ]
    assert "Zebedee" not in str([item.error for item in items])


def document(text: str | None = "Cough.", kind: str = "text/plain", **fields: Any) -> dict[str, Any]:
    attachment: dict[str, Any] = {"contentType": kind}
    if text is not None:
        attachment["data"] = base64.b64encode(text.encode()).decode()
    return {
        "resourceType": "DocumentReference",
        "id": "d1",
        "content": [{"attachment": attachment}],
        **fields,
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def test_single_document() -> None:
    """A DocumentReference alone is an encounter of one note."""
    (item,) = from_fhir(document(type={"text": "Progress note"}, date="2026-03-01T10:00:00Z"))
    assert item.encounter is not None
    encounter = item.encounter
    assert (encounter.id, encounter.notes[0].text, encounter.service_date) == (
        "d1",
        "Cough.",
        date(2026, 3, 1),
    )
    assert (encounter.notes[0].title, item.title) == ("Progress note", "Progress note")


def test_bundle_of_a_stay() -> None:
    """Documents of one FHIR encounter become its notes; patient and encounter say the rest."""
    context = {"encounter": [{"reference": "Encounter/v1"}]}
    (item,) = from_fhir(
        bundle(
            {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1961-06-15"},
            {
                "resourceType": "Encounter",
                "id": "v1",
                "class": {"code": "IMP"},
                "period": {"start": "2026-03-01T22:00:00-05:00"},
                "subject": {"reference": "Patient/p1"},
            },
            document("Admitted.", context=context),
            document("Discharged.", id="d2", context=context) | {"id": "d2"},
        )
    )
    encounter = item.encounter
    assert encounter is not None
    assert (encounter.id, [note.id for note in encounter.notes]) == ("v1", ["d1", "d2"])
    assert (encounter.setting, encounter.sex, encounter.age) == (Setting.INPATIENT, Sex.FEMALE, 64)
    assert (encounter.service_date, encounter.patient_id) == (date(2026, 3, 1), "p1")


def test_infants_have_fractions_of_years() -> None:
    """An infant's age is kept to the hundredth."""
    patient = {"resourceType": "Patient", "id": "p1", "birthDate": "2025-12-01"}
    (item,) = from_fhir(
        bundle(patient, document(subject={"reference": "Patient/p1"}, date="2026-03-01T08:00:00Z"))
    )
    assert item.encounter is not None
    assert item.encounter.age == 0.25


def test_binary_of_the_bundle() -> None:
    """An attachment may point to a Binary beside it, but to nothing outside."""
    binary = {"resourceType": "Binary", "id": "b1", "data": base64.b64encode(b"Fever.").decode()}
    inside = document(None)
    inside["content"][0]["attachment"]["url"] = "Binary/b1"
    outside = document(None, id="d2")
    outside["content"][0]["attachment"]["url"] = "https://ehr.example/Binary/b2"
    good, bad = from_fhir(bundle(binary, inside, outside))
    assert good.encounter is not None
    assert good.encounter.notes[0].text == "Fever."
    assert (bad.index, bad.id) == (2, "d2")
    assert "nothing is fetched" in str(bad.error)


@pytest.mark.parametrize(
    ("attachment", "problem"),
    [
        ({"contentType": "application/pdf", "data": "AAAA"}, "not text/plain"),
        ({"contentType": "text/plain"}, "no data"),
        ({"contentType": "text/plain", "data": "/////w=="}, "not text in the charset"),
        ({"contentType": "text/plain; charset=klingon", "data": "AAAA"}, "not text in the charset"),
    ],
)
def test_unreadable_documents_are_listed(attachment: dict[str, Any], problem: str) -> None:
    """What is not plain text is listed with its reason; its neighbours are read."""
    bad = document() | {"content": [{"attachment": attachment}], "id": "bad"}
    first, second = from_fhir(bundle(bad, document()))
    assert (first.id, second.error) == ("bad", None)
    assert problem in str(first.error)


def test_text_that_is_not_base64_is_taken_as_text() -> None:
    """Some systems put the bare text where base64 belongs; other charsets are decoded by their name."""
    plain = document()
    plain["content"][0]["attachment"]["data"] = "Assessment: cough, better."
    latin = document(id="d2")
    latin["content"][0]["attachment"] = {
        "contentType": 'text/plain; charset="iso-8859-1"',
        "data": base64.b64encode("Müde.".encode("latin-1")).decode(),
    }
    texts = [item.encounter.notes[0].text for item in from_fhir(bundle(plain, latin)) if item.encounter]
    assert texts == ["Assessment: cough, better.", "Müde."]


def test_base64_may_be_wrapped_anywhere() -> None:
    """Line ends and blanks within the base64 are no part of it, wherever they stand."""
    wrapped = document()
    wrapped["content"][0]["attachment"]["data"] = " Q291\r\nZ2ggYW5k\nIGZl dmVy L g = =\n"
    (item,) = from_fhir(wrapped)
    assert item.encounter is not None
    assert item.encounter.notes[0].text == "Cough and fever."


def test_blanks_where_base64_belongs_are_read_once() -> None:
    """200,000 blanks before a character that base64 does not have are read: each again and again would take minutes."""
    blank = document()
    blank["content"][0]["attachment"]["data"] = "Cough" + " " * 199_000 + "!"
    (item,) = from_fhir(blank)
    assert item.encounter is not None


@pytest.mark.parametrize("wrong", [None, [], {}, {"resourceType": "Patient"}, "Bundle"])
def test_other_resources_are_refused(wrong: object) -> None:
    """Only documents and bundles are imported."""
    with pytest.raises(InputError, match=r"expected a FHIR resource|resourceType must be"):
        from_fhir(wrong)


@pytest.mark.parametrize(
    "entry",
    [None, [], [None], [{}], [{"resource": None}], [{"resource": {"resourceType": "DocumentReference"}}]],
)
def test_malformed_bundles_raise_nothing(entry: object) -> None:
    """Whatever stands in a bundle, a document is read or listed."""
    items = from_fhir({"resourceType": "Bundle", "entry": entry})
    assert all(item.error for item in items)
    assert json.dumps([item.error for item in items])
