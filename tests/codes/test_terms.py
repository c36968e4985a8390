"""Words, stems and keys: what counts as the same term."""

from __future__ import annotations

import pytest

from coder_assist.codes.terms import STOPWORDS, content_stems, fold, key, stem, words


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("reflux, gastroesophageal", "gastroesophageal reflux"),
        ("Fracture of the femur", "femur fractures"),
        ("BIOPSIES", "biopsy"),
        ("abscesses", "abscess"),
        ("masses of the breasts", "breast mass"),
        ("diagnoses", "diagnosis"),
        ("mets", "metastasis"),
        ("metastases", "metastasis"),
        ("vertebrae", "vertebra"),
        ("psychoses", "psychosis"),
        ("headaches", "headache"),
        ("Alzheimer's disease", "alzheimer disease"),
        ("Alzheimer’s disease", "alzheimer disease"),
        ("Sjögren syndrome", "sjogren syndrome"),
        ("Ménière disease", "meniere disease"),
        ("haemorrhage", "hemorrhage"),
        ("diarrhoea", "diarrhea"),
        ("oesophageal tumours", "esophageal tumor"),
        ("anaemia", "anemia"),
        ("ischaemia", "ischemia"),
        ("oedema", "edema"),
        ("dyspnoea", "dyspnea"),
        ("paediatric gynaecology", "pediatric gynecology"),
        ("coeliac disease", "celiac disease"),
        ("type II diabetes", "diabetes type 2"),
        ("stage iv", "stage 4"),
        ("s/p stroke", "status post stroke"),
        ("h/o stroke", "history of stroke"),
        ("hx of stroke", "prior stroke"),
        ("anemia d/t bleeding", "anemia secondary to bleeding"),
        ("anemia due to bleeding", "anemia caused by bleeding"),
        ("herniated disk", "herniated disc"),
        ("asthma, unspecified", "asthma"),
        ("pain NOS", "pain"),
    ],
)
def test_one_key(one: str, other: str) -> None:
    """Order, case, plural, accents, British spelling and ways to say "history" do not make another term."""
    assert key(one) == key(other) != 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("left hip pain", "right hip pain"),
        ("type 1 diabetes", "type 2 diabetes"),
        ("with complication", "without complication"),
        ("w/ obstruction", "w/o obstruction"),
        ("hypertension", "hypotension"),
        ("hypertensive heart disease", "hypertension heart disease"),
        ("stroke", "history of stroke"),
        ("chronic pain pain", "chronic pain"),
        ("stage 3", "stage 4"),
        ("C5.6", "C5.7"),
    ],
)
def test_another_key(one: str, other: str) -> None:
    """What a coder must tell apart has two keys."""
    assert key(one) != key(other)


@pytest.mark.parametrize(
    ("plural", "singular"),
    [
        ("hernias", "hernia"),
        ("carcinomas", "carcinoma"),
        ("hematomas", "hematoma"),
        ("arrhythmias", "arrhythmia"),
        ("polyps", "polyp"),
        ("cramps", "cramp"),
        ("hips", "hip"),
        ("lumps", "lump"),
        ("viruses", "virus"),
        ("sinuses", "sinus"),
        ("crises", "crisis"),
        ("backaches", "backache"),
        ("cockroaches", "cockroach"),
        ("overdoses", "overdose"),
        ("anastomoses", "anastomosis"),
        ("amniocenteses", "amniocentesis"),
        ("spouses", "spouse"),
        ("focuses", "focus"),
        ("lenses", "lens"),
    ],
)
def test_plurals(plural: str, singular: str) -> None:
    """A plural is its singular's term too."""
    assert key(plural) == key(singular)


@pytest.mark.parametrize(
    ("british", "american"),
    [
        ("paraesthesia", "paresthesia"),
        ("goitre", "goiter"),
        ("caesarean", "cesarean"),
        ("phaeochromocytoma", "pheochromocytoma"),
        ("seborrhoeic", "seborrheic"),
        ("leucocytosis", "leukocytosis"),
        ("leucoplakia", "leukoplakia"),
        ("naevus", "nevus"),
        ("centres", "center"),
    ],
)
def test_british_spellings(british: str, american: str) -> None:
    """A British spelling is the American term too."""
    assert key(british) == key(american)


@pytest.mark.parametrize(
    "word", ["biceps", "bronchitis", "stenosis", "pus", "abscess", "sinus", "4", "b12", "a"]
)
def test_words_that_are_no_plurals(word: str) -> None:
    """A word that merely ends in s keeps its letters."""
    assert stem(word) == word


def test_words_carry_their_place() -> None:
    """A word knows where it stands, its letters as written (folded) and its stem."""
    text = "S/P Œdème, œsophageal tumours 10.5"
    found = words(text)
    assert (found[0].raw, found[0].stem) == ("s/p", "history")
    assert [(word.raw, word.stem) for word in found[-2:]] == [("tumours", "tumor"), ("10.5", "10.5")]
    assert all(fold(text[word.start : word.end]) == word.raw for word in found)


def test_stop_words_add_nothing() -> None:
    """Stop words alone make no term: key 0."""
    assert key(" ".join(sorted(STOPWORDS))) == 0
    assert key("") == 0
    assert key("…, — !") == 0
    assert content_stems("pain in the left knee") == ["pain", "left", "knee"]


def test_keys_are_the_same_on_every_machine() -> None:
    """A key is a fixed number: stores may be shared and compared."""
    assert key("fracture") == 0x8A3D5AD5E644E67D
