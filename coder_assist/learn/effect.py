"""What the coding rules would change in what is preselected, measured out of fold.

A rule's fix takes codes out and may put others in. Applied to what the ranker preselects, that helps where
the codes taken out were wrong; this counts it, rule by rule, and scores the preselection without any rule
and after the rules that settle it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from coder_assist.learn.evaluation import Evaluation, OutOfFold, score_lines
from coder_assist.suggest.rules import lines_of
from coder_assist.suggest.wire import run_record
from coder_assist.types import Finding


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """What the fixes of one rule take out: codes that were ``wrong``, ``right`` or ``optional``; and ``put_right``."""

    rule: str
    wrong: int
    right: int
    optional: int
    put_right: int


@dataclass(frozen=True)
class Effect:
    """The figures without and after the rules that settle, and what each rule did."""

    before: Evaluation
    after: Evaluation
    rules: tuple[RuleEffect, ...]


def effect_of_rules(found: OutOfFold) -> Effect:
    """Return what the fixes of errors and warnings would change in the preselection."""
    counts: dict[str, Counter[str]] = {}
    before, after = {}, {}
    for judged, values in found.scored:
        example = judged.example
        rows = [(p, float(value), ()) for p, value in zip(judged.proposals, values, strict=True)]
        run = found.coder.assemble(
            example.encounter, judged.proposals, rows, lambda system: found.cuts.get(system.value, 0.5)
        )
        before[example.line["id"]] = run_record(run)
        findings = found.coder.judge(example.encounter, lines_of(run.suggestions), example.documents)
        gold = {(c["system"], c["code"]): c.get("status", "required") for c in example.line["codes"]}
        _count(findings, gold, counts)
        settled = found.coder.settled(run, example.encounter, example.documents)
        after[example.line["id"]] = run_record(settled)
    effects = tuple(
        RuleEffect(rule, count["wrong"], count["right"], count["optional"], count["put_right"])
        for rule, count in sorted(counts.items(), key=lambda item: -item[1].total())
    )
    return Effect(
        score_lines(found.name, found.lines, before, found.cuts),
        score_lines(f"{found.name}, after the rules that settle", found.lines, after, found.cuts),
        effects,
    )


def _count(
    findings: tuple[Finding, ...], gold: Mapping[tuple[str, str], str], counts: dict[str, Counter[str]]
) -> None:
    for finding in findings:
        fix = finding.fix
        if fix is None or not fix.remove + fix.add or finding.severity not in ("error", "warning"):
            continue
        count = counts.setdefault(finding.rule, Counter())
        put_in = set(fix.add)
        for code in set(fix.remove) - put_in:
            status = gold.get((code.system.value, code.value))
            count["right" if status == "required" else "optional" if status else "wrong"] += 1
        for code in put_in - set(fix.remove):
            count["put_right"] += gold.get((code.system.value, code.value)) == "required"
