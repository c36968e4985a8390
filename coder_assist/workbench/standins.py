"""Stand-ins for people where notebooks and demonstrations need decisions: they code as a corpus does.

What they do goes through the store like everybody's: same rules, same audit events. With ``slips`` above 0 the
coder errs at that rate, at random but on the same codes for the same seed whatever was suggested, so that an audit has
something to find.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any

import pandas as pd

from coder_assist.review.judging import judged
from coder_assist.review.records import Audit, FinalCode, NewAuditFinding, NewDecision
from coder_assist.review.states import AuditError, AuditVerdict, RejectReason
from coder_assist.types import Code, Severity, Verdict, Via
from coder_assist.workbench.bench import Bench

Record = Mapping[str, Any]


def gold_of(record: Record, status: str = "required") -> list[Code]:
    """Return the codes of a status of a corpus's line, in its order."""
    return [
        Code.parse(coded["system"], coded["code"]) for coded in record["codes"] if coded["status"] == status
    ]


def review_as_coded(bench: Bench, records: Iterable[Record], slips: float = 0.0, seed: int = 0) -> list[str]:
    """Decide encounters as their corpus codes them, and submit them; returns the ids of those submitted.

    Preselected suggestions that the corpus lacks are rejected, its optional ones accepted, codes that were not
    suggested added. A slip takes a wrong suggestion or leaves a right code out. What is submitted already, and
    what the rules would block, is passed over.
    """
    done = []
    for record in records:
        id = bench.bring([{key: value for key, value in record.items() if key != "codes"}])[0]
        desk = bench.desk(id)
        if desk.submission is not None or desk.run is None or desk.run.record is None:
            continue
        decisions = decisions_as_coded(desk.run.record, record, slips, f"{seed} {id}")
        version = desk.version
        if decisions:
            version = bench.store.decide(bench.actor, id, version, decisions).version
        blocking = [
            finding
            for finding in judged(bench.coder, bench.store.desk(id), bench.readings)
            if finding.severity is Severity.ERROR
        ]
        if not blocking:
            bench.store.submit(bench.actor, id, version)
            done.append(id)
    return done


def decisions_as_coded(
    run: Mapping[str, Any], record: Record, slips: float = 0.0, seed: str = ""
) -> list[NewDecision]:
    """Return the decisions on a run that ``review_as_coded`` makes of it."""

    def slip(code: Code) -> bool:
        return Random(f"{seed} {code.system} {code}").random() < slips  # noqa: S311 - a simulation

    required, optional = gold_of(record), gold_of(record, "optional")
    shown_at = datetime.now(UTC)
    decisions, suggested = [], set()
    for place, suggestion in enumerate(run["suggestions"]):
        code = Code.parse(suggestion["system"], suggestion["code"])
        suggested.add(code)
        right = code in required or (suggestion["selected"] and code in optional)
        if not right and not suggestion["selected"]:
            continue
        accept = right != slip(code)
        verdict, reason = (
            (Verdict.ACCEPT, "") if accept else (Verdict.REJECT, RejectReason.NOT_SUPPORTED.value)
        )
        decisions.append(NewDecision(verdict, code, shown_at, suggestion=place, reason=reason))
    decisions += [
        NewDecision(Verdict.ADD, code, shown_at, via=Via.SEARCH)
        for code in required
        if code not in suggested and not slip(code)
    ]
    return decisions


def audit_as_coded(bench: Bench, audit: Audit, gold: Mapping[str, Record]) -> None:
    """Read each encounter of an audit as the corpus codes it, record the findings, and close it unrebutted."""
    for item in audit.items:
        record = gold[item.encounter_id]
        for finding in _findings(item.submission.codes, record):
            bench.store.audits.find(bench.actor, audit.id, item.encounter_id, finding)
        read = bench.store.audits.finish(bench.actor, audit.id, item.encounter_id)
        if read.outcome is None:  # an overturn waits for a rebuttal; finishing again says that none came
            bench.store.audits.finish(bench.actor, audit.id, item.encounter_id)


def _findings(submitted: Iterable[FinalCode], record: Record) -> list[NewAuditFinding]:
    required, optional = gold_of(record), gold_of(record, "optional")
    codes = [final.code for final in submitted]
    found = [
        NewAuditFinding(code, AuditVerdict.AGREE)
        if code in required or code in optional
        else NewAuditFinding(
            code, AuditVerdict.OVERTURN, error=AuditError.UNSUPPORTED, reason="not in the corpus's codes"
        )
        for code in codes
    ]
    return found + [
        NewAuditFinding(code, AuditVerdict.OVERTURN, error=AuditError.MISSED, reason="in the corpus's codes")
        for code in required
        if code not in codes
    ]


def audit_table(audit: Audit) -> pd.DataFrame:
    """Return an audit's findings, a row each: encounter, code, verdict, error, and whether the code stands."""
    return pd.DataFrame(
        [
            {
                "encounter": item.encounter_id,
                "system": found.code.system.value,
                "code": found.code.value,
                "verdict": found.verdict.value,
                "error": found.error.value if found.error else "",
                "submitted": found.error is not AuditError.MISSED,
            }
            for item in audit.items
            for found in item.findings
        ],
        columns=["encounter", "system", "code", "verdict", "error", "submitted"],
    )
