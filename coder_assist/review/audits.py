"""Audits: samples of submitted encounters that somebody else reads again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from coder_assist.review.database import Database, now
from coder_assist.review.records import Actor, Audit, AuditFinding, AuditItem, NewAuditFinding, Sample
from coder_assist.review.states import AuditVerdict


class Audits:
    """Samples and findings. An auditor never audits what they submitted themselves."""

    def __init__(self, database: Database, clock: Callable[[], datetime] = now) -> None:
        self._database = database
        self._clock = clock

    def create(self, actor: Actor, sample: Sample) -> Audit:
        """Draw a sample of the submitted encounters that are in no unfinished audit."""
        raise NotImplementedError

    def all(self) -> tuple[Audit, ...]:
        """Return all audits, newest first."""
        raise NotImplementedError

    def get(self, audit_id: int) -> Audit:
        """Return an audit. Raises ``NotFound``."""
        raise NotImplementedError

    def find(self, actor: Actor, audit_id: int, encounter_id: str, finding: NewAuditFinding) -> AuditFinding:
        """Record what an auditor says of one code."""
        raise NotImplementedError

    def rebut(self, actor: Actor, audit_id: int, encounter_id: str, number: int, text: str) -> AuditFinding:
        """Record the coder's answer to an overturn."""
        raise NotImplementedError

    def settle(
        self,
        actor: Actor,
        audit_id: int,
        encounter_id: str,
        number: int,
        verdict: AuditVerdict,
        reason: str,
    ) -> AuditFinding:
        """Record the final verdict on a finding."""
        raise NotImplementedError

    def finish(self, actor: Actor, audit_id: int, encounter_id: str) -> AuditItem:
        """Finish reading an encounter.

        Without an overturn it is accepted. With one it is audited, and the coder may rebut; finishing
        again settles what was not rebutted: it is returned if an overturn stands, else accepted.
        """
        raise NotImplementedError
