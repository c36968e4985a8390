"""Each rule against its written cases, and what holds for all rules."""

from __future__ import annotations

import random
import tomllib
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from coder_assist.codes import Library
from coder_assist.suggest.rules import REGISTRY, Coding, FactBook, Line, RuleBook, sequenced
from coder_assist.suggest.rules.edit_files import NO_EDITS, EditTables, read_mue, read_ncci
from coder_assist.suggest.rules.risk import groupings
from coder_assist.text import NoteReader
from coder_assist.types import (
    Claim,
    Encounter,
    Evidence,
    Note,
    SectionKind,
    Setting,
    Severity,
    Sex,
    Span,
)

FOLDER = Path(__file__).parents[3] / "corpora/regression/rules"
CASES: list[dict[str, Any]] = [
    case for path in sorted(FOLDER.glob("*.toml")) for case in tomllib.loads(path.read_text("utf-8"))["case"]
]
FIELDS = {
    "rule", "behaviour", "codes", "finds", "setting", "claim", "sex", "age", "note", "date", "evidence",
    "fix", "specialty", "mue", "ncci", "sections",
}  # fmt: skip


@pytest.fixture(scope="module")
def facts(library: Library) -> FactBook:
    return FactBook(library)


@pytest.fixture(scope="module")
def reader(library: Library) -> NoteReader:
    return NoteReader(library.lexicon.store)


def edits_of(case: dict[str, Any]) -> EditTables:
    """The payer edits that a case loads, through files in CMS's layouts."""
    if not {"mue", "ncci"} & case.keys():
        return NO_EDITS
    with TemporaryDirectory() as folder:
        mue, ncci = Path(folder, "mue.csv"), Path(folder, "ncci.txt")
        mue.write_text("\n".join(case.get("mue", [])), encoding="utf-8")
        ncci.write_text("\n".join(case.get("ncci", [])), encoding="utf-8")
        return EditTables(
            read_mue(mue) if "mue" in case else {}, read_ncci([ncci]) if "ncci" in case else None
        )


def coding_of(case: dict[str, Any], facts: FactBook, reader: NoteReader) -> Coding:
    """The set of codes that a case describes."""
    unknown = case.keys() - FIELDS
    assert not unknown, f"unknown keys {unknown}"
    note = Note("n1", case.get("note", "No text."))
    encounter = Encounter(
        "case",
        (note,),
        Setting(case.get("setting", "outpatient")),
        Claim(case["claim"]) if "claim" in case else None,
        service_date=date.fromisoformat(case["date"]) if "date" in case else None,
        sex=Sex(case.get("sex", "unknown")),
        age=case.get("age"),
        specialty=case.get("specialty"),
    )
    lines: list[Line] = []
    for line in sequenced(case["codes"]):
        phrase = case.get("evidence", {}).get(line.value)
        evidence: tuple[Evidence, ...] = ()
        if phrase:
            start = note.text.index(phrase)
            section = SectionKind(case.get("sections", {}).get(line.value, "other"))
            evidence = (Evidence("n1", Span(start, start + len(phrase)), phrase, section),)
        lines.append(replace(line, evidence=evidence))
    documents = [reader.read(note)] if "note" in case else []
    edits = edits_of(case)
    if edits is not NO_EDITS:
        facts = FactBook(facts.library, edits)
    return Coding.of(encounter, lines, facts, documents)


@pytest.mark.parametrize("case", CASES, ids=[f"{c['rule']}: {c['behaviour']}" for c in CASES])
def test_case(case: dict[str, Any], facts: FactBook, reader: NoteReader) -> None:
    """A rule says what its case expects, of the codes that it expects, and nothing else."""
    rule = REGISTRY[case["rule"]]
    if rule.family == "risk" and not (groupings().hcc and groupings().cc):
        pytest.skip("the extra risk is not installed")
    found = RuleBook((rule,)).judge(coding_of(case, facts, reader))
    assert sorted(sorted(code.value for code in f.codes) for f in found) == sorted(map(sorted, case["finds"]))
    if "fix" in case:
        fixes = [f.fix for f in found if f.fix]
        got = [
            (
                [code.value for code in fix.remove],
                [code.value for code in fix.add],
                ["-".join((code.value, *modifiers)) for code, modifiers in fix.modifiers],
            )
            for fix in fixes
        ]
        assert got == [tuple(fix.get(name, []) for name in ("remove", "add", "carry")) for fix in case["fix"]]


@pytest.mark.parametrize("id", sorted(REGISTRY))
def test_every_rule_is_written_down(id: str) -> None:
    """A rule has an authority, a summary, and at least three cases: it speaks in one and is silent in another."""
    rule = REGISTRY[id]
    mine = [case for case in CASES if case["rule"] == id]
    assert rule.authority and rule.summary.endswith(".")
    assert len(mine) >= 3, f"{id} has {len(mine)} cases"
    assert any(case["finds"] for case in mine) and any(not case["finds"] for case in mine)


@pytest.mark.parametrize("case", CASES, ids=[f"{c['rule']}: {c['behaviour']}" for c in CASES])
def test_what_holds_for_all(case: dict[str, Any], facts: FactBook, reader: NoteReader) -> None:
    """Order given does not matter, saying twice changes nothing, and a fix answers its finding without a new error."""
    coding = coding_of(case, facts, reader)
    book = RuleBook.without()
    said = book.judge(coding)
    assert said == book.judge(coding)
    shuffled = list(coding.lines)
    random.Random(7).shuffle(shuffled)
    assert said == book.judge(Coding.of(coding.encounter, shuffled, coding.facts, coding.documents))
    bare = Coding.of(
        coding.encounter, [replace(line, sequence=None) for line in shuffled], coding.facts, coding.documents
    )
    plain = RuleBook(tuple(rule for rule in book.rules if not rule.sequencing))
    assert plain.judge(coding) == plain.judge(bare)
    errors = {(f.rule, f.codes) for f in said if f.severity is Severity.ERROR}
    for finding in said:
        if finding.fix is None:
            continue
        after = book.judge(coding.after(finding.fix))
        assert not any(f.rule == finding.rule and f.codes == finding.codes for f in after), finding.rule
        worse = {(f.rule, f.codes) for f in after if f.severity is Severity.ERROR} - errors
        assert not worse, (finding.rule, worse)
