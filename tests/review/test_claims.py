"""The claim view and its exports."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from datetime import date
from importlib.util import find_spec
from typing import Any

import pytest

from coder_assist.codes import Library
from coder_assist.errors import SettingsError
from coder_assist.review.claims import ClaimView, claim_of
from coder_assist.review.exports import to_csv, to_fhir, to_json
from coder_assist.suggest.rules import Coding, FactBook, RuleBook, parse_line
from coder_assist.types import Claim, Encounter, Note, Setting, System

needs_fhir = pytest.mark.skipif(find_spec("fhir") is None, reason="the extra fhir is not installed")


@pytest.fixture(scope="module")
def facts(library: Library) -> FactBook:
    return FactBook(library)


def coding_of(codes: str, facts: FactBook, **context: Any) -> Coding:
    places: dict[System, int] = {}
    lines = []
    for text in codes.split():
        line = parse_line(text)
        places[line.code.system] = places.get(line.code.system, 0) + 1
        lines.append(replace(line, sequence=places[line.code.system]))
    encounter = Encounter("e1", (Note("e1", "No text."),), service_date=date(2026, 5, 4), **context)
    return Coding.of(encounter, lines, facts)


def view_of(codes: str, facts: FactBook, **context: Any) -> ClaimView:
    coding = coding_of(codes, facts, **context)
    return claim_of(coding, RuleBook.without().judge(coding))


def test_a_professional_claim_points_from_lines_to_letters(facts: FactBook) -> None:
    """Diagnoses are A to L; a line points to those that support it, strongest first, with the reason."""
    view = view_of("K57.30 D12.2 I10 45385 45380-59", facts)
    assert [(d.letter, d.code) for d in view.diagnoses] == [("A", "K57.30"), ("B", "D12.2"), ("C", "I10")]
    assert view.diagnoses[0].title.startswith("Diverticulosis of large intestine")
    first, second = view.procedures
    assert (second.code, second.modifiers, second.units) == ("45380", ("59",), 1)
    assert [(p.letter, p.code) for p in first.pointers] == [("B", "D12.2"), ("A", "K57.30")]
    assert [p.reason for p in first.pointers] == [
        "a lesion of the bowel that is sampled or removed",
        "colon and rectum",
    ]
    assert view.ready and not view.left_over


def test_what_a_claim_has_no_place_for_is_named(facts: FactBook) -> None:
    """A thirteenth diagnosis is left over with the reason, and no line points to it."""
    codes = "I10 E78.5 E11.9 J45.909 K21.9 M17.11 G43.909 F32.A N40.0 E03.9 J44.9 L40.0 K80.20 47562"
    view = view_of(codes, facts)
    assert [d.letter for d in view.diagnoses] == list("ABCDEFGHIJKL")
    assert [(left.code, left.reason) for left in view.left_over] == [
        ("K80.20", "the claim has places for 12 diagnoses")
    ]
    assert view.procedures[0].pointers == ()
    assert "claim-pointer" in {notice.rule for notice in view.cautions}


def test_a_hospital_claim_of_a_stay(facts: FactBook) -> None:
    """Principal and further diagnoses with their indicators, PCS procedures, no pointers; CPT is left over."""
    view = view_of(
        "K35.80@Y I10@Y E11.9 0DTJ4ZZ 44970", facts, setting=Setting.INPATIENT, claim=Claim.FACILITY
    )
    assert [(d.code, d.letter, d.present_on_admission) for d in view.diagnoses] == [
        ("K35.80", "", "Y"),
        ("I10", "", "Y"),
        ("E11.9", "", None),
    ]
    assert [(p.system, p.code, p.pointers) for p in view.procedures] == [(System.ICD10PCS, "0DTJ4ZZ", ())]
    assert [(left.code, left.reason) for left in view.left_over] == [
        ("44970", "CPT belongs on another claim")
    ]
    assert ("claim-present-on-admission", ("E11.9",)) in {(n.rule, n.codes) for n in view.cautions}


def test_a_hospital_claim_has_25_diagnoses(facts: FactBook) -> None:
    """The 26th diagnosis of a stay is left over."""
    codes = " ".join(f"S61.{n:03}A@Y" for n in range(1, 27))
    view = view_of(codes, facts, setting=Setting.INPATIENT, claim=Claim.FACILITY)
    assert len(view.diagnoses) == 25
    assert [left.code for left in view.left_over] == ["S61.026A"]


def test_an_outpatient_hospital_claim_takes_cpt(facts: FactBook) -> None:
    """It has CPT lines without pointers and no present-on-admission indicator."""
    view = view_of("K80.20 47562", facts, claim=Claim.FACILITY)
    assert [(p.code, p.pointers) for p in view.procedures] == [("47562", ())]
    assert view.diagnoses[0].present_on_admission is None
    assert not view.cautions


def test_errors_block_and_stand_first(facts: FactBook) -> None:
    """An error finding blocks the claim, as do an empty list of diagnoses and a line without units."""
    view = view_of("0DTJ4ZZ 44970-59-22-51-LT-XS*0", facts)
    assert [notice.rule for notice in view.blocks] == [
        "claim-diagnosis",
        "claim-units",
        "claim-modifiers",
        "pcs-off-inpatient-facility",
    ]
    assert not view.ready
    assert list(json.loads(to_json(view)))[:3] == ["encounter_id", "ready", "blocks"]


def test_json_tells_everything(facts: FactBook) -> None:
    """The JSON of a small claim, whole."""
    view = view_of("K80.20 47562", facts)
    assert json.loads(to_json(view)) == {
        "encounter_id": "e1",
        "ready": True,
        "blocks": [],
        "claim": "professional",
        "setting": "outpatient",
        "service_date": "2026-05-04",
        "cautions": [],
        "diagnoses": [
            {
                "sequence": 1,
                "letter": "A",
                "code": "K80.20",
                "title": "Calculus of gallbladder without cholecystitis without obstruction",
                "present_on_admission": None,
            }
        ],
        "procedures": [
            {
                "sequence": 1,
                "system": "CPT",
                "code": "47562",
                "title": facts.books[System.CPT].entry("47562").title,
                "modifiers": [],
                "units": 1,
                "pointers": [{"letter": "A", "code": "K80.20", "reason": "the gallbladder"}],
            }
        ],
        "left_over": [],
    }


def test_csv_reads_back(facts: FactBook) -> None:
    """Each part of the claim is a row under its columns, blocks first."""
    view = view_of("M17.12 I10 20610-LT 0DTJ4ZZ", facts)
    rows = list(csv.DictReader(io.StringIO(to_csv(view), newline="")))
    assert [row["part"] for row in rows] == ["block", "diagnosis", "diagnosis", "procedure", "left over"]
    assert [rows[3][name] for name in ("sequence", "system", "code", "modifiers", "units", "pointers")] == [
        "1", "CPT", "20610", "LT", "1", "A",
    ]  # fmt: skip
    assert rows[1]["letter"] == "A" and rows[4]["code"] == "0DTJ4ZZ"


def test_csv_has_no_formula(facts: FactBook) -> None:
    """A cell that begins as a formula does begins with an apostrophe."""
    view = view_of("K80.20 47562", facts)
    evil = replace(view, diagnoses=(replace(view.diagnoses[0], title="=1+1"),))
    assert ",'=1+1," in to_csv(evil)


@needs_fhir
def test_fhir_is_a_valid_bundle_that_reads_back(facts: FactBook) -> None:
    """The library reads what was written into the same; references resolve within the bundle."""
    from fhir.resources.R4B.bundle import Bundle

    view = view_of("M17.12 I10 20610-LT*2 J3301", facts)
    text = to_fhir(view, date(2026, 5, 5), "p7")
    record = json.loads(text)
    again = json.loads(Bundle.model_validate_json(text).model_dump_json())
    assert again == record
    kinds = [entry["resource"]["resourceType"] for entry in record["entry"]]
    assert kinds == ["Claim", "Condition", "Condition", "Procedure", "Procedure"]
    claim = record["entry"][0]["resource"]
    urls = {entry["fullUrl"] for entry in record["entry"]}
    assert {d["diagnosisReference"]["reference"] for d in claim["diagnosis"]} <= urls
    assert {p["procedureReference"]["reference"] for p in claim["procedure"]} <= urls
    item = claim["item"][0]
    assert item["productOrService"]["coding"][0]["code"] == "20610"
    assert item["diagnosisSequence"] == [1] and item["quantity"]["value"] == 2
    assert item["modifier"][0]["coding"][0]["code"] == "LT"
    assert claim["patient"]["identifier"]["value"] == "p7" and claim["created"] == "2026-05-05"
    assert text == to_fhir(view, date(2026, 5, 5), "p7")


@needs_fhir
def test_fhir_of_a_stay(facts: FactBook) -> None:
    """A stay's claim is institutional, with indicators and PCS procedures, and no items."""
    view = view_of("K35.80@Y Z90.49@1 0DTJ4ZZ", facts, setting=Setting.INPATIENT, claim=Claim.FACILITY)
    claim = json.loads(to_fhir(view, date(2026, 5, 5)))["entry"][0]["resource"]
    assert claim["type"]["coding"][0]["code"] == "institutional"
    assert claim["diagnosis"][0]["onAdmission"]["coding"][0]["code"] == "y"
    assert claim["diagnosis"][0]["type"][0]["coding"][0]["code"] == "principal"
    assert "onAdmission" not in claim["diagnosis"][1] and "item" not in claim
    assert claim["patient"] == {"display": "not stated"}


def test_fhir_without_the_extra_says_how_to_get_it(facts: FactBook, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing extra is a settings error that names it."""
    monkeypatch.setattr("coder_assist.review.exports.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"coder-assist\[fhir\]"):
        to_fhir(view_of("K80.20 47562", facts), date(2026, 5, 5))
