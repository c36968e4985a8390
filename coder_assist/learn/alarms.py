"""What the coding rules say of code sets that coders gave: how often each speaks, and where an error does.

Gold codes are what a careful coder assigned, so an error on them is a false alarm until someone has read it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from coder_assist.suggest import Coder
from coder_assist.suggest.rules import Line
from coder_assist.suggest.wire import read_record
from coder_assist.types import Code, Encounter, Evidence, SectionKind, Severity, Span, System


@dataclass(frozen=True)
class Alarms:
    """Findings over coded notes. ``by_rule`` counts notes; ``errors`` are ``(note id, rule, codes)``."""

    notes: int
    by_rule: Mapping[str, int]
    severities: Mapping[str, Severity]
    errors: tuple[tuple[str, str, tuple[str, ...]], ...]
    milliseconds: float

    @property
    def error_rate(self) -> float:
        """The share of notes with at least one error, from 0 to 1."""
        return len({id for id, _, _ in self.errors}) / self.notes if self.notes else 0.0


def gold_lines(record: Mapping[str, Any]) -> list[Line]:
    """Return the required codes of a coded record as lines, primary diagnosis first, others in the record's order."""
    required = [coded for coded in record["codes"] if coded.get("status", "required") == "required"]
    required.sort(key=lambda coded: not coded.get("primary", False))
    places: Counter[str] = Counter()
    lines = []
    for coded in required:
        places[coded["system"]] += 1
        lines.append(
            Line(
                Code(System(coded["system"]), coded["code"]),
                places[coded["system"]],
                evidence=tuple(
                    Evidence(record["id"], Span(e["start"], e["end"]), e["text"], SectionKind.OTHER)
                    for e in coded.get("evidence", ())
                ),
            )
        )
    return lines


def alarms(coder: Coder, records: Iterable[Mapping[str, Any]]) -> Alarms:
    """Return what the rules of a coder say of the required codes of coded records. Raises ``NoteError``."""
    spoke: Counter[str] = Counter()
    severities: dict[str, Severity] = {}
    errors: list[tuple[str, str, tuple[str, ...]]] = []
    notes, spent = 0, 0.0
    for record in records:
        encounter: Encounter = read_record({key: value for key, value in record.items() if key != "codes"})
        documents = coder.read_all(encounter)
        began = perf_counter()
        findings = coder.judge(encounter, gold_lines(record), documents)
        spent += perf_counter() - began
        notes += 1
        spoke.update({finding.rule for finding in findings})
        severities.update((finding.rule, finding.severity) for finding in findings)
        errors.extend(
            (encounter.id, finding.rule, tuple(code.value for code in finding.codes))
            for finding in findings
            if finding.severity is Severity.ERROR
        )
    each = 1000 * spent / notes if notes else 0.0
    return Alarms(notes, dict(spoke.most_common()), severities, tuple(errors), each)
