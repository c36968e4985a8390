"""The phrases that judge mentions: what each says, and how far it reaches.

Data in the form of rows; ``assertion.py`` reads them. What is expected of them is written down in
``corpora/regression/assertion.tsv``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import product

from coder_assist.codes.terms import stem, words

# Under the first word of cues: how many words they have, longest first, and the cues of each wording.
CueTable = dict[str, tuple[tuple[int, ...], dict[tuple[str, ...], list["Cue"]]]]


class Effect(StrEnum):
    """What a cue says of the mentions in its reach; the last five say nothing and limit the others."""

    NEGATED = "negated"
    FAMILY = "family"
    HYPOTHETICAL = "hypothetical"
    PLANNED = "planned"
    UNCERTAIN = "uncertain"
    OVER = "over"
    HISTORICAL = "historical"
    PSEUDO = "pseudo"
    END = "end"
    ONLY = "only"
    RETURN = "return"
    PATIENT = "patient"


SILENT = frozenset({Effect.PSEUDO, Effect.END, Effect.ONLY, Effect.RETURN, Effect.PATIENT})


@dataclass(frozen=True, slots=True)
class Cue:
    """A phrase, its effect, and where it reaches.

    ``limit`` bounds the reach in words. A ``close`` cue reaches no further than a comma or a
    preposition, so that "scheduled for colonoscopy for anemia" leaves the anemia as it is.
    """

    phrase: str
    effect: Effect
    forward: bool
    backward: bool
    limit: int
    close: bool = False


def cues_of(
    effect: Effect,
    phrases: str | Iterable[str],
    *,
    forward: bool = True,
    backward: bool = False,
    limit: int = 60,
    close: bool = False,
) -> Iterator[Cue]:
    """Yield the cue of each phrase; phrases are a list, or joined by ``|``."""
    for phrase in phrases.split("|") if isinstance(phrases, str) else phrases:
        yield Cue(phrase, effect, forward, backward, limit, close)
        if "cannot" in phrase:
            yield Cue(phrase.replace("cannot", "can not"), effect, forward, backward, limit, close)


def each(*parts: str) -> list[str]:
    """Return every phrase that takes one alternative of each part."""
    return [" ".join(filter(None, choice)) for choice in product(*(part.split("|") for part in parts))]


_BLOOD = (
    "mother|father|brother|sister|brothers|sisters|grandmother|grandfather|grandparents|parents|parent|siblings|sibling|"
    "aunt|uncle|aunts|uncles|cousin|cousins|family members|family member|mom|dad|half brother|half sister"
)
_KIN = "son|daughter|husband|wife|spouse|partner|boyfriend|girlfriend|sons|daughters|niece|nephew|grandson|granddaughter"
_WHOSE = "|the|his|her|their|patient's|a|an|a maternal|a paternal|both|one|two|three|several|multiple|my|maternal|paternal"
_HE = "he|she|patient|the patient"
_TELLS = (
    "reports|reported|report|states|stated|state|says|said|notes|noted|noticed|describes|described|thinks|feels|felt|"
    "believes|brought|brings|has stated|has reported|has noted|has noticed|called|gives|gave|found|saw|witnessed|observed|"
    "provides|provided|is concerned|was concerned|is worried|are concerned|is present|was present|are present|told|has told"
)

CUES: list[Cue] = [
    *cues_of(
        Effect.NEGATED,
        "no|denies|denied|denying|deny|without|w/o|negative for|neg for|absence of|no evidence of|no sign of|no signs of|"
        "no history of|no h/o|no hx of|no prior history of|no past history of|no known history of|no significant history of|"
        "free of|ruled out for|rules out|ruled her out for|ruled him out for|not have|not had|never had|never|fails to reveal|"
        "failed to reveal|failed to show|fails to show|unremarkable for|not demonstrate|not show|not reveal|no complaints of|"
        "no complaint of|not complain of|no longer has|no longer having|nor|neither|negative history of|lack of|lacks|"
        "denies any history of|denies a history of|denies history of|cannot appreciate|not appreciate|not exhibit|"
        "not associated with|not experiencing|rather than|no clinical evidence of|no radiographic evidence of|clear of|"
        "no indication of|not feel|resolution of|not suffer from|declines|instead of|not any|not develop|not noted any|"
        "not notice any|not|nothing to suggest|doubt|less likely|low suspicion for|low suspicion of|low probability of|"
        "low likelihood of|low probability for|low likelihood for|low suspicion of having|not suspicious for|not thought to have|not thought to be|not believed to be|noncontributory for",
    ),
    *cues_of(Effect.NEGATED, each("have|has|had|did|could|not", "not seen|not found|not noted|not identified|seen any|found any")),
    *cues_of(
        Effect.NEGATED,
        each("no evidence|no indication|no suggestion|not felt|not believe|not think|not feel", "that|", _HE, "has"),
    ),
    *cues_of(Effect.NEGATED, "absent", limit=3),
    *cues_of(Effect.NEGATED, each(f"{_BLOOD}|{_KIN}|family|caregiver", "denies|deny|denied")),
    *cues_of(
        Effect.NEGATED,
        "negative|is absent|are absent|was absent|were absent|not present|not seen|not identified|not appreciated|not noted|"
        "not found|not evident|ruled out|unlikely|excluded|none|denied|not demonstrated|not visualized|nonpalpable|"
        "not detected|not palpable|not observed|not suspected|is doubtful|seems doubtful|less likely|not likely",
        forward=False, backward=True, limit=10, close=True,
    ),
    *cues_of(
        Effect.UNCERTAIN,
        "possible|possibly|probable|probably|likely|suspected|suspect|suspicion of|suspicion for|suspicious for|questionable|"
        "question of|rule out|r/o|concern for|concerning for|concerned about|could be|may be|might be|may have|might have|"
        "suggestive of|suggesting|suggests|appears to be|appear to be|seems to be|presumed|presumptive|differential diagnosis|"
        "differential includes|differential diagnoses|consider|versus|vs|worrisome for|consistent with|compatible with|"
        "indicative of|cannot exclude|cannot rule out|not rule out|could represent|may represent|might represent|to exclude|"
        "thought to be|equivocal for|felt to be|apparent|maybe|perhaps|working diagnosis of|evaluate for|evaluation for|"
        "to rule out|workup for|work up for|assess for|assessment for|rule-out|query|possibility of|possibilities include|"
        "suspicious of|not certain whether|not certain if|not sure whether|not sure if|question whether|cannot entirely exclude|"
        "cannot completely exclude|cannot definitively exclude|cannot totally exclude|have not ruled out|has not ruled out|"
        "possible history of|probable history of|questionable history of",
        limit=12,
    ),
    *cues_of(
        Effect.UNCERTAIN,
        each("unclear|uncertain|wonder|wonders|not clear|unknown", "if|whether", "|this is|it is|he has|she has|the patient has"),
        limit=12,
    ),
    *cues_of(Effect.UNCERTAIN, each("could|may|might", "just|also|simply|still|well", "be|have|represent"), limit=12),
    *cues_of(
        Effect.UNCERTAIN,
        each("likely|probably|possibly|presumably|perhaps|maybe|suspected", "due to|secondary to|because of|caused by|from"),
        limit=6,
    ),
    *cues_of(
        Effect.UNCERTAIN,
        "is possible|is likely|cannot be excluded|cannot be ruled out|is questionable|"
        "is in the differential|not excluded|not ruled out|not been ruled out|not been excluded|is considered|was considered|"
        "suspected|questionable|versus|vs|not completely excluded|not entirely excluded|is a possibility|is a consideration|"
        "should be ruled out|to be ruled out|must be ruled out|needs to be ruled out|should be excluded|to be excluded",
        forward=False, backward=True, limit=8,
    ),
    *cues_of(
        Effect.HISTORICAL,
        "history of|h/o|hx of|past history of|previous|prior|previously|status post|status-post|s/p|remote|"
        "past medical history of|had a history of|in the past|history significant for|in the past he has had|"
        "in the past she has had|in the past he had|in the past she had|previous history of|prior history of|distant history of|"
        "personal history of|remote history of|former|formerly|known history of|prior episode of|previous episode of",
        limit=10,
    ),
    *cues_of(Effect.HISTORICAL, "past|old|post|childhood", limit=2),
    *cues_of(
        Effect.HISTORICAL,
        "in the past|years ago|year ago|months ago|many years ago|several years ago|last year|last winter|last summer",
        forward=False, backward=True, limit=10,
    ),
    *cues_of(
        Effect.HISTORICAL,
        each("which was|that was|was", "repaired|removed|treated", "years ago|many years ago|several years ago|in the past"),
        forward=False, backward=True, limit=4,
    ),
    *cues_of(Effect.OVER, "resolved|healed|cured|used to have|used to get|recovered from|outgrew|outgrown", limit=4),
    *cues_of(
        Effect.OVER,
        "as a child|has resolved|resolved|have resolved|now resolved|since resolved|since been resolved|which resolved|which has resolved|"
        "that resolved|that has resolved|in childhood|in remission|in infancy|as an infant|as a teenager",
        forward=False, backward=True, limit=8,
    ),
    *cues_of(
        Effect.HYPOTHETICAL,
        "if|return for|return if|should he develop|should she develop|in case of|risk of|risks of|risk for|at risk for|"
        "high risk for|risk factors for|to prevent|prevention of|prophylaxis for|prophylaxis against|prophylaxis of|"
        "screening for|screen for|screened for|monitor for|watch for|watch out for|call for|warned of|warned about|"
        "watch for signs of|potential for|potential|the possibility of|risks include|"
        "risks including|complications including|complications such as|complications of|unless|education on|"
        "to avoid|avoid|as needed for|prn for|p.r.n. for|in the event of|return to the emergency department|"
        "discussed the risks|explained the risks|risks benefits|risks and benefits|the risks|precautions for|"
        "notify|would be|vaccination against|vaccine for|vaccination for|immunization against|seek care|seek medical care|"
        "seek medical attention|report any|benefits and risks|risk benefits|predisposes to|decrease the risk of|"
        "reduce the risk of|protect against|sent to pathology for|sent to the lab for|sent to lab for|"
        "sent to the laboratory for|cultured for|"
        "when he has|when she has|counseled on prevention of|prophylactic for",
    ),
    *cues_of(
        Effect.HYPOTHETICAL,
        each("risks include|risks including|risks included|include|includes|included|including", "but", "|are|were|is", "not limited to"),
    ),
    *cues_of(
        Effect.HYPOTHETICAL,
        each(
            "complications|complications that|complications which|risks that|risks which|side effects which|side effects that",
            "may|might|could|can", "occur|arise|develop|result|happen",
        ),
    ),
    *cues_of(Effect.HYPOTHETICAL, each("potential|possible|known|usual", "complications|risks", "of|include|including|such as|are")),
    # Weight that is meant to be lost is no abnormal loss.
    *cues_of(
        Effect.HYPOTHETICAL,
        each(
            "weight loss",
            "surgery|operation|procedure|procedures|program|programs|modalities|modality|attempt|attempts|effort|efforts|"
            "goal|goals|option|options|plan|plans|diet|diets|center|clinic|medication|medications|regimen|strategies|"
            "methods|products|pills|support|measures|journey|will|would|therapy|drugs|counselor|regimens|is recommended",
        ),
        limit=1,
    ),
    *cues_of(
        Effect.HYPOTHETICAL,
        [
            *each(
                "surgical|sustainable|sustained|intentional|desired|planned|voluntary|deliberate|purposeful|medical|bariatric|"
                "achieve|achieving|attempts at|attempted|attempting|tried|facilitate|promote|encouraged|encourage|"
                "recommend|recommended|advised|discussed|importance of|benefits of|benefit from|goal of|achieved|supervised|"
                "diet and|exercise and|diet, exercise and|diet and exercise for|desires|wants|need for|help with|counseled on|"
                "surgery for|bypass for|banding for|procedure for|diet for|dieting for|exercise for|medication for|"
                "preoperative|postoperative|expected|appropriate|successful|excellent|good",
                "weight loss",
            ),
            *each("help|difficulty|trouble|interested in|plan on|work on|working on|struggles with|success in|goal of", "losing weight"),
        ],
        limit=1,
    ),
    # A spouse who left the house is still a spouse.
    *cues_of(
        Effect.HYPOTHETICAL,
        each("husband|wife|spouse|boyfriend|girlfriend", "left", "for|around|at|to|in the|the house|home|town|early|that"),
        limit=1,
    ),
    *cues_of(Effect.HYPOTHETICAL, each("if", "he has|she has|the patient has|you have|there is|there are|there was|there were")),
    *cues_of(Effect.HYPOTHETICAL, "as needed|prn|p.r.n", limit=3, close=True),
    *cues_of(
        Effect.PLANNED,
        "scheduled for|scheduled to undergo|scheduled to have|plan for|plans for|planned for|planning for|planning|"
        "proceed with|proceed to|will undergo|is to undergo|recommended for|candidate for|set up for|"
        "will schedule|would like to proceed with|wishes to proceed with",
        limit=4, close=True,
    ),
    *cues_of(
        Effect.HYPOTHETICAL,
        "precautions|prophylaxis|vaccine|vaccination|immunization|screening",
        forward=False, backward=True, limit=1,
    ),
    *cues_of(
        Effect.HYPOTHETICAL,
        "can occur|could occur|may occur|might occur|can develop|could develop|may develop|might develop|was offered|is offered",
        forward=False, backward=True, limit=4,
    ),
    *cues_of(
        Effect.PLANNED,
        "is planned|was planned|is scheduled|are planned|will be scheduled|will be planned|to be scheduled",
        forward=False, backward=True, limit=4,
    ),
    *cues_of(
        Effect.FAMILY,
        "family history of|family history is significant for|family history significant for|family history positive for|"
        f"family history|fhx|fh|maternal|paternal|{_BLOOD}",
        limit=40,
    ),
    *cues_of(Effect.FAMILY, each(_KIN, "has|had|have|having|also has|with|died of|died from|was diagnosed with|suffers from"), limit=20),
    *cues_of(
        Effect.FAMILY,
        [
            *each("in", f"{_WHOSE}|his maternal|her maternal|his paternal|her paternal", f"{_BLOOD}|{_KIN}"),
            "runs in the family", "run in the family", "on the maternal side", "on the paternal side",
        ],
        forward=False, backward=True, limit=6, close=True,
    ),
    *cues_of(
        Effect.PSEUDO,
        "no increase|no change|no changes|not only|no interval change|no doubt|not deny|never denied|cannot deny|not without|"
        "gram negative|no significant change|no significant interval change|not necessarily|not drain|without any further|"
        "no improvement|no relief|not controlled|not well controlled|not been well controlled|not been controlled|not improved|"
        "not improving|not improve|not resolved|not resolve|not respond|not responding|not responded|not tolerate|not relieved|"
        "no response|not compliant|not been compliant|rh negative|hiv negative|er negative|no further treatment|no treatment|"
        "negative pressure|not sleeping|with no improvement|without improvement|without relief|no better|not better|not able to|"
        "not want|not wish|no problem|no problems|no difficulty|unable to|not know|not sure|not take|not taking|not taken|"
        "past few|past several|past week|past month|past year|past day|past two|past three|old male|old female|old man|old woman|"
        "year old|years old|month old|week old|day old|prior to|previous to|past medical|past surgical|history and physical|"
        "not hear|not limited to|post operative|postoperatively|old white|old black|old caucasian|old hispanic|"
        "old african|old gentleman|old lady|old boy|old girl|old infant|old right|old left|history of present|history present|if any|"
        "no later than|not amenable|not a candidate|without complication|without complications|no more|not ambulate|not due to|"
        "patient s mother|without significant relief|family practice|family physician|family doctor|family medicine|"
        "not a surgical|no time|without difficulty|no medication|no medications|no new medication|no new medications|"
        "not receive|not received|not sleep|not work|not walk|not eat|not known to be|not changed|not help|not helped|"
        "long history of|long standing history of|longstanding history of|lifelong history of|not start|not started|"
        "surgical absence of|acquired absence of|congenital absence of|postsurgical absence of|partial absence of|"
        "without doubt|without contrast|without iv contrast|without intravenous contrast|without oral contrast|without and with|"
        "with and without|without gadolinium|without and with contrast|with and without contrast|surgically absent|"
        "lack of information|lack of insurance|neu negative|her2 negative|her 2 negative|pr negative|triple negative|"
        "ongoing risks including|the former|not stop|not stopped|no longer able|no longer takes|no longer taking|not require|not required|not use|not using",
        limit=0,
    ),
    *cues_of(Effect.PSEUDO, each("hour|day|week|month|year|hours|days|weeks|months|years", "history of"), limit=0),
    *cues_of(
        Effect.PSEUDO,
        each("per|with|by|from|to|according to|lives with|told", "|the|his|her|their|patient's", f"{_BLOOD}|{_KIN}"),
        limit=0,
    ),
    *cues_of(
        Effect.END,
        "but|however|although|though|except|except for|aside from|apart from|other than|besides|secondary to|which|who|whom|that|"
        "because|because of|caused by|since|as well as|now|currently|presented|presenting|comes in|came in|complaining of|"
        "complained of|reports|reported|states|stated|admits|admitted for|does have|did have|is positive for|positive for|"
        "significant for|remarkable for|notable for|there is|there are|there was|there were|is being|will be|still|yet|"
        "found to have|diagnosed with|developed|cause of|due to|d/t|2/2|and has|and is|and had|and was|revealed|showed|shows|"
        "demonstrated|demonstrates|here for|underwent|for which|where|until|and with|and he|and she|will|presence of|and a|"
        "therefore|then|status post|with the exception of|so|despite|in spite of|yes|persists|persisted|remains",
    ),
    *cues_of(Effect.END, each(f"{_BLOOD}|{_KIN}|family|caregiver", _TELLS)),
    *cues_of(
        Effect.RETURN,
        "he has|she has|patient has|he does have|she does have|he is|she is|patient is|presents|presents with|complains of|"
        "but he|but she|he himself|she herself|he did have|she did have|patient does have|patient also has",
    ),
    *cues_of(Effect.ONLY, "only|just|merely"),
    *cues_of(Effect.PATIENT, "the patient|patient|brought in|brought him in|brought her in|child has"),
]  # fmt: skip

# Conditions that do not go away: "history of" and a past-history heading do not put them in the past.
# Guideline IV.I: chronic diseases treated on an ongoing basis are coded at every visit.
LASTING = tuple(
    frozenset(map(stem, phrase.split()))
    for phrase in each(
        "diabetes|diabetic|hypertension|htn|hypertensive|copd|obstructive pulmonary|emphysema|asthma|heart failure|chf|"
        "chronic|ckd|esrd|atrial fibrillation|coronary artery disease|cad|cardiomyopathy|peripheral vascular|"
        "hyperlipidemia|dyslipidemia|hypercholesterolemia|hypothyroidism|osteoarthritis|arthritis|rheumatoid|gerd|reflux|"
        "parkinson's|parkinson|alzheimer's|alzheimer|dementia|epilepsy|seizure disorder|multiple sclerosis|schizophrenia|"
        "schizoaffective|bipolar|lupus|psoriasis|gout|glaucoma|cirrhosis|osteoporosis|hiv|obesity|sickle cell|"
        "cystic fibrosis|neuropathy|retinopathy|fibromyalgia|crohn's|ulcerative colitis|sleep apnea|migraine|"
        "cerebral palsy|autism|down syndrome|hemophilia|sarcoidosis|macular degeneration|degenerative|"
        "allergic rhinitis|prostatic hyperplasia|bph|quadriplegia|paraplegia"
    )
)
PASSING = frozenset({"gestational"})

# Cues that answer an item that stands before them: "Cough: no", "Pancreatitis, possible."
ANSWERS = frozenset(
    each(
        "no|none|denies|denied|absent|negative|possible|probable|likely|suspected|questionable|rule out|r/o|presumed"
    )
)

MONTHS = frozenset(
    each(
        "january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|"
        "aug|sept|sep|oct|nov|dec|spring|summer|fall|winter|early|late"
    )
)


def by_first_word(cues: Iterable[Cue]) -> CueTable:
    """Return cues under their first word."""
    built: dict[str, dict[tuple[str, ...], list[Cue]]] = {}
    for cue in cues:
        parts = tuple(word.raw for word in words(cue.phrase))
        built.setdefault(parts[0], {}).setdefault(parts, []).append(cue)
    return {
        first: (tuple(sorted({len(parts) for parts in wordings}, reverse=True)), wordings)
        for first, wordings in built.items()
    }
