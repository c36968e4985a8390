"""The part of its system that a code belongs to, for figures by chapter."""

from __future__ import annotations

from coder_assist.codes import Library
from coder_assist.types import System

_CPT_SECTIONS = (
    (1999, "Anesthesia"),
    (9999, "Other"),
    (19499, "Surgery: integumentary"),
    (29999, "Surgery: musculoskeletal"),
    (32999, "Surgery: respiratory"),
    (39599, "Surgery: cardiovascular, blood, mediastinum"),
    (49999, "Surgery: digestive"),
    (60699, "Surgery: urinary, genital, maternity, endocrine"),
    (64999, "Surgery: nervous"),
    (69990, "Surgery: eye and ear"),
    (79999, "Radiology"),
    (89398, "Pathology and laboratory"),
    (99199, "Medicine"),
    (99499, "Evaluation and management"),
    (99999, "Medicine"),
)


def chapter_of(library: Library, system: str, code: str) -> str:
    """Return the part of its system that a code belongs to: chapter, CPT section, or first character."""
    if system == System.ICD10CM:
        above = library.icd.ancestors(code)
        return (
            f"{above[-1].removeprefix('chapter ')} {library.icd.title(above[-1])}"
            if above
            else "not in this edition"
        )
    if system == System.CPT:
        if not code.isdigit():
            return {"F": "Category II", "T": "Category III"}.get(code[-1], "Other")
        return next(name for last, name in _CPT_SECTIONS if int(code) <= last)
    return code[:1]
