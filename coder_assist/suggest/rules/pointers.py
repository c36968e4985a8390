"""Which diagnoses stand behind each procedure line: the pointers of a professional claim, with reasons.

A claim carries twelve diagnoses, and a line points to at most four of them (CMS-1500 items 21 and 24E,
837P HI and SV107). What supports a procedure is looked for in this order of strength: the procedure's own
diagnoses (``affinities.tsv``), the same words for a body site, the same sentence of the note, the note's
indication or pre- and postoperative diagnosis, and last the wider area of the procedure.
"""

from __future__ import annotations

import re
from functools import lru_cache

from coder_assist.suggest.rules.coding import Coding, Line
from coder_assist.suggest.rules.procedure_facts import affinities_of
from coder_assist.types import Document, Evidence, SectionKind, System

MOST_DIAGNOSES = 12
MOST_POINTERS = 4

_OWN, _SITE, _SENTENCE, _INDICATION, _AREA = 8, 4, 4, 3, 2
_NOTHING: tuple[int, str] = (0, "")

_REASON_FOR_PROCEDURE = {
    SectionKind.INDICATION: "it is the indication",
    SectionKind.DIAGNOSIS_PRE: "it is the preoperative diagnosis",
    SectionKind.DIAGNOSIS_POST: "it is the postoperative diagnosis",
}

# Words of a body site as titles and notes write them, under one name each.
_SITES = {
    word: name
    for name, words in {
        "abdomen": "abdomen abdominal belly",
        "ankle": "ankle",
        "anus": "anus anal hemorrhoid hemorrhoids",
        "aorta": "aorta aortic",
        "appendix": "appendix appendicitis appendectomy",
        "bladder": "bladder vesical cystitis",
        "bone marrow": "marrow",
        "breast": "breast mammary",
        "bronchus": "bronchus bronchial bronchoscopy",
        "carotid": "carotid",
        "cervix": "cervix",
        "colon": "colon colonic sigmoid cecum colonoscopy",
        "coronary artery": "coronary",
        "ear": "ear tympanic tympanostomy otitis",
        "elbow": "elbow",
        "esophagus": "esophagus esophageal gullet",
        "eye": "eye cataract retina retinal cornea corneal glaucoma",
        "eyelid": "eyelid",
        "femur": "femur femoral thigh",
        "finger": "finger thumb",
        "foot": "foot",
        "gallbladder": "gallbladder cholecystitis cholelithiasis",
        "groin": "groin inguinal",
        "hand": "hand",
        "heart": "heart cardiac",
        "hip": "hip",
        "kidney": "kidney renal",
        "knee": "knee",
        "larynx": "larynx laryngeal vocal",
        "liver": "liver hepatic",
        "lung": "lung pulmonary",
        "nail": "nail",
        "nose": "nose nasal",
        "ovary": "ovary ovarian",
        "pancreas": "pancreas pancreatic",
        "penis": "penis foreskin",
        "pleura": "pleura pleural",
        "prostate": "prostate prostatic",
        "rectum": "rectum rectal",
        "shoulder": "shoulder rotator",
        "sinus": "sinus sinusitis",
        "skin": "skin cutaneous",
        "spine": "spine spinal lumbar cervical thoracic intervertebral vertebra disc",
        "spleen": "spleen splenic",
        "stomach": "stomach gastric gastritis",
        "testis": "testis testicular scrotum scrotal",
        "thyroid": "thyroid",
        "toe": "toe toenail hallux",
        "tonsil": "tonsil tonsils tonsillitis adenoids",
        "ureter": "ureter ureteral",
        "uterus": "uterus uterine womb",
        "wrist": "wrist carpal",
    }.items()
    for word in words.split()
}
_WORD = re.compile(r"[a-z]+")


@lru_cache(maxsize=8192)
def _sites(text: str) -> frozenset[str]:
    """Return the body sites that a text names."""
    return frozenset(_SITES[word] for word in _WORD.findall(text.lower()) if word in _SITES)


def _sites_of(coding: Coding, line: Line) -> frozenset[str]:
    book = coding.facts.books.get(line.code.system)
    entry = book.get(line.value) if book is not None else None
    named = _sites(entry.title) if entry else frozenset()
    return named.union(*(_sites(evidence.text) for evidence in line.evidence))


def _sentences(documents: tuple[Document, ...], evidence: tuple[Evidence, ...]) -> frozenset[tuple[str, int]]:
    """Return the sentences, by note and number, that evidence stands in."""
    return frozenset(
        (document.note.id, number)
        for document in documents
        for number, sentence in enumerate(document.sentences)
        if any(e.note_id == document.note.id and e.span.overlaps(sentence) for e in evidence)
    )


def _by_affinity(procedure: Line, diagnosis: Line) -> tuple[int, str]:
    """Return the points of what is known of the codes alone; each further own row is one more."""
    matching = [row for row in affinities_of(procedure.value) if diagnosis.value.startswith(row.diagnoses)]
    if not matching:
        return _NOTHING
    own = sum(row.own for row in matching)
    return (_OWN + own - 1 if own else _AREA), matching[0].because


def support(coding: Coding, procedure: Line) -> dict[Line, tuple[int, str]]:
    """Return how strongly, and why, each diagnosis line supports a procedure; those that do not are left out.

    Independent of the order of the codes. External causes support nothing.
    """
    sites = _sites_of(coding, procedure)
    spoken = _sentences(coding.documents, procedure.evidence)
    found: dict[Line, tuple[int, str]] = {}
    for diagnosis in coding.diagnoses:
        if diagnosis.value[0] in "VWXY":
            continue
        reasons = [_by_affinity(procedure, diagnosis)]
        common = sorted(sites & _sites_of(coding, diagnosis))
        if common:
            reasons.append((_SITE, f"both are about the {common[0]}"))
        if spoken and spoken & _sentences(coding.documents, diagnosis.evidence):
            reasons.append((_SENTENCE, "one sentence of the note names both"))
        for kind, said in _REASON_FOR_PROCEDURE.items():
            if any(evidence.section is kind for evidence in diagnosis.evidence):
                reasons.append((_INDICATION, said))
                break
        strength = sum(points for points, _ in reasons)
        if strength:
            found[diagnosis] = (strength, max(reasons, key=lambda reason: reason[0])[1])
    return found


def is_supported(coding: Coding, procedure: Line) -> bool:
    """Say whether any diagnosis supports a procedure; what is known of the codes alone is asked first."""
    known = any(_by_affinity(procedure, diagnosis)[0] for diagnosis in coding.diagnoses)
    return known or bool(support(coding, procedure))


def pointers(coding: Coding) -> dict[Line, tuple[tuple[str, str], ...]]:
    """Link each procedure line to at most four of the first twelve diagnoses: (code, reason), strongest first.

    A line that nothing supports has no pointers.
    """
    claimed = coding.diagnoses[:MOST_DIAGNOSES]
    linked: dict[Line, tuple[tuple[str, str], ...]] = {}
    for procedure in coding.procedures:
        supporting = support(coding, procedure)
        ranked = sorted(
            (place for place, line in enumerate(claimed) if line in supporting),
            key=lambda place: (-supporting[claimed[place]][0], _secondary(claimed[place]), place),
        )
        chosen = dict.fromkeys((claimed[p].value, supporting[claimed[p]][1]) for p in ranked)
        linked[procedure] = tuple(chosen)[:MOST_POINTERS]
    return linked


def _secondary(line: Line) -> bool:
    """Say whether a code tells of signs, history or status, which point behind what was found."""
    return line.value[0] == "R" or line.value.startswith(("Z79", "Z85", "Z86", "Z87", "Z80", "Z83"))


def speaks_of(procedure: Line) -> bool:
    """Say whether enough is known of a procedure to expect a certain kind of diagnosis."""
    return procedure.code.system in (System.CPT, System.HCPCS) and bool(affinities_of(procedure.value))
