"""The table of rules as a page for people; ``docs/rules.md`` is this page."""

from __future__ import annotations

from collections.abc import Iterable

from coder_assist.suggest.rules.engine import Rule

_HEAD = """# Coding rules

What `coder-assist` says of a set of codes. A rule speaks; it never takes a code away. `error`: the claim cannot
carry it. `warning`: likely wrong. `query`: only the provider can say. `information`: worth a look.

This page is written by `coder-assist rules list --markdown`, and a test holds it. A deployment switches rules off
by `CODER_ASSIST_DISABLED_RULES='["excludes2"]'`. The cases in `corpora/regression/rules/` show each rule at work.

A rule that `settles` also decides what is preselected where its fix applies; the suggestion stays, with the reason. Which
rules do follows from `coder-assist rules effect CODED.jsonl`: out of fold, their fixes take out more wrong codes than right ones.
"""


def binds_where(rule: Rule) -> str:
    """Say in words where a rule binds."""
    parts = [*sorted(rule.settings), *(f"{claim} claim" for claim in sorted(rule.claims))]
    where = ", ".join(parts) or "everywhere"
    return f"{where}; settles" if rule.settles else where


def markdown(rules: Iterable[Rule]) -> str:
    """Return the page of all rules, by family."""
    families: dict[str, list[Rule]] = {}
    for rule in rules:
        families.setdefault(rule.family, []).append(rule)
    parts = [_HEAD]
    for family, members in sorted(families.items()):
        parts.append(f"\n## {family.replace('_', ' ').capitalize()}\n")
        parts.append("\n| rule | severity | says | authority | binds |\n|---|---|---|---|---|\n")
        parts.extend(
            f"| `{rule.id}` | {rule.severity} | {rule.summary} | {rule.authority} | {binds_where(rule)} |\n"
            for rule in members
        )
    return "".join(parts)
