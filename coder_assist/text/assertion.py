"""Whether a mentioned thing is there, is sure, is now, and is the patient's: a ConText of our own.

Cues are phrases; each has a reach (after it, before it), ended by the sentence, by a terminating
phrase or by a new item that has a cue of its own. Longer phrases win, so that "no increase in" and
"not only" disarm the "no" and "not" that they hold. After the algorithm of Harkema et al., J Biomed
Inform 2009. What is expected of it is written down in ``corpora/regression/assertion.tsv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import product

from coder_assist.codes.terms import stem, words
from coder_assist.text.matcher import NoteWords
from coder_assist.types import Assertion, Certainty, Experiencer, Polarity, SectionKind, Temporality


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


_SILENT = frozenset({Effect.PSEUDO, Effect.END, Effect.ONLY, Effect.RETURN, Effect.PATIENT})


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


def _cues(
    effect: Effect,
    phrases: str | Iterable[str],
    *,
    forward: bool = True,
    backward: bool = False,
    limit: int = 60,
    close: bool = False,
) -> Iterator[Cue]:
    for phrase in phrases.split("|") if isinstance(phrases, str) else phrases:
        yield Cue(phrase, effect, forward, backward, limit, close)
        if "cannot" in phrase:
            yield Cue(phrase.replace("cannot", "can not"), effect, forward, backward, limit, close)


def _each(*parts: str) -> list[str]:
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
    *_cues(
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
        "low likelihood of|not suspicious for|not thought to have|not thought to be|not believed to be|noncontributory for",
    ),
    *_cues(Effect.NEGATED, _each("have|has|had|did|could|not", "not seen|not found|not noted|not identified|seen any|found any")),
    *_cues(
        Effect.NEGATED,
        _each("no evidence|no indication|no suggestion|not felt|not believe|not think|not feel", "that|", _HE, "has"),
    ),
    *_cues(Effect.NEGATED, "absent", limit=3),
    *_cues(Effect.NEGATED, _each(f"{_BLOOD}|{_KIN}|family|caregiver", "denies|deny|denied")),
    *_cues(
        Effect.NEGATED,
        "negative|is absent|are absent|was absent|were absent|not present|not seen|not identified|not appreciated|not noted|"
        "not found|not evident|ruled out|unlikely|excluded|none|denied|not demonstrated|not visualized|nonpalpable|"
        "not detected|not palpable|not observed|not suspected|is doubtful|seems doubtful|less likely|not likely",
        forward=False, backward=True, limit=10, close=True,
    ),
    *_cues(
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
    *_cues(
        Effect.UNCERTAIN,
        _each("unclear|uncertain|wonder|wonders|not clear|unknown", "if|whether", "|this is|it is|he has|she has|the patient has"),
        limit=12,
    ),
    *_cues(Effect.UNCERTAIN, _each("could|may|might", "just|also|simply|still|well", "be|have|represent"), limit=12),
    *_cues(
        Effect.UNCERTAIN,
        _each("likely|probably|possibly|presumably|perhaps|maybe|suspected", "due to|secondary to|because of|caused by|from"),
        limit=6,
    ),
    *_cues(
        Effect.UNCERTAIN,
        "is possible|is likely|cannot be excluded|cannot be ruled out|is questionable|"
        "is in the differential|not excluded|not ruled out|not been ruled out|not been excluded|is considered|was considered|"
        "suspected|questionable|versus|vs|not completely excluded|not entirely excluded|is a possibility|is a consideration|"
        "should be ruled out|to be ruled out|must be ruled out|needs to be ruled out|should be excluded|to be excluded",
        forward=False, backward=True, limit=8,
    ),
    *_cues(
        Effect.HISTORICAL,
        "history of|h/o|hx of|past history of|previous|prior|previously|status post|status-post|s/p|remote|"
        "past medical history of|had a history of|in the past|history significant for|in the past he has had|"
        "in the past she has had|in the past he had|in the past she had|previous history of|prior history of|distant history of|"
        "personal history of|remote history of|former|formerly|known history of|prior episode of|previous episode of",
        limit=10,
    ),
    *_cues(Effect.HISTORICAL, "past|old|post|childhood", limit=2),
    *_cues(
        Effect.HISTORICAL,
        "in the past|years ago|year ago|months ago|many years ago|several years ago|last year|last winter|last summer",
        forward=False, backward=True, limit=10,
    ),
    *_cues(
        Effect.HISTORICAL,
        _each("which was|that was|was", "repaired|removed|treated", "years ago|many years ago|several years ago|in the past"),
        forward=False, backward=True, limit=4,
    ),
    *_cues(Effect.OVER, "resolved|healed|cured|used to have|used to get|recovered from|outgrew|outgrown", limit=4),
    *_cues(
        Effect.OVER,
        "as a child|has resolved|resolved|have resolved|now resolved|since resolved|which resolved|which has resolved|"
        "that resolved|that has resolved|in childhood|in remission|in infancy|as an infant|as a teenager",
        forward=False, backward=True, limit=8,
    ),
    *_cues(
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
        "reduce the risk of|protect against|when he has|when she has|counseled on prevention of|prophylactic for",
    ),
    *_cues(
        Effect.HYPOTHETICAL,
        _each("risks include|risks including|risks included|include|includes|included|including", "but", "|are|were|is", "not limited to"),
    ),
    *_cues(Effect.HYPOTHETICAL, _each("if", "he has|she has|the patient has|you have|there is|there are|there was|there were")),
    *_cues(Effect.HYPOTHETICAL, "as needed|prn|p.r.n", limit=3, close=True),
    *_cues(
        Effect.PLANNED,
        "scheduled for|scheduled to undergo|scheduled to have|plan for|plans for|planned for|planning for|planning|"
        "proceed with|proceed to|will undergo|is to undergo|recommended for|candidate for|set up for|"
        "will schedule|would like to proceed with|wishes to proceed with",
        limit=4, close=True,
    ),
    *_cues(
        Effect.HYPOTHETICAL,
        "precautions|prophylaxis|vaccine|vaccination|immunization|screening",
        forward=False, backward=True, limit=1,
    ),
    *_cues(
        Effect.HYPOTHETICAL,
        "can occur|could occur|may occur|can develop|could develop|was offered|is offered",
        forward=False, backward=True, limit=4,
    ),
    *_cues(
        Effect.PLANNED,
        "is planned|was planned|is scheduled|are planned|will be scheduled|will be planned|to be scheduled",
        forward=False, backward=True, limit=4,
    ),
    *_cues(
        Effect.FAMILY,
        "family history of|family history is significant for|family history significant for|family history positive for|"
        f"family history|fhx|fh|maternal|paternal|{_BLOOD}",
        limit=40,
    ),
    *_cues(Effect.FAMILY, _each(_KIN, "has|had|have|also has|with|died of|died from|was diagnosed with|suffers from"), limit=20),
    *_cues(
        Effect.FAMILY,
        [
            *_each("in", f"{_WHOSE}|his maternal|her maternal|his paternal|her paternal", f"{_BLOOD}|{_KIN}"),
            "runs in the family", "run in the family", "on the maternal side", "on the paternal side",
        ],
        forward=False, backward=True, limit=6, close=True,
    ),
    *_cues(
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
        "without doubt|the former|not stop|not stopped|no longer able|no longer takes|no longer taking|not require|not required|not use|not using",
        limit=0,
    ),
    *_cues(Effect.PSEUDO, _each("hour|day|week|month|year|hours|days|weeks|months|years", "history of"), limit=0),
    *_cues(
        Effect.PSEUDO,
        _each("per|with|by|from|to|according to|lives with|told", "|the|his|her|their|patient's", f"{_BLOOD}|{_KIN}"),
        limit=0,
    ),
    *_cues(
        Effect.END,
        "but|however|although|though|except|except for|aside from|apart from|other than|besides|secondary to|which|who|whom|that|"
        "because|because of|caused by|since|as well as|now|currently|presented|presenting|comes in|came in|complaining of|"
        "complained of|reports|reported|states|stated|admits|admitted for|does have|did have|is positive for|positive for|"
        "significant for|remarkable for|notable for|there is|there are|there was|there were|is being|will be|still|yet|"
        "found to have|diagnosed with|developed|cause of|due to|d/t|2/2|and has|and is|and had|and was|revealed|showed|shows|"
        "demonstrated|demonstrates|here for|underwent|for which|where|until|and with|and he|and she|will|presence of|and a|"
        "therefore|then|status post|with the exception of|so|despite|in spite of|yes|persists|persisted|remains",
    ),
    *_cues(Effect.END, _each(f"{_BLOOD}|{_KIN}|family|caregiver", _TELLS)),
    *_cues(
        Effect.RETURN,
        "he has|she has|patient has|he does have|she does have|he is|she is|patient is|presents|presents with|complains of|"
        "but he|but she|he himself|she herself|he did have|she did have|patient does have|patient also has",
    ),
    *_cues(Effect.ONLY, "only|just|merely"),
    *_cues(Effect.PATIENT, "the patient|patient|brought in|brought him in|brought her in|child has"),
]  # fmt: skip

# Conditions that do not go away: "history of" and a past-history heading do not put them in the past.
# Guideline IV.I: chronic diseases treated on an ongoing basis are coded at every visit.
_LASTING = tuple(
    frozenset(map(stem, phrase.split()))
    for phrase in _each(
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
_PASSING = frozenset({"gestational"})

# Cues that answer an item that stands before them: "Cough: no", "Pancreatitis, possible."
_ANSWERS = frozenset(
    _each(
        "no|none|denies|denied|absent|negative|possible|probable|likely|suspected|questionable|rule out|r/o|presumed"
    )
)
_SIGN = re.compile(r"\((?P<sign>[+-])\)|(?<![\w?])(?P<ask>\?)(?=\s?[A-Za-z])|(?P<asked>\?)\s*$")
_MINUS_BEFORE = Cue("(-)", Effect.NEGATED, True, False, 12)
_MINUS_AFTER = Cue("(-)", Effect.NEGATED, False, True, 3, close=True)
_PLUS = Cue("(+)", Effect.END, True, True, 0)
_ASK = Cue("?", Effect.UNCERTAIN, True, False, 3)
_ASKED = Cue("?", Effect.UNCERTAIN, False, True, 4)

_MONTHS = frozenset(
    _each(
        "january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|"
        "aug|sept|sep|oct|nov|dec|spring|summer|fall|winter|early|late"
    )
)
_YEAR = re.compile(r"(?:19|20)\d\d")
_THEN = Cue("in that year", Effect.HISTORICAL, True, False, 6)
_IN_YEAR = Cue("in that year", Effect.HISTORICAL, False, True, 4, close=True)
_PREPOSITIONS = frozenset(["for", "with", "of", "because", "to", "while", "during"])


@lru_cache(maxsize=1)
def _trie() -> dict[str, list[tuple[tuple[str, ...], Cue]]]:
    built: dict[str, list[tuple[tuple[str, ...], Cue]]] = {}
    for cue in CUES:
        parts = tuple(word.raw for word in words(cue.phrase))
        built.setdefault(parts[0], []).append((parts, cue))
    for entries in built.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return built


@dataclass(frozen=True, slots=True)
class CueHit:
    """A cue found in a sentence: words ``[first, last)`` of the note, by index; none for a sign like "(-)"."""

    first: int
    last: int
    cue: Cue


_SECTION_DEFAULT = {
    SectionKind.HISTORY_FAMILY: Effect.FAMILY,
    SectionKind.HISTORY_PAST: Effect.HISTORICAL,
    SectionKind.HISTORY_SURGICAL: Effect.HISTORICAL,
    SectionKind.INSTRUCTIONS: Effect.HYPOTHETICAL,
}
# Where an operation is told, what was planned has been done.
_DONE = frozenset(
    {SectionKind.PROCEDURE_BODY, SectionKind.INDICATION, SectionKind.COURSE, SectionKind.PROCEDURE}
)


def find_cues(note: NoteWords, first: int, last: int) -> list[CueHit]:
    """Return the cues among the words ``[first, last)``, longest at each place, none inside another.

    Forward and backward cues of one phrase ("suspected") are both returned.
    """
    if first == last:
        return []
    trie = _trie()
    raws = [word.raw for word in note.words[first:last]]
    for at in range(1, len(raws)):
        if raws[at] == "t" and raws[at - 1].endswith("n"):
            raws[at] = "not"  # "isn't": the words are "isn" and "t"
    hits: list[CueHit] = []
    at = 0
    while at < len(raws):
        taken = 0
        for parts, cue in trie.get(raws[at], ()):
            if len(parts) < taken:
                break
            if tuple(raws[at : at + len(parts)]) == parts:
                hits.append(_answer(CueHit(first + at, first + at + len(parts), cue), note, first, last))
                taken = len(parts)
        if not taken and at and _YEAR.fullmatch(raws[at]):
            hits += _year(raws, at, first)
        at += taken or 1
    signs = list(_signs(note, first, last))
    return sorted(hits + signs, key=lambda hit: (hit.first, hit.last)) if signs else hits


def _answer(hit: CueHit, note: NoteWords, first: int, last: int) -> CueHit:
    """Turn a cue round that ends an item and answers what stands before it."""
    cue = hit.cue
    if cue.phrase not in _ANSWERS or hit.first == first or cue.effect in _SILENT:
        return hit
    before = note.between(hit.first - 1)
    closes = hit.last == last or note.between(hit.last - 1).lstrip()[:1] in (*",;.)",)
    if closes and (re.search(r"[:(=]|\s[-–]\s", before) or (hit.last == last and "," in before)):
        return CueHit(hit.first, hit.last, Cue(cue.phrase, cue.effect, False, True, 10))
    return hit


def _year(raws: list[str], at: int, first: int) -> list[CueHit]:
    """Return the cue of a year: "in 1998", "in October of 2004"; to what follows only where it opens the sentence."""
    back = at - 1
    while back > 0 and (
        raws[back] in _MONTHS or raws[back] in ("of", "the") or (raws[back].isdigit() and len(raws[back]) < 3)
    ):
        back -= 1
    if raws[back] != "in":
        return []
    return [CueHit(first + back, first + at + 1, _THEN if back == 0 else _IN_YEAR)]


def _signs(note: NoteWords, first: int, last: int) -> Iterator[CueHit]:
    """Yield the cues written as signs: "(-) fever", "fever (-)", "?pneumonia", "pneumonia?"."""
    sentence = note.sentences[note.sentence_of[first]]
    start, text = sentence.start, sentence.slice(note.text)
    if "?" not in text and "(-)" not in text and "(+)" not in text:
        return
    for match in _SIGN.finditer(text):
        place = next((at for at in range(first, last) if note.words[at].start >= start + match.end()), last)
        if match["sign"] == "+":
            yield CueHit(place, place, _PLUS)
        elif match["sign"]:
            after = text[match.end() :].lstrip()[:1]
            yield CueHit(
                place,
                place,
                _MINUS_AFTER if place > first and after in (*",;.", "") else _MINUS_BEFORE,
            )
        else:
            yield CueHit(place, place, _ASK if match["ask"] else _ASKED)


def assert_mention(
    hits: Sequence[CueHit], note: NoteWords, places: Sequence[int], section: SectionKind
) -> Assertion:
    """Return the assertion of a mention from the cues of its sentence and its section's default."""
    own = {hit.cue.effect for hit in hits if hit.first in places and hit.first < hit.last}
    found: dict[Effect, CueHit | None] = {}
    for number, hit in enumerate(hits):
        if hit.cue.effect not in _SILENT and _reaches(hit, number, hits, note, places):
            found.setdefault(hit.cue.effect, hit)
    default = _SECTION_DEFAULT.get(section)
    if default is not None and not (default is Effect.HISTORICAL and Effect.NEGATED in found):
        found.setdefault(default, None)
    if section in _DONE:
        found.pop(Effect.PLANNED, None)
    if Effect.FAMILY in own:
        found.pop(Effect.FAMILY, None)  # "family history of glaucoma" as such is the patient's
    denial = found.get(Effect.NEGATED)
    if denial is not None:
        for effect in (Effect.UNCERTAIN, Effect.HISTORICAL):
            _take_up(found, effect, denial)
    if Effect.HISTORICAL in found and _lasts(note, places):
        del found[Effect.HISTORICAL]
    return _assertion(found, section)


def _reaches(
    hit: CueHit, number: int, hits: Sequence[CueHit], note: NoteWords, places: Sequence[int]
) -> bool:
    first, last = places[0], places[-1]
    cue = hit.cue
    if first <= hit.first and hit.last <= last + 1 and hit.first < hit.last:
        # Words of the mention itself ("absent", "no") do not judge it; "history" does, and so does what
        # stands between its words ("history of possible stroke").
        return cue.effect is Effect.HISTORICAL or (
            cue.forward and not set(range(hit.first, hit.last)) & set(places)
        )
    if cue.forward and hit.first <= first:
        return first - hit.last < cue.limit and not _ended(hits[number + 1 :], hit, (hit.last, first), note)
    if cue.backward and hit.first > last:
        between = [other for other in hits if last < other.first < hit.first]
        return hit.first - last <= cue.limit and not _ended(between, hit, (last + 1, hit.first), note)
    return False


def _ended(between: Iterable[CueHit], by: CueHit, stretch: tuple[int, int], note: NoteWords) -> bool:
    """Say whether something in the words between a cue and a mention ends the cue's reach."""
    start, end = stretch
    effect = by.cue.effect
    for hit in between:
        # A cue may be the mention's own first word: "negative for flu and positive for chlamydia".
        if not (start <= hit.first and (hit.last <= end or hit.first == end)):
            continue
        if hit.cue.effect is Effect.RETURN or (hit.cue.effect is Effect.PATIENT and effect is Effect.FAMILY):
            return True
        if hit.cue.effect is Effect.END and effect is not Effect.FAMILY:
            return True
        if hit.cue.effect is Effect.ONLY and effect is Effect.NEGATED:
            return True
        if (
            hit.cue.forward
            and effect in _ITEMS
            and hit.cue.effect in _ITEMS
            and _opens_item(hit, start, note)
        ):
            return True  # "no residual weakness, history of cancer": a new item begins
    return by.cue.close and start < end and _parted(start, end, by, note)


_ITEMS = frozenset({Effect.NEGATED, Effect.UNCERTAIN, Effect.HISTORICAL})


def _opens_item(hit: CueHit, start: int, note: NoteWords) -> bool:
    return hit.first > start and (
        "," in note.between(hit.first - 1) or note.words[hit.first - 1].raw == "and"
    )


def _parted(start: int, end: int, by: CueHit, note: NoteWords) -> bool:
    """Say whether a comma (but not that of an enumeration) or a preposition stands in a stretch of words."""
    raws = [note.words[place].raw for place in range(start, end)]
    if not _PREPOSITIONS.isdisjoint(raws):
        return True
    edge = start - 1 if by.cue.backward else start
    text = note.text[note.words[edge].end : note.words[end - 1].end + 1]
    return "," in text and not (by.cue.backward and ("and" in raws or "or" in raws))


def _take_up(found: dict[Effect, CueHit | None], effect: Effect, denial: CueHit) -> None:
    """Drop a cue that a denial covers: "no suspicion of meningitis", "denies previous stroke"."""
    hit = found.get(effect)
    if hit is not None and hit.cue.forward and (denial.cue.backward or denial.first <= hit.first):
        del found[effect]


def _lasts(note: NoteWords, places: Sequence[int]) -> bool:
    stems = {note.words[place].stem for place in places}
    return stems.isdisjoint(_PASSING) and any(phrase <= stems for phrase in _LASTING)


def _assertion(found: dict[Effect, CueHit | None], section: SectionKind) -> Assertion:
    telling = next((effect for effect in Effect if effect in found), None)
    hit = found[telling] if telling is not None else None
    past = Effect.HISTORICAL in found or Effect.OVER in found
    return Assertion(
        Polarity.NEGATED if Effect.NEGATED in found else Polarity.AFFIRMED,
        Certainty.UNCERTAIN if Effect.UNCERTAIN in found else Certainty.CERTAIN,
        Temporality.HYPOTHETICAL
        if Effect.HYPOTHETICAL in found or Effect.PLANNED in found
        else Temporality.HISTORICAL
        if past
        else Temporality.CURRENT,
        Experiencer.FAMILY if Effect.FAMILY in found else Experiencer.PATIENT,
        hit.cue.phrase if hit is not None else section.value if telling is not None else "",
    )
