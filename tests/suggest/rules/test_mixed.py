"""The guideline rules over mixtures of their cases: what no case was written for."""

from __future__ import annotations

import random
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from coder_assist.codes import Library
from coder_assist.suggest.rules import REGISTRY, Coding, FactBook, Line, RuleBook, parse_line
from coder_assist.types import Encounter, Note, Setting

FOLDER = Path(__file__).parents[3] / "corpora/regression/rules"
SETS: list[list[str]] = [
    case["codes"]
    for path in sorted(FOLDER.glob("guidelines_*.toml"))
    for case in tomllib.loads(path.read_text("utf-8"))["case"]
]
GUIDELINES = [rule for rule in REGISTRY.values() if rule.family.startswith("guidelines_")]


@pytest.mark.parametrize("seed", range(4))
def test_mixtures_keep_the_promises(library: Library, seed: int) -> None:
    """Only sequencing rules mind the order, and a fix takes its finding away, whatever else is coded."""
    rng = random.Random(seed)
    facts = FactBook(library)
    spoke = set()
    for _ in range(60):
        values = list(dict.fromkeys(value for codes in rng.sample(SETS, 3) for value in codes))
        rng.shuffle(values)
        lines: list[Line] = [replace(parse_line(v), sequence=at) for at, v in enumerate(values, 1)]
        encounter = Encounter("mixed", (Note("n1", "No text."),), rng.choice(list(Setting)))
        coding = Coding.of(encounter, lines, facts)
        bare = Coding.of(encounter, [replace(line, sequence=None) for line in lines], facts)
        for rule in GUIDELINES:
            alone = RuleBook((rule,))
            findings = alone.judge(coding)
            spoke.update(finding.rule for finding in findings)
            if not rule.sequencing:
                assert set(findings) == set(alone.judge(bare)), (rule.id, values)
            for finding in findings:
                if finding.fix is not None:
                    after = alone.judge(coding.after(finding.fix))
                    assert all(other.codes != finding.codes for other in after), (rule.id, values)
    assert len(spoke) > 20
