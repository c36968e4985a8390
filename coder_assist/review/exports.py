"""A claim view as JSON, CSV, or a FHIR R4 Bundle.

All three are the same bytes for the same claim. FHIR needs the extra ``fhir``; its resources are built and
validated with ``fhir.resources`` in the R4B release, whose Claim, Condition and Procedure are those of R4.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from datetime import date
from importlib.util import find_spec
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from coder_assist.errors import SettingsError
from coder_assist.review.claims import ClaimProcedure, ClaimView
from coder_assist.types import Claim, System

CSV_COLUMNS = (
    "part", "sequence", "letter", "system", "code", "title", "modifiers", "units", "pointers", "present_on_admission",
)  # fmt: skip

_HL7 = "http://terminology.hl7.org/CodeSystem"
_SYSTEM_URI = {
    System.ICD10CM: "http://hl7.org/fhir/sid/icd-10-cm",
    System.ICD10PCS: "http://www.cms.gov/Medicare/Coding/ICD10",
    System.CPT: "http://www.ama-assn.org/go/cpt",
    System.HCPCS: "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
}
# FHIR's present-on-admission code system has no code for exempt ("1"); such a diagnosis carries none.
_ON_ADMISSION = {"Y": "y", "N": "n", "U": "u", "W": "w"}


def to_json(view: ClaimView) -> str:
    """Return the claim as JSON, what blocks it first."""
    record = asdict(view)
    record["service_date"] = view.service_date.isoformat() if view.service_date else None
    ordered = {
        "encounter_id": record.pop("encounter_id"),
        "ready": view.ready,
        "blocks": record.pop("blocks"),
    }
    return json.dumps({**ordered, **record}, ensure_ascii=False, indent=2) + "\n"


def to_csv(view: ClaimView) -> str:
    """Return the claim as rows: blocks and cautions first, then diagnoses, procedures, what was left over.

    Lists in a cell have blanks between. A cell that a spreadsheet would read as a formula begins with an apostrophe.
    """
    rows: list[dict[str, object]] = []
    for part, notices in (("block", view.blocks), ("caution", view.cautions)):
        for place, notice in enumerate(notices, 1):
            codes = " ".join(notice.codes)
            rows.append({"part": part, "sequence": place, "code": codes, "title": notice.message})
    rows += [{**asdict(each), "part": "diagnosis", "system": System.ICD10CM} for each in view.diagnoses]
    for line in view.procedures:
        letters = " ".join(pointer.letter for pointer in line.pointers)
        modifiers = " ".join(line.modifiers)
        rows.append({**asdict(line), "part": "procedure", "modifiers": modifiers, "pointers": letters})
    for place, left in enumerate(view.left_over, 1):
        rows.append(
            {
                "part": "left over",
                "sequence": place,
                "system": left.system,
                "code": left.code,
                "title": left.reason,
            }
        )
    text = io.StringIO()
    writer = csv.DictWriter(text, CSV_COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: _inert(cell) for name, cell in row.items() if cell is not None} for row in rows)
    return text.getvalue()


def _inert(cell: object) -> str:
    text = str(cell)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def to_fhir(view: ClaimView, created: date, patient_id: str | None = None) -> str:
    """Return the claim as the JSON of a FHIR Bundle: the Claim, a Condition and a Procedure for each line.

    ``created`` is the date that the claim bears. Provider and coverage are not known here and say so. Raises
    ``SettingsError`` where the extra ``fhir`` is not installed.
    """
    if find_spec("fhir") is None:
        raise SettingsError("FHIR export needs the extra fhir; install coder-assist[fhir]")
    from fhir.resources.R4B.bundle import Bundle

    patient = {"identifier": {"value": patient_id}} if patient_id else {"display": "not stated"}
    conditions = [
        (
            _urn(view, "Condition", d.sequence),
            {
                "resourceType": "Condition",
                "category": [_concept(f"{_HL7}/condition-category", "encounter-diagnosis")],
                "code": _concept(_SYSTEM_URI[System.ICD10CM], d.code, d.title),
                "subject": patient,
            },
        )
        for d in view.diagnoses
    ]
    procedures = [
        (
            _urn(view, "Procedure", line.sequence),
            {
                "resourceType": "Procedure",
                "status": "completed",
                "code": _concept(_SYSTEM_URI[line.system], line.code, line.title),
                "subject": patient,
                **({"performedDateTime": view.service_date.isoformat()} if view.service_date else {}),
            },
        )
        for line in view.procedures
    ]
    claim: dict[str, Any] = {
        "resourceType": "Claim",
        "identifier": [{"value": view.encounter_id}],
        "status": "draft",
        "type": _concept(
            f"{_HL7}/claim-type", "professional" if view.claim is Claim.PROFESSIONAL else "institutional"
        ),
        "use": "claim",
        "patient": patient,
        "created": created.isoformat(),
        "provider": {"display": "not stated"},
        "priority": _concept(f"{_HL7}/processpriority", "normal"),
        "insurance": [{"sequence": 1, "focal": True, "coverage": {"display": "not stated"}}],
        "diagnosis": [_diagnosis(view, place, urn) for place, (urn, _) in enumerate(conditions)],
        "procedure": [
            {"sequence": place, "procedureReference": {"reference": urn}}
            for place, (urn, _) in enumerate(procedures, 1)
        ],
        "item": [_item(view, line) for line in view.procedures if line.system is not System.ICD10PCS],
    }
    entries = [(_urn(view, "Claim", 1), {key: value for key, value in claim.items() if value != []})]
    bundle = Bundle.model_validate(
        {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [
                {"fullUrl": urn, "resource": resource}
                for urn, resource in (*entries, *conditions, *procedures)
            ],
        }
    )
    return json.dumps(json.loads(bundle.model_dump_json()), ensure_ascii=False, indent=2) + "\n"


def _diagnosis(view: ClaimView, place: int, urn: str) -> dict[str, Any]:
    diagnosis = view.diagnoses[place]
    found: dict[str, Any] = {
        "sequence": diagnosis.sequence,
        "diagnosisReference": {"reference": urn},
    }
    if diagnosis.sequence == 1:
        found["type"] = [_concept(f"{_HL7}/ex-diagnosistype", "principal")]
    present = _ON_ADMISSION.get(diagnosis.present_on_admission or "")
    if present:
        found["onAdmission"] = _concept(f"{_HL7}/ex-diagnosis-on-admission", present)
    return found


def _item(view: ClaimView, line: ClaimProcedure) -> dict[str, Any]:
    by_code = {diagnosis.code: diagnosis.sequence for diagnosis in view.diagnoses}
    item: dict[str, Any] = {
        "sequence": line.sequence,
        "procedureSequence": [line.sequence],
        "productOrService": _concept(_SYSTEM_URI[line.system], line.code, line.title),
        "quantity": {"value": line.units},
    }
    if line.pointers:
        item["diagnosisSequence"] = [by_code[pointer.code] for pointer in line.pointers]
    if line.modifiers:
        item["modifier"] = [_concept(_modifier_uri(modifier), modifier) for modifier in line.modifiers]
    if view.service_date:
        item["servicedDate"] = view.service_date.isoformat()
    return item


def _modifier_uri(modifier: str) -> str:
    """Return whose list a modifier is of: two digits are CPT's, the rest HCPCS Level II's."""
    return _SYSTEM_URI[System.CPT if modifier.isdigit() else System.HCPCS]


def _concept(system: str, code: str, display: str = "") -> dict[str, Any]:
    coding = {"system": system, "code": code, **({"display": display} if display else {})}
    return {"coding": [coding]}


def _urn(view: ClaimView, resource: str, number: int) -> str:
    """Return a name for a resource of the bundle, the same for the same claim."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, f'coder-assist/{view.encounter_id}/{resource}/{number}')}"
