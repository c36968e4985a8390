"""Rules as a table: each one small, pure, named, with its authority, and when it binds.

A rule is a function from a ``Coding`` to findings, registered by the decorator:

    @rule(
        "excludes1",
        Severity.WARNING,
        authority="ICD-10-CM guideline I.A.12.a, FY2026; Excludes1 notes of the Tabular List",
        summary="Two codes that an Excludes1 note says are not coded together.",
    )
    def excludes1(coding: Coding) -> Iterator[Finding]: ...

Inside, ``found(...)`` makes a finding; the engine fills in rule, severity and authority.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from coder_assist.errors import SettingsError
from coder_assist.suggest.rules.coding import Coding
from coder_assist.types import Claim, Code, Finding, Fix, Query, Setting, Severity

Check = Callable[[Coding], Iterable[Finding]]

# How the options of every query end: what was asked may be wrong, or not to be known.
OPEN_END = ("other", "unable to determine")

_SEVERITY_ORDER = {severity: place for place, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class Rule:
    """A coding rule. ``settings`` and ``claims`` say where it binds; empty means everywhere.

    ``sequencing`` marks a rule whose findings depend on the order of the codes, ``settles`` one whose fix is
    applied to what the tool preselects: measured out of fold, it takes out more wrong codes than right ones.
    """

    id: str
    severity: Severity
    authority: str
    summary: str
    check: Check
    family: str
    settings: frozenset[Setting] = frozenset()
    claims: frozenset[Claim] = frozenset()
    sequencing: bool = False
    settles: bool = False

    def binds(self, setting: Setting, claim: Claim) -> bool:
        """Say whether the rule applies to this kind of encounter and claim."""
        return (not self.settings or setting in self.settings) and (not self.claims or claim in self.claims)

    def signed(self, finding: Finding) -> Finding:
        """Return a finding of the check as the rule's own."""
        authority = finding.authority or self.authority
        return replace(finding, rule=self.id, severity=self.severity, authority=authority)


REGISTRY: dict[str, Rule] = {}


def rule(
    id: str,
    severity: Severity,
    *,
    authority: str,
    summary: str,
    settings: Iterable[Setting] = (),
    claims: Iterable[Claim] = (),
    sequencing: bool = False,
    settles: bool = False,
) -> Callable[[Check], Check]:
    """Register a check as a rule. Raises ``ValueError`` for an id that is taken."""

    def register(check: Check) -> Check:
        if id in REGISTRY:
            raise ValueError(f"rule id {id!r} is taken")
        family = check.__module__.rpartition(".")[2]
        REGISTRY[id] = Rule(
            id,
            severity,
            authority,
            summary,
            check,
            family,
            frozenset(settings),
            frozenset(claims),
            sequencing,
            settles,
        )
        return check

    return register


def found(
    codes: Sequence[Code],
    message: str,
    *,
    fix: Fix | None = None,
    query: Query | None = None,
    authority: str = "",
) -> Finding:
    """Make a finding of the rule that is being checked; ``authority`` only where it is more exact than the rule's."""
    return Finding("", Severity.INFORMATION, tuple(codes), message, authority, fix, query)


@dataclass(frozen=True)
class RuleBook:
    """The rules of a deployment, in the order of the table."""

    rules: tuple[Rule, ...]

    @classmethod
    def without(cls, disabled: Iterable[str] = ()) -> RuleBook:
        """Return every rule but the disabled ones. Raises ``SettingsError`` for an id that no rule has."""
        unknown = sorted(set(disabled) - REGISTRY.keys())
        if unknown:
            raise SettingsError(
                f"disabled_rules must name rules of `coder-assist rules list`; got {', '.join(unknown)}"
            )
        off = set(disabled)
        return cls(tuple(rule for id, rule in sorted(REGISTRY.items()) if id not in off))

    @cached_property
    def version(self) -> str:
        """A digest of which rules speak and what they claim to say."""
        told = "\n".join(f"{r.id}|{r.severity}|{r.authority}|{r.summary}" for r in self.rules)
        return f"{len(self.rules)}@{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    @cached_property
    def _binding(self) -> Callable[[Setting, Claim], tuple[Rule, ...]]:
        """Which rules bind a kind of encounter and claim, in the order of the table; found once for each kind."""
        return cache(lambda setting, claim: tuple(r for r in self.rules if r.binds(setting, claim)))

    def settling(self, coding: Coding) -> Iterator[Finding]:
        """Yield the findings whose fixes settle what is preselected, in the order of the table."""
        for rule in self._binding(coding.encounter.setting, coding.claim):
            if rule.settles:
                yield from (rule.signed(finding) for finding in rule.check(coding) if finding.fix is not None)

    def judge(self, coding: Coding) -> tuple[Finding, ...]:
        """Return what all rules say, errors first, each thing said once, in an order of its own."""
        binding = self._binding(coding.encounter.setting, coding.claim)
        said = {rule.signed(finding): None for rule in binding for finding in rule.check(coding)}
        return tuple(sorted(said, key=lambda f: (_SEVERITY_ORDER[f.severity], f.rule, f.codes, f.message)))
