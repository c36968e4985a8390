"""Cut a note into its sections.

A heading is a known title at the start of a line, with a colon or alone on its line, or a known
title in capitals within a line (``... DAILY. ALLERGIES: none``). Titles are looked up whole, then by
their telling words. What stands before the first heading is a section of kind OTHER without title.
"""

from __future__ import annotations

import re
from functools import lru_cache

from coder_assist.types import Section, SectionKind, Span

K = SectionKind

_TITLES: dict[SectionKind, str] = {
    K.CHIEF_COMPLAINT: "chief complaint|cc|reason for visit|reason for consultation|reason for consult|presenting complaint|"
    "presenting problem|reason for referral|reason for admission|reason for encounter|chief complaints|complaint",
    K.HISTORY_PRESENT: "history of present illness|hpi|history|present illness|subjective|interval history|s|brief history|"
    "history of the present illness|clinical history|history and physical|history of present complaint|interim history|"
    "present history|history of presenting illness|summary of present illness|s:|mechanism of injury",
    K.HISTORY_PAST: "past medical history|pmh|medical history|past history|pmhx|past medical and surgical history|"
    "past medical/surgical history|medical problems|problem list|chronic problems|past medical hx|pertinent medical history|"
    "past ocular history|past psychiatric history|psychiatric history|personal history|birth history|obstetrical history|"
    "past obstetric history|past medical problems|coronary risk factors|past and family history|pmh/psh|illnesses|"
    "medical illnesses|gynecologic history|ob history|past oncologic history|significant past medical history|"
    "medical conditions|chronic conditions|chronic medical conditions|past medical conditions|comorbid conditions|"
    "comorbidities|other medical conditions|coexisting conditions|concurrent medical conditions|active medical problems",
    K.HISTORY_SURGICAL: "past surgical history|psh|surgical history|past surgical hx|operations|surgeries|pshx|"
    "previous surgeries|prior surgeries|past surgeries|surgical hx|prior surgical history",
    K.HISTORY_FAMILY: "family history|fhx|fh|family medical history|family hx|family psychiatric history|"
    "family and social history|family/social history",
    K.HISTORY_SOCIAL: "social history|shx|sh|habits|social hx|psychosocial history|substance abuse history|tobacco|alcohol|"
    "drug history|occupational history|legal history|substance use|shx/fhx|social and family history|lifestyle|tobacco use",
    K.ALLERGIES: "allergies|allergy|drug allergies|allergies to medications|medication allergies|known allergies",
    K.MEDICATIONS: "medications|current medications|meds|medication|discharge medications|medications at home|"
    "home medications|medications on admission|current meds|medication history|prescriptions|medications prior to admission|"
    "admission medications|medications on discharge|present medications|outpatient medications|preoperative medications",
    K.REVIEW_OF_SYSTEMS: "review of systems|ros|system review|review of symptoms",
    K.EXAMINATION: "physical examination|physical exam|exam|examination|objective|pe|vital signs|vitals|general examination|"
    "mental status examination|mental status exam|mental status|neurological examination|gen exam|o|on examination|"
    "physical findings|physical examination on discharge|general evaluation|neurologic examination|general appearance",
    K.RESULTS: "laboratory data|laboratory studies|labs|laboratory|diagnostic studies|diagnostic data|lab data|results|studies|"
    "x-rays|x-ray|imaging|radiology|ekg|ecg|data|laboratory results|laboratory values|imaging studies|diagnostics|"
    "radiographic studies|radiology studies|laboratory findings|lab results|database|cultures|pathology|chest x-ray|"
    "hemodynamics|hemodynamic data|nerve conduction studies|needle emg|emg|ct scan|mri|urinalysis|labs/studies",
    K.FINDINGS: "findings|operative findings|intraoperative findings|gross findings|postoperative findings|procedure findings|"
    "major findings|history and gross findings|findings at surgery|angiographic findings|description of findings",
    K.ASSESSMENT: "assessment|impression|assessment and plan|assessment/plan|impression and plan|impression/plan|conclusion|"
    "conclusions|a|a/p|final impression|diagnostic impression|clinical impression|interpretation|opinion|summary|formulation|"
    "diagnoses|diagnosis|final diagnosis|final diagnoses|problems/diagnoses|problems|clinical diagnosis|a&p|axis i|axis ii|"
    "axis iii|assessment & plan|ed diagnosis|emergency department diagnosis|working diagnosis|clinical impressions|"
    "impressions|assessments|medical decision making|imp|overall impression|secondary diagnoses|secondary diagnosis|"
    "primary diagnosis|principal diagnosis|other diagnoses|active problems|pathologic diagnosis|final pathologic diagnosis|"
    "diagnostic impressions|ultrasound diagnosis|problem|assessment and recommendations|assessment and recommendation|"
    "allowed conditions|accepted conditions|claimed conditions|contested conditions|current conditions|conditions|conditions treated",
    K.PLAN: "plan|recommendations|recommendation|plans|treatment plan|p|disposition|treatment|discussion|followup|follow up|"
    "follow-up|postoperative plan|management|plan of care|orders|plan/recommendations|recommendations/plan|therapy",
    K.DIAGNOSIS_PRE: "preoperative diagnosis|preoperative diagnoses|preop diagnosis|pre-operative diagnosis|"
    "preprocedure diagnosis|pre-procedure diagnosis|preop diagnoses|pre-op diagnosis|pre-op diagnoses|pre operative diagnosis|"
    "preprocedural diagnosis|preoperative dx|preop dx|pre-op dx|pre-operative diagnoses|preoperative diagnosis (es)|preprocedure diagnoses",
    K.DIAGNOSIS_POST: "postoperative diagnosis|postoperative diagnoses|postop diagnosis|post-operative diagnosis|"
    "postprocedure diagnosis|post-procedure diagnosis|postop diagnoses|post-op diagnosis|post-op diagnoses|"
    "post operative diagnosis|postprocedural diagnosis|postoperative dx|postop dx|post-op dx|post-operative diagnoses|postoperative diagnosis (es)|"
    "postprocedure diagnoses",
    K.DIAGNOSIS_ADMISSION: "admission diagnosis|admission diagnoses|admitting diagnosis|admitting diagnoses|"
    "diagnosis on admission|diagnoses on admission|initial diagnosis",
    K.DIAGNOSIS_DISCHARGE: "discharge diagnosis|discharge diagnoses|diagnosis at discharge|diagnoses at discharge|"
    "final discharge diagnosis|diagnosis on discharge|diagnoses on discharge|principal discharge diagnosis",
    K.INDICATION: "indication|indications|indications for procedure|indication for procedure|reason for exam|"
    "indications for operation|indication for operation|indication for surgery|indications for surgery|"
    "indications for the procedure|indication for the procedure|indication for study|reason for study|"
    "reason for procedure|clinical|clinical indication|clinical information|clinical indications|indication for consultation",
    K.PROCEDURE: "procedure|procedures|procedure performed|principal procedure|principal procedures|primary procedure|secondary procedure|"
    "secondary procedures|reported procedure|associated procedures|procedures undertaken|procedures planned and performed|"
    "procedures performed|operation performed|operations performed|"
    "operative procedure|operative procedures|title of operation|operation|name of operation|title of procedure|"
    "name of procedure|procedure done|operation done|surgical procedure|title of procedures|exam performed|study performed|"
    "examination performed|type of procedure|surgery performed|procedures done|procedure(s) performed|surgery|exams|study|"
    "operation/procedure|procedure/operation|operations/procedures|procedures/operations|procedure(s)|procedure (s)|operation(s)|"
    "operation (s)|operative procedure(s)|procedures carried out|operation carried out|type of study|test performed|tests performed|"
    "operations and procedures|operation and procedure|principal operation|primary operation|surgical operation|"
    "procedure preformed|procedures preformed|operation preformed|procedures during hospitalization|"
    "procedures during admission|procedures during hospital stay|procedures this admission|in-office procedures|in-office procedure|"
    "office procedure|office procedures|procedures in office|procedures today|invasive procedures|special procedures|bedside procedure|"
    "bedside procedures|intervention|interventions performed|operative intervention|surgical intervention|surgical procedure(s)",
    K.PROCEDURE_BODY: "description of procedure|procedure in detail|description of operation|procedure details|procedure detail|"
    "details of procedure|description of the procedure|operative procedure in detail|details of the procedure|operative note|"
    "technique|operative technique|description of the operation|details of the operation|procedure note|procedure description|"
    "description|narrative|operative report|technique and findings|procedure and findings|procedure technique|"
    "operative course|details of operation|procedure and technique|operative procedure and findings|operative details",
    K.COURSE: "hospital course|course|emergency department course|ed course|brief hospital course|clinical course|"
    "hospital course and treatment|course in hospital|er course|hospital summary|postoperative course|delivery note|"
    "hospital course by problem|hospital course by system|emergency room course|course in the emergency department",
    K.ANESTHESIA: "anesthesia|anesthetic|type of anesthesia|sedation|anesthesia type|anesthesia used|anesthesiologist",
    K.COMPLICATIONS: "complications|complication|intraoperative complications|postoperative complications",
    K.INSTRUCTIONS: "discharge instructions|instructions|patient instructions|diet|activity|patient education|"
    "discharge disposition|discharge condition|condition on discharge|condition|prognosis|consent|informed consent|"
    "discharge plan|education",
    K.ADMINISTRATIVE: "estimated blood loss|blood loss|ebl|specimens|specimen|drains|fluids|tourniquet time|"
    "tourniquet|urine output|iv fluids|fluids received|fluid|counts|surgeon|assistant|hemostasis|tubes and drains|drain|"
    "fluoroscopy time|implants|instrumentation|date of admission|date of discharge|date of procedure|date|service|"
    "attending|referring physician|identifying data|identification|informant|source|material|materials|injectables|"
    "pathology specimens|sponge count|equipment|hardware|prep|position|comparison|immunizations|immunization|question|answer",
}  # fmt: skip

_KINDS = {title: kind for kind, titles in _TITLES.items() for title in titles.split("|")}

_BODY_SYSTEMS = frozenset(
    "heent|neck|general|abdomen|extremities|lungs|heart|cardiovascular|neurologic|neurological|skin|chest|musculoskeletal|"
    "respiratory|gastrointestinal|genitourinary|constitutional|psychiatric|eyes|ears|nose|throat|mouth|endocrine|ent|rectal|"
    "back|cns|motor|sensory|reflexes|gait|coordination|station|cardiac|pulmonary|neuro|cvs|integumentary|lymphatic|lymphatics|"
    "hematologic|hematology|pelvic|breasts|breast|genitalia|head|dermatologic|cranial nerves|head and neck|gu|gi|cv|msk|psych|"
    "vascular|spine|pelvis|allergy|immunologic|allergic/immunologic|ears, nose, mouth and throat|hematologic/lymphatic|"
    "respirations|pulse|blood pressure|temperature|weight|height|appearance|mood|affect|speech|thought process|orientation|"
    "station/gait|coord|urological|oral cavity|pupils|joints|thyroid|lower extremities|upper extremities|male|female|gyn|"
    "liver|spleen|gallbladder|pancreas|kidneys|bladder|uterus|ovaries|esophagus|stomach|duodenum|colon|cecum|rectum".split(
        "|"
    )
)

_WORDS: tuple[tuple[str, SectionKind], ...] = (
    (r"pre-?\s?(?:op|proc)\w* .*diagnos", K.DIAGNOSIS_PRE),
    (r"post-?\s?(?:op|proc)\w* .*diagnos", K.DIAGNOSIS_POST),
    (r"discharge .*diagnos|diagnos.* discharge", K.DIAGNOSIS_DISCHARGE),
    (r"admi\w+ .*diagnos|diagnos.* admission", K.DIAGNOSIS_ADMISSION),
    (r"family .*history|history.* family", K.HISTORY_FAMILY),
    (r"surgical .*history|surgical hx", K.HISTORY_SURGICAL),
    (r"social .*history|habits", K.HISTORY_SOCIAL),
    (r"problems? list", K.HISTORY_PAST),
    (r"(?:past|medical|oncolog\w+|obstetric\w*|cardiac|birth) .*history|medical problems", K.HISTORY_PAST),
    (r"history.* present|present .*history", K.HISTORY_PRESENT),
    (r"allerg", K.ALLERGIES),
    (r"review .*systems", K.REVIEW_OF_SYSTEMS),
    (r"indications?\b|reason for", K.INDICATION),
    (r"(?:description|detail|technique).*(?:procedure|operation|surgery)|(?:procedure|operation|surgery).*(?:detail|technique|description)", K.PROCEDURE_BODY),
    (r"(?:procedures?|operations?|surger(?:y|ies))\b.*(?:performed|done|title|name)|(?:title|name|type) of (?:the )?(?:procedure|operation|surgery)", K.PROCEDURE),
    (r"medications?\b|\bmeds\b", K.MEDICATIONS),
    (r"hospital course|department course", K.COURSE),
    (r"diagnos[ei]s|impression|assessment", K.ASSESSMENT),
    (r"complications?\b", K.COMPLICATIONS),
    (r"recommendation|\bplan\b|disposition", K.PLAN),
    (r"findings", K.FINDINGS),
    (r"laborator|\blabs?\b|x-?rays?\b|\bct\b|\bmri\b|ultrasound|\bekg\b|radiograph|studies|imaging|\bdata\b", K.RESULTS),
    (r"\bexam(?:ination)?\b|vital signs", K.EXAMINATION),
    (r"instructions|condition\b|prognosis", K.INSTRUCTIONS),
    (r"anesthe", K.ANESTHESIA),
)  # fmt: skip
_WORD_RULES = tuple((re.compile(pattern), kind) for pattern, kind in _WORDS)

# A line's head that may be a heading: short, starts with a capital, ends in a colon or stands alone.
_AT_LINE_START = re.compile(
    r"^[ \t]*(?:[•*\-–]\s*)?(?:(?:\d{1,2}|[IVX]{1,4})[.)]\s*)?"
    r"(?P<title>[A-Z][A-Za-z0-9&/,'’()\- ]{0,58}?)[ \t]*(?P<end>:|-\s|,(?=\s*1\.|\S)|(?=\r?\n)|$)",
    re.MULTILINE,
)
_WITHIN_LINE = re.compile(
    r"(?<=[.;,)\]!?:])[ \t]*(?P<title>[A-Z][A-Z&/' ()\-]{2,45}[A-Z)])[ \t]*(?P<end>:|,(?=\s*1\.|\S))"
)


@lru_cache(maxsize=8192)
def kind_of(title: str, capitals: bool) -> SectionKind | None:
    """Return the kind of a heading, ``None`` if the words are no heading that we know.

    ``capitals``: whether it is written in capitals, which makes looser rules safe.
    """
    plain = re.sub(r"\s+", " ", title.lower()).strip(" .-*")
    kind = _KINDS.get(plain) or _KINDS.get(plain.rstrip("s"))
    if kind is not None or (not capitals and len(plain.split()) > 4):
        return kind
    for pattern, found in _WORD_RULES:
        if pattern.search(plain):
            return found
    return None


def _is_body_system(title: str) -> bool:
    return re.sub(r"\s+", " ", title.lower()).strip(" .-") in _BODY_SYSTEMS


SHORT_PROCEDURE = 400
SHORT_EXAM = 160
# Headings of the report of a study; the "EXAM:" above them names the study.
_OF_A_STUDY = frozenset({"findings", "technique", "comparison", "impression", "indication", "indications", "clinical",
                         "clinical history", "history", "reason for exam", "clinical information", "conclusion"})  # fmt: skip
_OPERATIONS = frozenset({"operations", "surgeries"})
_EXAM = frozenset({"exam", "examination", "exams", "study"})


def find_sections(text: str) -> list[Section]:
    """Return the sections of a note in order; together they cover the whole text.

    A heading that names a body system ("HEENT:") keeps the kind of the section around it where
    that is an examination or a review of systems, and is an examination elsewhere.
    """
    heads: list[tuple[int, int, str, SectionKind | None, bool]] = []
    for pattern in (_AT_LINE_START, _WITHIN_LINE):
        for match in pattern.finditer(text):
            title, end = match["title"].strip(), match["end"]
            capitals = title.isupper()
            alone = not end
            if end == "," and not (capitals and title.lower() in _KINDS):
                continue  # "PROCEDURE,Colonoscopy": only a title that we know, in capitals
            if end.strip() == "-" and not capitals:
                continue
            kind = kind_of(title, capitals)
            system = kind is None and bool(end) and _is_body_system(title)
            if (
                kind is None
                and not system
                and not (capitals and end == ":" and len(title) > 3 and pattern is _AT_LINE_START)
            ):
                continue
            if alone and not (kind is not None and (capitals or title.lower() in _KINDS) and len(title) > 2):
                continue
            if len(title) < 3 and not (capitals and end == ":"):
                continue
            heads.append((match.start("title"), match.end(), title, kind, system))
    heads.sort()
    sections: list[Section] = []
    if not heads or heads[0][0] > 0:
        sections.append(Section(K.OTHER, "", Span(0, heads[0][0] if heads else len(text)), 0))
    around = K.OTHER
    for place, (start, body, title, kind, system) in enumerate(heads):
        end = heads[place + 1][0] if place + 1 < len(heads) else len(text)
        if body > end:
            continue
        if system:
            kind = around if around in (K.EXAMINATION, K.REVIEW_OF_SYSTEMS, K.FINDINGS) else K.EXAMINATION
        elif kind is None:
            kind = (
                around
                if around in (K.EXAMINATION, K.REVIEW_OF_SYSTEMS, K.ASSESSMENT, K.COURSE, K.RESULTS)
                else K.OTHER
            )
        else:
            if kind is K.PROCEDURE and end - body > SHORT_PROCEDURE:
                kind = K.PROCEDURE_BODY  # "PROCEDURE:" heads the title of one, or the whole report
            around = kind
        sections.append(Section(kind, title, Span(start, end), body))
    kinds = [section.kind for section in sections]
    operative = K.DIAGNOSIS_PRE in kinds or K.DIAGNOSIS_POST in kinds
    course = kinds.index(K.COURSE) if K.COURSE in kinds else len(kinds)
    return [
        _as_operation(section) if operative or place > course else _as_study(section, place, sections)
        for place, section in enumerate(sections)
    ]


def _as_operation(section: Section) -> Section:
    """Return "OPERATIONS:" as what was done, not as history: beside pre- and postoperative diagnoses, behind a course."""
    if section.kind is not K.HISTORY_SURGICAL or section.title.lower() not in _OPERATIONS:
        return section
    long = section.span.end - section.body > SHORT_PROCEDURE
    return Section(K.PROCEDURE_BODY if long else K.PROCEDURE, section.title, section.span, section.body)


def _as_study(section: Section, place: int, sections: list[Section]) -> Section:
    """Return a short "EXAM:" that opens the report of a study as the title of what was done."""
    if section.title.lower() not in _EXAM or section.span.end - section.body > SHORT_EXAM or place > 1:
        return section
    following = {other.title.lower() for other in sections[place + 1 :]}
    if len(following & _OF_A_STUDY) < 2:
        return section
    return Section(K.PROCEDURE, section.title, section.span, section.body)
