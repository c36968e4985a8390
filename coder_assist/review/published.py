"""What people reach when they code the same records, as published: to read one's own figures beside."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A figure and where it stands."""

    what: str
    value: str
    source: str


_STAUSBERG = "Stausberg et al., Int J Med Inform 2008;77(1):50-57"
_BURNS = "Burns et al., J Public Health 2012;34(1):138-148"
PUBLISHED = (
    Published(
        "Coding specialists, principal diagnosis, terminal ICD-10 code",
        "kappa 0.42, 46.8 % the same",
        _STAUSBERG,
    ),
    Published(
        "Medical managers, principal diagnosis, terminal ICD-10 code",
        "kappa 0.27, 29.2 % the same",
        _STAUSBERG,
    ),
    Published("Coding specialists, principal diagnosis, chapter", "kappa 0.72, 80.8 % the same", _STAUSBERG),
    Published(
        "General practitioners' cases coded by two raters, three-digit ICD-10 (chronic problems)",
        "kappa 0.43",
        "Wockenfuss et al., Scand J Prim Health Care 2009",
    ),
    Published(
        "Discharge coding in Great Britain against case notes, 25 studies", "median accuracy 83.2 %", _BURNS
    ),
    Published("The same, diagnoses", "median accuracy 80.3 %", _BURNS),
    Published("The same, primary diagnosis since 2002", "median accuracy 96.0 %", _BURNS),
    Published(
        "Two experts, blinded, 50 clinical cases of the CodiEsp corpus",
        "80.5 % pairwise agreement on codes",
        "CodiEsp annotation guidelines, 2019",
    ),
)
