"""What an accuracy report counts: flat rows out of submissions, decisions and audits, without note text.

Four tables, the same in memory, in Parquet and in the documented queries (``docs/audit.md``):

    encounters   one submission of each encounter: the first one that an audit finished, else the newest
    codes        every code that the tool proposed, the coder submitted, an auditor or a second reader named
    decisions    every decision of the period
    findings     what auditors settled
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import get_type_hints

from coder_assist.errors import SettingsError
from coder_assist.types import System

REPLACEMENT = "replacement"
NOT_STATED = "not stated"


@dataclass(frozen=True, slots=True)
class EncounterFact:
    """An encounter of the period, by one of its submissions.

    ``audit`` and what follows it is ``None`` where no audit finished this submission. ``weight`` is the
    inverse of the chance that the encounter had to be drawn, 1 where it was not audited or the chance is not
    known. ``first_right`` says whether the coder's first-listed diagnosis stood, ``suggested_first_right``
    whether the tool's was the one that stands; ``None`` where there is none to compare with. ``seconds``
    count from the first code shown to the submission.
    """

    encounter: str
    submission: int
    coder: str
    at: datetime
    month: str
    setting: str
    specialty: str
    pack: str
    code_books: str
    lexicon: str
    rules: str
    software: str
    audit: int | None
    audit_kind: str | None
    auditor: str | None
    weight: float
    second_coder: str | None
    second_role: str | None
    codes: int
    errors: int | None
    fully_correct: bool | None
    first_right: bool | None
    suggested_first_right: bool | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class CodeFact:
    """A code of an encounter and who stood for it.

    ``probability`` is ``None`` for a code that the tool did not propose. ``verdict`` is the coder's standing
    one about this code (``replacement`` for what took another's place, empty where nobody decided).
    ``final`` says that the code stands: as audited, or else as submitted. ``right`` is ``final``, but
    ``None`` where the review does not say that a code is wrong: not reviewed, deferred, or rejected for
    another reason than being unsupported or wrong. ``error`` is what an auditor settled about the code;
    ``second`` says whether the blinded second reader coded it, ``None`` where there was none.
    """

    encounter: str
    system: str
    code: str
    category: str
    chapter: str
    section: str
    probability: float | None
    selected: bool
    verdict: str
    reason: str
    via: str
    submitted: bool
    submitted_first: bool
    final: bool
    right: bool | None
    error: str
    second: bool | None
    second_first: bool | None


@dataclass(frozen=True, slots=True)
class DecisionFact:
    """A decision: by whom, about which code, how fast. ``subject`` is the code that it is about."""

    decision: int
    encounter: str
    reviewer: str
    at: datetime
    month: str
    setting: str
    specialty: str
    pack: str
    system: str
    subject: str
    code: str
    chapter: str
    suggested: bool
    selected: bool
    probability: float | None
    verdict: str
    reason: str
    via: str
    undone: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class FindingFact:
    """What an auditor said of a code, and what was settled after the coder's answer."""

    encounter: str
    audit: int
    number: int
    auditor: str
    coder: str
    system: str
    code: str
    verdict: str
    final: str
    error: str
    correct: str
    rebutted: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """All rows of a period, from ``since`` up to, not including, ``until``; and the audit chain's head then."""

    since: datetime
    until: datetime
    encounters: tuple[EncounterFact, ...]
    codes: tuple[CodeFact, ...]
    decisions: tuple[DecisionFact, ...]
    findings: tuple[FindingFact, ...]
    head_sequence: int = 0
    head_hash: str = ""

    def tables(self) -> dict[str, tuple[type, Sequence[object]]]:
        """Return the tables by name, each with its row type."""
        return {
            "encounters": (EncounterFact, self.encounters),
            "codes": (CodeFact, self.codes),
            "decisions": (DecisionFact, self.decisions),
            "findings": (FindingFact, self.findings),
        }


def category(system: System, code: str) -> str:
    """Return what "the same category" compares: three characters of a diagnosis, else the code itself."""
    return code[:3] if system is System.ICD10CM else code


def write_parquet(facts: Facts, directory: Path) -> list[Path]:
    """Write each table as ``<name>.parquet``; return the files. Raises ``SettingsError`` without pyarrow."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise SettingsError("Parquet needs pyarrow; install coder-assist[parquet]") from None
    types = {
        str: pyarrow.string(),
        int: pyarrow.int64(),
        float: pyarrow.float64(),
        bool: pyarrow.bool_(),
        datetime: pyarrow.timestamp("us", tz="UTC"),
    }
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (kind, rows) in facts.tables().items():
        hints = get_type_hints(kind)
        names = [field.name for field in fields(kind)]
        schema = pyarrow.schema(
            [(n, next(t for k, t in types.items() if hints[n] in (k, k | None))) for n in names]
        )
        arrays = [
            pyarrow.array([getattr(row, column.name) for row in rows], column.type) for column in schema
        ]
        written.append(directory / f"{name}.parquet")
        pyarrow.parquet.write_table(pyarrow.Table.from_arrays(arrays, schema=schema), written[-1])
    return written
