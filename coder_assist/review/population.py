"""What an audit may draw from: submissions that wait to be read, and how risky each looks."""

from __future__ import annotations

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from coder_assist.review.records import Actor, Sample
from coder_assist.review.sampling import Case, risk_of
from coder_assist.review.standing import CODING
from coder_assist.review.states import EncounterState, SampleKind
from coder_assist.review.tables import AuditItemRow, DecisionRow, EncounterRow, SubmissionRow, SuggestionRow
from coder_assist.types import Verdict, Via


def cases_for(session: Session, actor: Actor, sample: Sample, lock: bool = False) -> list[Case]:
    """Return the newest submissions of encounters that are submitted and in no unfinished audit.

    What the actor submitted is left out. With ``lock`` nobody else takes them before the transaction ends.
    """
    query = (
        select(EncounterRow, SubmissionRow)
        .join(SubmissionRow, SubmissionRow.encounter_id == EncounterRow.id)
        .where(
            EncounterRow.state == EncounterState.SUBMITTED,
            SubmissionRow.by != actor.id,
            ~exists().where(AuditItemRow.encounter_id == EncounterRow.id, AuditItemRow.finished_at.is_(None)),
        )
        .order_by(SubmissionRow.id)
    )
    if lock:
        query = query.with_for_update(of=EncounterRow)
    newest = {encounter.id: (encounter, submission) for encounter, submission in session.execute(query)}
    cases = []
    for encounter, submission in newest.values():
        if sample.since is not None and submission.at < sample.since:
            continue
        if sample.until is not None and submission.at >= sample.until:
            continue
        if sample.coder is not None and submission.by != sample.coder:
            continue
        stratum = (submission.by, encounter.setting.value, encounter.specialty or "")
        risk = _risk(session, encounter.id) if sample.kind is SampleKind.RISK else 0.0
        cases.append(Case(encounter.id, submission.id, stratum, risk))
    return cases


def _risk(session: Session, encounter_id: str) -> float:
    rows = session.execute(
        select(DecisionRow, SuggestionRow.probability)
        .outerjoin(
            SuggestionRow,
            (SuggestionRow.run_id == DecisionRow.run_id) & (SuggestionRow.number == DecisionRow.suggestion),
        )
        .where(DecisionRow.encounter_id == encounter_id)
        .order_by(DecisionRow.id)
    ).all()
    undone = {decision.undoes for decision, _ in rows}
    stands = {
        (decision.subject_system, decision.subject_code): (decision, probability)
        for decision, probability in rows
        if decision.verdict is not Verdict.UNDO and decision.id not in undone
    }
    decided = list(stands.values())
    return risk_of(
        accepted=[p for d, p in decided if d.verdict is Verdict.ACCEPT and p is not None],
        bulk=sum(d.via is Via.BULK and d.verdict in CODING for d, _ in decided),
        replaced=sum(d.verdict is Verdict.REPLACE for d, _ in decided),
        added=sum(d.verdict is Verdict.ADD for d, _ in decided),
        overruled=[p for d, p in decided if d.verdict is Verdict.REJECT and p is not None],
    )
