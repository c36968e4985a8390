"""The walk from a node to the most specific code that a note supports."""

from __future__ import annotations

import pytest

from coder_assist.errors import UnknownCode
from coder_assist.suggest.combinations import Combiner
from coder_assist.suggest.specificity import SpecificityWalk
from coder_assist.suggest.wording import canonical, denied, signed_stems
from coder_assist.text.attributes import VALUES, Attribute, AttributeReader
from coder_assist.text.matcher import NoteWords
from coder_assist.types import Span


@pytest.fixture(scope="module")
def walk(library):
    return SpecificityWalk(library.icd, library.lexicon)


def codes(walk, node: str, words: str = "", **attributes: str) -> list[str]:
    near = frozenset(signed_stems(words))
    return [resolution.code for resolution in walk.resolve_sides(node, near, (), attributes)]


def read(text: str, *words: str) -> dict[str, str]:
    note = NoteWords.cut(text, [Span(0, len(text))])
    places = tuple(i for i, word in enumerate(note.words) if word.raw in words)
    return AttributeReader(note).of(places)


@pytest.mark.parametrize(
    ("node", "words", "attributes", "expected"),
    [
        ("M25.56", "knee pain", {"laterality": "left"}, ["M25.562"]),
        ("M25.56", "knee pain", {}, ["M25.569"]),
        ("M25.56", "knee pain", {"laterality": "bilateral"}, ["M25.561", "M25.562"]),
        ("H90.3", "hearing loss", {"laterality": "bilateral"}, ["H90.3"]),
        ("S82.20", "tibial fracture", {"laterality": "right", "openness": "open"}, ["S82.201B"]),
        ("S82.20", "fracture", {"laterality": "right", "openness": "open III"}, ["S82.201C"]),
        ("S82.20", "fracture", {"laterality": "right", "episode": "subsequent"}, ["S82.201D"]),
        ("S82.20", "fracture", {"laterality": "right", "episode": "subsequent", "healing": "nonunion"}, ["S82.201K"]),
        ("S82.20", "fracture", {"laterality": "right", "episode": "sequela"}, ["S82.201S"]),
        ("S82.6", "fracture", {"laterality": "left"}, ["S82.62XA"]),
        ("S82.6", "fracture", {"laterality": "left", "displacement": "nondisplaced"}, ["S82.65XA"]),
        ("S16.1", "neck strain", {}, ["S16.1XXA"]),
        ("O14.1", "severe preeclampsia", {"weeks": "33"}, ["O14.13"]),
        ("O14.1", "severe preeclampsia", {"trimester": "second"}, ["O14.12"]),
        ("O14.1", "severe preeclampsia", {}, ["O14.10"]),
        ("H40.112", "glaucoma", {"severity": "severe"}, ["H40.1123"]),
        ("G81.9", "hemiparesis", {"laterality": "left"}, ["G81.94"]),
        ("G81.9", "hemiparesis", {"laterality": "left", "handedness": "left"}, ["G81.92"]),
    ],
)  # fmt: skip
def test_walk(walk, node, words, attributes, expected):
    """Each attribute that the book asks for chooses its character, and silence takes the unspecified one."""
    assert codes(walk, node, words, **attributes) == expected


@pytest.mark.parametrize(
    ("node", "words", "attributes", "expected"),
    [
        ("I82.43", "chronic dvt popliteal vein", {"acuity": "chronic", "laterality": "right"}, "I82.531"),
        ("E11.321", "retinopathy", {"severity": "severe", "laterality": "right"}, "E11.3411"),
        ("E11.42", "neuropathy", {"type": "1"}, "E10.42"),
        ("M25.562", "knee pain", {"laterality": "right"}, "M25.561"),
        ("K40.90", "recurrent inguinal hernia", {}, "K40.91"),
        ("E05.00", "graves disease with thyroid storm", {}, "E05.01"),
    ],
)
def test_contradicted_term(walk, node, words, attributes, expected):
    """A term whose code the note contradicts leads to the code that the note names."""
    assert codes(walk, node, words, **attributes) == [expected]


def test_contradiction_without_another_code_is_told(walk):
    """Where the category has no code for what the note states, the resolution says so."""
    resolution = walk.resolve("J42", frozenset({"bronchitis"}), (), {"acuity": "acute"})
    assert (resolution.code, resolution.contradicted) == ("J42", True)
    assert not walk.resolve("J42", frozenset({"bronchitis"}), (), {"acuity": "chronic"}).contradicted


def test_levels_of_the_spine(walk):
    """Each level that a sentence names gets its code."""
    near = frozenset({"disc", "displacement", "c5", "c6", "c7", "c5-c6", "c6-c7"})
    found = {resolution.code for resolution in walk.resolve_sides("M50.223", near, (), {})}
    assert found == {"M50.222", "M50.223"}


def test_unknown_node(walk):
    """A node that the book does not have is an error."""
    with pytest.raises(UnknownCode):
        walk.resolve("Q00.99", (), (), {})


def test_words_are_read_with_their_denial():
    """What stands behind "without" is denied up to the next clause; words that say the same are one."""
    assert signed_stems("diverticulosis without perforation, with bleeding") == [
        "diverticulosis",
        denied("perforation"),
        "hemorrhage",
    ]
    assert canonical({"hypoxic", "failure"}) == {"hypoxia", "failure"}


@pytest.mark.parametrize(
    ("text", "words", "attribute", "value"),
    [
        ("Chronic bronchitis, sinusitis", ("bronchitis",), Attribute.ACUITY, "chronic"),
        ("Chronic bronchitis, sinusitis", ("sinusitis",), Attribute.ACUITY, None),
        ("Heart failure, systolic, chronic", ("heart", "failure"), Attribute.ACUITY, "chronic"),
        ("Hypertension, chronic kidney disease", ("hypertension",), Attribute.ACUITY, None),
        ("Acute on chronic renal failure", ("renal", "failure"), Attribute.ACUITY, "acute on chronic"),
        ("Severe asthma", ("asthma",), Attribute.SEVERITY, "severe"),
        ("CKD stage IIIb", ("ckd",), Attribute.STAGE, "3b"),
        ("Third-degree burn of the arm", ("burn",), Attribute.STAGE, "3"),
        ("Non-displaced fracture", ("fracture",), Attribute.DISPLACEMENT, "nondisplaced"),
        ("Type IIIA open fracture of the tibia", ("fracture",), Attribute.OPENNESS, "open III"),
        ("Open reduction of fracture", ("fracture",), Attribute.OPENNESS, None),
        ("Nonunion of the tibial fracture", ("fracture",), Attribute.HEALING, "nonunion"),
        ("Sequela of a burn", ("burn",), Attribute.EPISODE, "sequela"),
        ("He will return for suture removal of the laceration", ("laceration",), Attribute.EPISODE, "initial"),
        ("Left hip and right knee pain", ("hip", "pain"), Attribute.LATERALITY, "left"),
        ("Pain in the left hip and knee", ("pain", "knee"), Attribute.LATERALITY, "left"),
        ("Osteoarthritis of the knees", ("osteoarthritis", "knees"), Attribute.LATERALITY, "bilateral"),
        ("Right-handed man with shoulder pain", ("shoulder", "pain"), Attribute.HANDEDNESS, "right"),
        ("Right-handed man with shoulder pain", ("shoulder", "pain"), Attribute.LATERALITY, None),
        ("Preeclampsia in the third trimester", ("preeclampsia",), Attribute.TRIMESTER, "third"),
        ("Cirrhosis due to alcohol", ("cirrhosis",), Attribute.CAUSE, "alcohol"),
        ("Hernia without obstruction", ("hernia",), Attribute.WITHOUT, "obstruction"),
        ("A 3 cm laceration", ("laceration",), Attribute.SIZE, "3 cm"),
        ("Multiple rib fractures", ("rib", "fractures"), Attribute.COUNT, "multiple"),
    ],
)  # fmt: skip
def test_attributes(text, words, attribute, value):
    """An attribute is read where the note states it of the mention, and only there."""
    stated = read(text, *words).get(attribute)
    assert stated == value
    allowed = VALUES[attribute]
    assert stated is None or allowed is None or stated in allowed


def test_every_attribute_has_its_values():
    """The table of values is complete."""
    assert set(VALUES) == set(Attribute)


def test_histories_and_parts():
    """Operations and conditions of the past have their status codes; combinations know their parts."""
    combiner = Combiner(lambda _: None)
    assert combiner.history_of("C50.911") == "Z85.3"
    assert combiner.history_of("27447") == "Z96.65"
    assert combiner.history_of("R05.9") is None
    groups, replaced = combiner.parts_of("I12.0")
    assert ("N18.5", "N18.6") in groups and "I10" in replaced
