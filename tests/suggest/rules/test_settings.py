"""Payer edits that a deployment names reach the rules through the coder."""

from __future__ import annotations

from pathlib import Path

from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.rules import sequenced
from coder_assist.types import Encounter, Note

HAND_SET = Path(__file__).parents[3] / "models/hand-set"


def test_units_above_the_mue_are_found(tmp_path: Path, cache_dir: Path) -> None:
    """With an MUE file in the settings, units above its value are found; without one, nothing is said."""
    table = tmp_path / "mue.csv"
    table.write_text(
        '"HCPCS/CPT Code","Practitioner Services MUE Values","MUE Adjudication Indicator","MUE Rationale"\n'
        '"93000","1","3 Date of Service Edit: Clinical","Clinical: Data"\n',
        "utf-8",
    )
    encounter = Encounter.of(Note("n1", "Palpitations. ECG done."))
    lines = sequenced(["R00.2", "93000*3"])
    plain = Coder.load(settings=Settings(cache_dir=cache_dir))
    edited = Coder.load(settings=Settings(cache_dir=cache_dir, mue_file=table))
    said = {finding.rule for finding in edited.judge(encounter, lines)}
    assert said - {finding.rule for finding in plain.judge(encounter, lines)} == {"units-above-limit"}


def test_a_settling_rule_decides_what_is_preselected(cache_dir: Path) -> None:
    """A symptom that a preselected condition explains is still suggested, not preselected, and says why."""
    note = Note("n1", "ASSESSMENT:\n1. Pneumonia.\n2. Cough.\n3. Hypertension.\n")
    plain = Coder.load(HAND_SET, Settings(cache_dir=cache_dir))
    silent = Coder.load(HAND_SET, Settings(cache_dir=cache_dir, disabled_rules=("symptom-integral",)))
    cough = {s.code.value: s for s in plain.suggest(note).suggestions}["R05.9"]
    before = {s.code.value: s for s in silent.suggest(note).suggestions}["R05.9"]
    assert before.selected and not cough.selected and cough.sequence is None
    assert any(reason.startswith("not preselected") and "I.B.5" in reason for reason in cough.reasons)
    chosen = [
        s.sequence for s in plain.suggest(note).suggestions if s.selected and s.code.system == "ICD-10-CM"
    ]
    assert sorted(chosen) == list(range(1, len(chosen) + 1))
