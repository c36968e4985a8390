"""ICD-10-PCS codes of inpatient stays: complete where the note supports them, open characters named."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_assist.settings import Settings
from coder_assist.suggest import Coder
from coder_assist.suggest.inpatient import NO_BOOK
from coder_assist.types import Claim, Encounter, Note, Run, Setting, Suggestion, System

TITLES = {
    "0FT40ZZ": "Resection of Gallbladder, Open Approach",
    "0FT44ZZ": "Resection of Gallbladder, Percutaneous Endoscopic Approach",
    "0DJ08ZZ": "Inspection of Upper Intestinal Tract, Via Natural or Artificial Opening Endoscopic",
    "0DB68ZX": "Excision of Stomach, Via Natural or Artificial Opening Endoscopic, Diagnostic",
    "0DTJ0ZZ": "Resection of Appendix, Open Approach",
    "0DTJ4ZZ": "Resection of Appendix, Percutaneous Endoscopic Approach",
    "0BH17EZ": "Insertion of Endotracheal Airway into Trachea, Via Natural or Artificial Opening",
    "02HV33Z": "Insertion of Infusion Device into Superior Vena Cava, Percutaneous Approach",
    "BW03ZZZ": "Plain Radiography of Chest",
    "10D00Z1": "Extraction of Products of Conception, Low, Open Approach",
    "0UT70ZZ": "Resection of Bilateral Fallopian Tubes, Open Approach",
    "085E3ZZ": "Destruction of Right Retina, Percutaneous Approach",
    "085F3ZZ": "Destruction of Left Retina, Percutaneous Approach",
}


@pytest.fixture(scope="module")
def with_book(cache_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Coder:
    """A coder with a book of a dozen ICD-10-PCS codes."""
    file = tmp_path_factory.mktemp("pcs") / "icd10pcs_codes_2031.txt"
    file.write_text("".join(f"{code} {title}\n" for code, title in sorted(TITLES.items())), encoding="utf-8")
    return Coder.load(Path("models/hand-set"), Settings(cache_dir=cache_dir, pcs_file=file))


def stay(text: str, setting: Setting = Setting.INPATIENT, claim: Claim | None = None) -> Encounter:
    return Encounter("e", (Note("n", text),), setting, claim)


def pcs(run: Run) -> dict[str, Suggestion]:
    return {s.code.value: s for s in run.suggestions if s.code.system is System.ICD10PCS}


LAPAROSCOPIC = (
    "PREOPERATIVE DIAGNOSIS: Acute cholecystitis.\nPROCEDURE PERFORMED: Laparoscopic cholecystectomy.\n"
    "DESCRIPTION OF PROCEDURE: The patient was intubated. Trocars were placed. The gallbladder was removed."
)


def test_a_complete_code_is_preselected(with_book: Coder) -> None:
    """All seven characters stand in the title: the code is preselected, its evidence is the title's phrase."""
    found = pcs(with_book.suggest(stay(LAPAROSCOPIC)))
    assert found["0FT44ZZ"].selected
    assert "cholecystectomy" in found["0FT44ZZ"].evidence[0].text
    assert "0FT40ZZ" not in found


def test_a_step_of_an_operation_is_not_preselected(with_book: Coder) -> None:
    """Intubation for the operation is a step of it."""
    step = pcs(with_book.suggest(stay(LAPAROSCOPIC)))["0BH17EZ"]
    assert not step.selected and any("steps of an operation" in reason for reason in step.reasons)


def test_open_characters_are_named(with_book: Coder) -> None:
    """Without an approach the likeliest code comes with the open character and the other codes, unselected."""
    found = pcs(with_book.suggest(stay("HOSPITAL COURSE: The patient underwent appendectomy and did well.")))
    suggestion = found["0DTJ0ZZ"]
    assert not suggestion.selected
    assert any("open character 5 (approach)" in reason for reason in suggestion.reasons)
    assert [code.value for code in suggestion.alternatives] == ["0DTJ4ZZ"]
    assert all(code.system is System.ICD10PCS for code in suggestion.alternatives)


def test_the_title_of_another_operation_tells_nothing(with_book: Coder) -> None:
    """An earlier laparoscopic operation does not make this one laparoscopic."""
    text = "PROCEDURE PERFORMED: Laparoscopic cholecystectomy.\n\nHOSPITAL COURSE: He underwent appendectomy."
    assert not pcs(with_book.suggest(stay(text)))["0DTJ0ZZ"].selected


def test_an_inspection_is_part_of_the_operation(with_book: Coder) -> None:
    """The endoscopy through which a biopsy is taken is not coded beside it (guideline B3.11a)."""
    text = "HOSPITAL COURSE: She underwent EGD. EGD with biopsy of the gastric antrum was performed."
    found = pcs(with_book.suggest(stay(text)))
    assert found["0DB68ZX"].selected
    assert not found["0DJ08ZZ"].selected
    assert any("B3.11a" in reason for reason in found["0DJ08ZZ"].reasons)


def test_both_sides_without_a_code_of_their_own(with_book: Coder) -> None:
    """A bilateral operation whose book has no bilateral value gives the two sides (guideline B4.3)."""
    text = "PROCEDURE PERFORMED: Bilateral panretinal photocoagulation."
    found = pcs(with_book.suggest(stay(text)))
    assert found["085E3ZZ"].selected and found["085F3ZZ"].selected


@pytest.mark.parametrize(
    "text",
    [
        "HOSPITAL COURSE: Cesarean section was not performed.",
        "PAST SURGICAL HISTORY: Cesarean section, cholecystectomy.",
        "HOSPITAL COURSE: History of open cholecystectomy.",
        "PLAN: Scheduled for open cholecystectomy next week.",
    ],
)
def test_what_did_not_take_place_is_not_proposed(with_book: Coder, text: str) -> None:
    """A denied, past or planned operation is no procedure of the stay."""
    assert not pcs(with_book.suggest(stay(text)))


def test_imaging_is_proposed_and_not_preselected(with_book: Coder) -> None:
    """Few hospitals report imaging in ICD-10-PCS; a test with a negative result was performed."""
    found = pcs(with_book.suggest(stay("RESULTS: Chest x-ray was negative.")))
    assert not found["BW03ZZZ"].selected


@pytest.mark.parametrize(
    ("setting", "claim"),
    [
        (Setting.OUTPATIENT, None),
        (Setting.OUTPATIENT, Claim.FACILITY),
        (Setting.INPATIENT, Claim.PROFESSIONAL),
    ],
)
def test_only_the_inpatient_facility_claim(with_book: Coder, setting: Setting, claim: Claim | None) -> None:
    """Other claims report procedures in CPT: no ICD-10-PCS code, and no notice without its book."""
    run = with_book.suggest(stay(LAPAROSCOPIC, setting, claim))
    assert not pcs(run) and NO_BOOK not in run.notices


def test_without_a_book_the_run_says_so_once(cache_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no ICD-10-PCS book is installed nothing is proposed, and one notice says what to do."""
    monkeypatch.setattr("coder_assist.codes.packaged_pcs", lambda: None)
    run = Coder.load(Path("models/hand-set"), Settings(cache_dir=cache_dir)).suggest(stay(LAPAROSCOPIC))
    assert not pcs(run)
    assert [notice for notice in run.notices if "ICD-10-PCS" in notice] == [NO_BOOK]


def test_the_run_is_deterministic(with_book: Coder) -> None:
    """The same stay gives the same suggestions; no code comes twice."""
    first, second = (with_book.suggest(stay(LAPAROSCOPIC)) for _ in range(2))
    assert first.suggestions == second.suggestions
    codes = [s.code for s in first.suggestions]
    assert len(codes) == len(set(codes))
