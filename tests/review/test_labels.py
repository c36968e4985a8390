from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from coder_assist.errors import SettingsError
from coder_assist.learn.corpus import read_corpus
from coder_assist.review.importing import from_records
from coder_assist.review.labels import BULK_WEIGHT, export_lines, write_jsonl, write_parquet
from coder_assist.review.records import NewAuditFinding, NewDecision, Sample
from coder_assist.review.states import AuditError, AuditVerdict, RejectReason, SampleKind
from coder_assist.review.store import Store
from coder_assist.review.tables import AuditEventRow
from coder_assist.types import Verdict, Via
from tests.review.building import (
    ADA,
    ANA,
    ASTHMA,
    AUD,
    DIABETES,
    GOUT,
    HYPERGLYCEMIA,
    HYPERTENSION,
    SCI,
    SHOWN,
    TEXT,
    accept,
    add,
    bring,
    decide,
    read_all,
    reject,
    replace_by,
)


def exported(store: Store) -> list[dict[str, Any]]:
    return list(export_lines(store.database, SCI))


def submit(store: Store, id: str = "e1") -> None:
    store.submit(ANA, id, store.summary(id).version)


def statuses(line: dict[str, Any]) -> dict[str, str]:
    return {code["code"]: code["status"] for code in line["codes"]}


def test_only_what_is_final_is_exported(store: Store) -> None:
    """Open, returned and reopened encounters give no labels; that labels were taken is in the chain."""
    bring(store)
    decide(store, accept(0))
    assert exported(store) == []
    submit(store)
    (line,) = exported(store)
    assert (line["id"], line["text"], line["setting"]) == ("e1", TEXT, "outpatient")
    store.reopen(ANA, "e1")
    assert exported(store) == []
    with store.database.read() as session:
        events = session.scalars(select(AuditEventRow).where(AuditEventRow.action == "labels.export")).all()
    assert [(event.actor, json.loads(event.details)) for event in events] == [
        ("sci", {"encounters": count}) for count in (0, 1, 0)
    ]


def test_policy_of_reject_reasons(store: Store) -> None:
    """Only 'not supported' and 'wrong code' are negatives; everything else says nothing about the code."""
    for reason in RejectReason:
        bring(store, reason, f"{TEXT} {reason}")
        decide(store, accept(0), reject(1, reason), id=reason)
        submit(store, reason)
    for line in exported(store):
        negative = line["id"] in ("not_supported", "wrong_code")
        assert ({"system": "ICD-10-CM", "code": "I10"} in line["rejected"]) is negative
        assert statuses(line).get("I10") == (None if negative else "optional")
        assert statuses(line)["E11.9"] == "required"


def test_not_reviewed_is_not_rejected(store: Store) -> None:
    """A suggestion nobody decided on, or that was deferred, is neither right nor wrong."""
    bring(store)
    decide(store, accept(0), NewDecision(Verdict.DEFER, HYPERTENSION, SHOWN, suggestion=1))
    submit(store)
    (line,) = exported(store)
    assert statuses(line) == {"E11.9": "required", "I10": "optional", "M10.072": "optional"}
    assert line["rejected"] == []


def test_replaced_code_is_wrong_and_its_replacement_right(store: Store) -> None:
    """A replacement says two things, and keeps the evidence of what it replaced."""
    bring(store)
    decide(store, replace_by(0, HYPERGLYCEMIA), accept(1), accept(2))
    submit(store)
    (line,) = exported(store)
    assert statuses(line) == dict.fromkeys(("E11.65", "I10", "M10.072"), "required")
    assert line["rejected"] == [{"system": "ICD-10-CM", "code": "E11.9"}]
    assert line["codes"][0]["evidence"] == [
        {"start": TEXT.index("Type 2"), "end": TEXT.index("Type 2") + 15, "text": "Type 2 diabetes"}
    ]
    assert [code.get("primary", False) for code in line["codes"]] == [True, False, False]


def test_bulk_accepts_weigh_less_unless_audited(store: Store) -> None:
    """What was waved through counts half; after an auditor read it, it counts whole."""
    bring(store)
    decide(store, accept(0, Via.BULK), accept(1))
    submit(store)
    (line,) = exported(store)
    assert [(c["weight"], c["audited"]) for c in line["codes"][:2]] == [(BULK_WEIGHT, False), (1.0, False)]
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1))
    store.audits.find(AUD, audit.id, "e1", NewAuditFinding(DIABETES, AuditVerdict.AGREE))
    store.audits.finish(AUD, audit.id, "e1")
    (line,) = exported(store)
    assert [(c["weight"], c["audited"]) for c in line["codes"][:2]] == [(1.0, True), (1.0, True)]


def test_sought_codes_are_marked_until_an_audit_read_all(store: Store) -> None:
    """What was not preselected, or not suggested, and taken all the same says nothing of those left out."""
    bring(store)
    decide(store, accept(0), accept(2), add(ASTHMA))
    submit(store)
    (line,) = exported(store)
    sought = {code["code"] for code in line["codes"] if code.get("sought")}
    assert sought == {"M10.072", "J45.909"}
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1))
    store.audits.finish(AUD, audit.id, "e1")
    (line,) = exported(store)
    assert not any("sought" in code for code in line["codes"])


def test_after_an_audit_nothing_is_left_open(store: Store) -> None:
    """Where an auditor read all and found nothing, what was suggested and does not stand is wrong."""
    bring(store)
    decide(store, accept(0, Via.BULK))
    submit(store)
    (line,) = exported(store)
    assert statuses(line) == {"E11.9": "required", "I10": "optional", "M10.072": "optional"}
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1))
    store.audits.finish(AUD, audit.id, "e1")
    (line,) = exported(store)
    assert statuses(line) == {"E11.9": "required"}
    assert line["codes"][0]["weight"] == 1.0


def test_lines_are_private_and_may_end_at_a_moment(store: Store) -> None:
    """Every line says that its words are a patient's; what was submitted at the moment or later is left out."""
    bring(store)
    decide(store, accept(0))
    submit(store)
    (line,) = exported(store)
    assert line["private"] is True
    at = store.desk("e1").submission
    assert at is not None
    assert list(export_lines(store.database, SCI, until=at.at)) == []
    assert len(list(export_lines(store.database, SCI, until=at.at + timedelta(seconds=1)))) == 1


def test_auditor_outranks_the_coder(store: Store) -> None:
    """Overturned codes are wrong, corrections and missed codes right; a rebuttal that held changes nothing."""
    bring(store)
    decide(store, accept(0), accept(1), accept(2))
    submit(store)
    audit = store.audits.create(AUD, Sample(SampleKind.RANDOM, 1, 1)).id
    overturn = AuditVerdict.OVERTURN
    for finding in (
        NewAuditFinding(DIABETES, overturn, HYPERGLYCEMIA, AuditError.WRONG_SPECIFICITY, "A1c"),
        NewAuditFinding(GOUT, overturn, None, AuditError.UNSUPPORTED, "history"),
        NewAuditFinding(HYPERTENSION, overturn, None, AuditError.UNSUPPORTED, "no"),
        NewAuditFinding(ASTHMA, overturn, None, AuditError.MISSED, "in plan"),
    ):
        store.audits.find(AUD, audit, "e1", finding)
    store.audits.finish(AUD, audit, "e1")
    store.audits.rebut(ANA, audit, "e1", 3, "It is treated")
    (before,) = exported(store)
    assert statuses(before)["E11.9"] == "required"  # nothing is settled yet
    store.audits.settle(AUD, audit, "e1", 3, AuditVerdict.AGREE, "right")
    store.audits.finish(AUD, audit, "e1")
    assert exported(store) == []  # returned to the coder
    store.reopen(ANA, "e1")
    submit(store)  # unchanged
    (line,) = exported(store)
    assert statuses(line) == dict.fromkeys(("E11.65", "I10", "J45.909"), "required")
    assert [code["code"] for code in line["rejected"]] == ["E11.9", "M10.072"]


def test_notes_of_an_encounter_are_lines_of_their_own(store: Store) -> None:
    """A code is required where its evidence is and neutral on the encounter's other notes."""
    notes = [{"id": "a", "text": "Type 2 diabetes."}, {"id": "b", "text": "Essential hypertension."}]
    record = {
        "id": "e1",
        "notes": notes,
        "patient_id": "p1",
        "age": 61,
        "sex": "female",
        "service_date": "2026-03-01",
    }
    store.import_encounters(ADA, from_records([record]))
    read_all(store)
    decide(store, accept(0), accept(1), add(ASTHMA))
    submit(store)
    first, second = exported(store)
    assert (first["id"], second["id"], first["encounter"], first["patient_id"]) == (
        "e1/a",
        "e1/b",
        "e1",
        "p1",
    )
    assert statuses(first) == {"E11.9": "required", "I10": "optional", "J45.909": "optional"}
    assert statuses(second) == {"E11.9": "optional", "I10": "required", "J45.909": "optional"}


def test_export_is_a_corpus(store: Store, tmp_path: Path) -> None:
    """What is exported is read by training as it is."""
    bring(store, patient_id="p1", specialty="Endocrinology")
    decide(store, accept(0), reject(1))
    submit(store)
    assert write_jsonl(exported(store), tmp_path / "labels.jsonl") == 1
    (line,) = read_corpus(tmp_path / "labels.jsonl")
    assert [(c["code"], c["type"]) for c in line["codes"]] == [
        ("E11.9", "diagnosis"),
        ("M10.072", "diagnosis"),
    ]
    assert line["patient_id"] == "p1"


def test_parquet_holds_the_same(store: Store, tmp_path: Path) -> None:
    """Parquet and JSONL tell the same lines."""
    parquet = pytest.importorskip("pyarrow.parquet")
    bring(store, age=61)
    decide(store, accept(0), reject(1))
    submit(store)
    lines = exported(store)
    assert write_parquet(lines, tmp_path / "labels.parquet") == 1
    (row,) = parquet.read_table(tmp_path / "labels.parquet").to_pylist()

    def without_nothing(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: without_nothing(inner) for key, inner in value.items() if inner is not None}
        return [without_nothing(inner) for inner in value] if isinstance(value, list) else value

    assert without_nothing(row) == lines[0]


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the message names what to install."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(SettingsError, match=r"coder-assist\[batch\]"):
        write_parquet([], tmp_path / "labels.parquet")
