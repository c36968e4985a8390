"""What is part of another procedure of the same operation is told, not suggested."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from coder_assist.codes.sources import data_file, read_integral, read_procedures
from coder_assist.errors import LexiconError
from coder_assist.suggest import Coder
from coder_assist.suggest.integral import IntegralProcedures
from coder_assist.types import Code, Encounter, Note, Run, System


def selected(run: Run) -> set[str]:
    return {s.code.value for s in run.suggestions if s.selected and s.code.system is System.CPT}


def reasons(run: Run) -> dict[str, str]:
    return {w.code.value: w.reason for w in run.withheld}


def test_rows_are_many_and_name_their_authority() -> None:
    """The packaged file holds hundreds of rows, each resting on CPT or on the NCCI manual."""
    rows = list(read_integral(data_file("integral.tsv")))
    assert len(rows) > 400
    assert all(row.authority.startswith(("CPT", "NCCI Policy Manual ch. ")) for row in rows)


def test_no_two_procedures_are_part_of_each_other() -> None:
    """Part and whole never change places among the codes of the catalogue."""
    known = IntegralProcedures()
    codes = sorted(row.code for row in read_procedures(data_file("cpt.tsv")))
    families = [codes[first : first + 150] for first in range(0, len(codes), 75)]
    both = [
        pair
        for family in families
        for pair in combinations(family, 2)
        if known.authority(*pair) and known.authority(*reversed(pair))
    ]
    assert both == []


@pytest.mark.parametrize(
    ("part", "whole", "integral"),
    [
        ("43235", "43239", True),
        ("29870", "29881", True),
        ("49320", "47562", True),
        ("52000", "52332", True),
        ("58555", "58558", True),
        ("31622", "31628", True),
        ("31525", "31541", True),
        ("31231", "31267", True),
        ("12032", "27447", True),
        ("76942", "20611", True),
        ("77003", "62323", True),
        ("69990", "66984", True),
        ("80048", "80053", True),
        ("43239", "43235", False),
        ("43239", "43239", False),
        ("77002", "20610", False),
        ("69990", "61510", False),
        ("12032", "11602", False),
        ("74420", "52332", False),
        ("31525", "43194", False),
    ],
)
def test_pairs(part: str, whole: str, integral: bool) -> None:
    """The look is part of the surgery, closing of the operation, guidance of codes that include it; not the reverse."""
    assert (IntegralProcedures().authority(part, whole) is not None) is integral


def test_other_systems_are_never_integral() -> None:
    """Only CPT codes are part of CPT codes."""
    known = IntegralProcedures()
    assert known.whole(Code(System.ICD10CM, "I10"), [Code(System.CPT, "43239")]) is None
    assert known.whole(Code(System.CPT, "43235"), [Code(System.HCPCS, "G0105")]) is None


def test_a_bad_row_is_refused(tmp_path: Path) -> None:
    """A row without codes, with a short code or a range that runs back is refused with its line."""
    for cells in ("\t43239\tCPT", "4323\t43239\tCPT", "43235\t43259-43236\tCPT", "43235\t43239\t"):
        path = tmp_path / "integral.tsv"
        path.write_text(f"component\tcomprehensive\tauthority\n{cells}\n", encoding="utf-8")
        with pytest.raises(LexiconError, match=r"integral\.tsv"):
            list(read_integral(path))


def test_the_look_and_the_catheter_of_an_operation_are_withheld(plain: Coder) -> None:
    """They stand among what was withheld, with the procedure that includes them, and where the note says so."""
    run = plain.suggest(
        Note(
            "n",
            "PROCEDURE: Cystoscopy and bladder biopsy with fulguration.\n"
            "DESCRIPTION OF PROCEDURE: Biopsy of the bladder was taken and fulgurated. A Foley catheter was inserted.",
        )
    )
    assert "52224" in selected(run)
    assert reasons(run)["52000"].startswith("integral to 52224 (CPT")
    assert reasons(run)["51702"].startswith("integral to 52224 (NCCI Policy Manual ch. 7")
    assert not {"52000", "51702", "52204"} & {s.code.value for s in run.suggestions}
    evidence = next(w for w in run.withheld if w.code.value == "52000").evidence
    assert evidence[0].text == "Cystoscopy"


def test_a_look_alone_stays(plain: Coder) -> None:
    """ "Colonoscopy" may name the look or the biopsy; without a biopsy in the note the look is suggested."""
    run = plain.suggest(Note("n", "PROCEDURE: Colonoscopy.\nThe scope was passed to the cecum. No polyps."))
    assert "45378" in selected(run)
    assert "45378" not in reasons(run)


def test_operations_of_two_notes_are_not_parts(plain: Coder) -> None:
    """What stands in another note was another session."""
    look = Note("look", "PROCEDURE: Diagnostic arthroscopy of the left knee.")
    surgery = Note("surgery", "PROCEDURE: Arthroscopic partial medial meniscectomy of the left knee.")
    apart = plain.suggest(Encounter("e", (look, surgery)))
    together = plain.suggest(Note("n", f"{look.text}\n{surgery.text}"))
    assert "29870" in {s.code.value for s in apart.suggestions}
    assert reasons(together)["29870"].startswith("integral to 29881")
