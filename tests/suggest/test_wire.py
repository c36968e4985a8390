"""The machine interface: records in, records out."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coder_assist.errors import InputError, InvalidRecordError
from coder_assist.suggest.wire import read_record, run_record
from coder_assist.types import (
    Claim,
    Code,
    Evidence,
    Finding,
    Fix,
    Note,
    Run,
    SectionKind,
    Setting,
    Severity,
    Sex,
    Span,
    Suggestion,
    System,
    Withheld,
)

CANARY = "Zanzibarine Quux"
GOOD: dict[str, Any] = {"id": "n1", "text": "Assessment: hypertension."}

I10 = Code(System.ICD10CM, "I10")
R03 = Code(System.ICD10CM, "R03.0")
EVIDENCE = Evidence("n1", Span(12, 24), "hypertension", SectionKind.ASSESSMENT)


def run_of(versions: dict[str, int] | None = None, finding: Finding | None = None) -> Run:
    suggestion = Suggestion(
        code=I10,
        title="Essential (primary) hypertension",
        probability=0.75,
        selected=True,
        sequence=1,
        evidence=(EVIDENCE,),
        reasons=("synonym: hypertension",),
        alternatives=(R03,),
        findings=(finding,) if finding else (),
    )
    return Run(
        encounter_id="n1",
        note_versions=versions or {"n1": 1},
        suggestions=(suggestion,),
        withheld=(Withheld(R03, "Elevated reading", "negated", (EVIDENCE,)),),
        pack="p@1",
        code_books={"ICD-10-CM": "2026-04"},
        lexicon="l1",
        rules="r1",
        software="0.1.0",
        notices=("a notice",),
    )


def test_two_keys_are_enough() -> None:
    """A record of id and text is an outpatient encounter of one note."""
    encounter = read_record(GOOD)
    assert encounter.notes == (Note("n1", "Assessment: hypertension."),)
    assert (encounter.id, encounter.setting, encounter.claim, encounter.sex) == (
        "n1",
        Setting.OUTPATIENT,
        None,
        Sex.UNKNOWN,
    )
    assert (encounter.age, encounter.service_date, encounter.specialty) == (None, None, None)


def test_every_key_is_read() -> None:
    """Setting, claim, sex, age, date of service and specialty arrive in the encounter."""
    encounter = read_record(
        GOOD
        | {
            "setting": "inpatient",
            "claim": "professional",
            "sex": "male",
            "age": 44,
            "service_date": "2026-05-04",
            "specialty": "cardiology",
        }
    )
    assert (encounter.setting, encounter.claim, encounter.sex) == (
        Setting.INPATIENT,
        Claim.PROFESSIONAL,
        Sex.MALE,
    )
    assert (encounter.age, encounter.service_date, encounter.specialty) == (
        44.0,
        date(2026, 5, 4),
        "cardiology",
    )


def test_unknown_keys_are_ignored() -> None:
    """A coded corpus can be fed as it is: its codes are not read."""
    assert read_record(GOOD | {"codes": [{"code": "I10"}], "source": 3}) == read_record(GOOD)


def test_null_is_not_given() -> None:
    """Null in an optional key counts as absent."""
    empty = dict.fromkeys(("setting", "claim", "sex", "age", "service_date", "specialty"))
    assert read_record(GOOD | empty) == read_record(GOOD)


@pytest.mark.parametrize("record", [None, 3, "text", [], [GOOD], True, math.nan])
def test_a_record_is_an_object(record: object) -> None:
    """Anything but an object is refused as a whole."""
    with pytest.raises(InvalidRecordError, match="must be an object with id and text") as caught:
        read_record(record)
    assert caught.value.id is None
    assert [field for field, _ in caught.value.problems] == [""]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("id", 7, "a string; got a number"),
        ("id", None, "a string; got null"),
        ("id", " ", "not only blanks"),
        ("id", "x" * 201, "1 to 200 characters"),
        ("id", "a\ud800", "Unicode text; got half of a surrogate pair at character 1"),
        ("text", ["a"], "a string; got an array"),
        ("text", b"bytes", "a string; got a bytes"),
        ("text", "ab\udc00", "Unicode text; got half of a surrogate pair at character 2"),
        ("setting", "ward", "one of outpatient, inpatient; got a string of 4 characters"),
        ("setting", "", "got an empty string"),
        ("claim", "x", "one of professional, facility; got a string of 1 character"),
        ("sex", "F", "one of female, male, unknown"),
        ("sex", 1, "one of female, male, unknown; got a number"),
        ("age", "61", "a number of years from 0 to 130; got a string"),
        ("age", True, "got a boolean"),
        ("age", -1, "got a number below 0"),
        ("age", 131, "a number of years from 0 to 130"),
        ("age", 10**400, "a number of years from 0 to 130"),
        ("age", math.nan, "got a number that is not finite"),
        ("age", math.inf, "got a number that is not finite"),
        ("service_date", "04/05/2026", "an ISO 8601 date, YYYY-MM-DD"),
        ("service_date", "2026-02-30", "a day of the calendar"),
        ("service_date", "20260504", "YYYY-MM-DD"),
        ("service_date", 20260504, "got a number"),
        ("specialty", {"a": 1}, "a string; got an object"),
    ],
)
def test_a_wrong_value_is_named(field: str, value: object, expected: str) -> None:
    """A wrong value is refused with its field, what was expected and what kind of value came."""
    with pytest.raises(InputError) as caught:
        read_record(GOOD | {field: value})
    assert isinstance(caught.value, InvalidRecordError)
    ((name, problem),) = caught.value.problems
    assert name == field
    assert expected in problem
    assert expected in str(caught.value)


def test_all_problems_come_at_once() -> None:
    """A record with several faults names all of them, and its id."""
    with pytest.raises(InvalidRecordError) as caught:
        read_record({"id": "n9", "setting": "ward", "age": "old"})
    assert caught.value.id == "n9"
    assert [field for field, _ in caught.value.problems] == ["text", "setting", "age"]
    assert "text must be a string; got nothing" in str(caught.value)


@pytest.mark.parametrize("field", ["setting", "claim", "sex", "age", "service_date"])
def test_a_note_in_the_wrong_field_is_not_repeated(field: str) -> None:
    """No value stands in the message, wherever the caller put the note."""
    with pytest.raises(InvalidRecordError) as caught:
        read_record(GOOD | {field: CANARY})
    assert CANARY not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.sampled_from(["id", "text", "setting", "claim", "sex", "age", "service_date", "specialty"]), _json
    )
)
def test_any_json_is_read_or_refused(record: dict[str, object]) -> None:
    """Whatever JSON comes, it makes an encounter that UTF-8 can write, or an InputError."""
    try:
        encounter = read_record(record)
    except InputError as error:
        str(error).encode()
    else:
        assert encounter.id == record["id"]
        (encounter.id + encounter.notes[0].text + (encounter.specialty or "")).encode()


def test_a_run_is_written_as_documented() -> None:
    """A run has the keys of the machine interface, in their order."""
    written = run_record(run_of())
    assert json.loads(json.dumps(written, allow_nan=False)) == {
        "id": "n1",
        "suggestions": [
            {
                "system": "ICD-10-CM",
                "code": "I10",
                "title": "Essential (primary) hypertension",
                "score": 0.75,
                "selected": True,
                "sequence": 1,
                "evidence": [{"start": 12, "end": 24, "text": "hypertension", "section": "assessment"}],
                "alternatives": ["R03.0"],
                "findings": [],
                "reasons": ["synonym: hypertension"],
            }
        ],
        "withheld": [
            {
                "system": "ICD-10-CM",
                "code": "R03.0",
                "title": "Elevated reading",
                "reason": "negated",
                "evidence": [{"start": 12, "end": 24, "text": "hypertension", "section": "assessment"}],
            }
        ],
        "findings": [],
        "pack": "p@1",
        "code_books": {"ICD-10-CM": "2026-04"},
        "lexicon": "l1",
        "rules": "r1",
        "software": "0.1.0",
        "notices": ["a notice"],
    }
    assert list(written) == [
        "id",
        "suggestions",
        "withheld",
        "findings",
        "pack",
        "code_books",
        "lexicon",
        "rules",
        "software",
        "notices",
    ]


def test_findings_carry_their_fix() -> None:
    """A finding is written with its authority, the codes to take out and to put in, and the modifiers then."""
    finding = Finding(
        "r1",
        Severity.WARNING,
        (I10,),
        "use I11",
        "I.C.9.a",
        Fix((I10,), (Code(System.ICD10CM, "I11.9"),), ((Code(System.CPT, "99213"), ("25", "GT")),)),
    )
    (suggestion,) = json.loads(json.dumps(run_record(run_of(finding=finding))))["suggestions"]
    assert suggestion["findings"] == [
        {
            "rule": "r1",
            "severity": "warning",
            "codes": [{"system": "ICD-10-CM", "code": "I10"}],
            "message": "use I11",
            "authority": "I.C.9.a",
            "fix": {
                "remove": [{"system": "ICD-10-CM", "code": "I10"}],
                "add": [{"system": "ICD-10-CM", "code": "I11.9"}],
                "modifiers": [{"system": "CPT", "code": "99213", "modifiers": ["25", "GT"]}],
            },
            "query": None,
        }
    ]


def test_evidence_of_several_notes_names_its_note() -> None:
    """Offsets of an encounter of several notes say which note they count in."""
    (suggestion,) = json.loads(json.dumps(run_record(run_of({"n1": 1, "n2": 1}))))["suggestions"]
    assert suggestion["evidence"][0]["note_id"] == "n1"
