"""Whether a mentioned thing is there, is sure, is now, and is the patient's: a ConText of our own.

Cues are phrases; each has a reach (after it, before it), ended by the sentence, by a terminating
phrase or by a cue of the same kind. Longer phrases win, so that "no increase in" and "not only"
disarm the "no" and "not" that they hold. After the algorithm of Harkema et al., J Biomed Inform 2009.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from coder_assist.text.matcher import NoteWords
from coder_assist.types import Assertion, Certainty, Experiencer, Polarity, SectionKind, Temporality


class Effect(StrEnum):
    """What a cue says of the mentions in its reach."""

    NEGATED = "negated"
    UNCERTAIN = "uncertain"
    HISTORICAL = "historical"
    HYPOTHETICAL = "hypothetical"
    FAMILY = "family"
    PSEUDO = "pseudo"
    END = "end"


@dataclass(frozen=True, slots=True)
class Cue:
    """A phrase, its effect, and where it reaches. ``limit`` bounds the reach in words."""

    phrase: str
    effect: Effect
    forward: bool
    backward: bool
    limit: int


def _cues(effect: Effect, phrases: str, *, forward: bool = True, backward: bool = False, limit: int = 60) -> list[Cue]:
    return [Cue(phrase.strip(), effect, forward, backward, limit) for phrase in phrases.split("|")]


CUES: list[Cue] = [
    *_cues(
        Effect.NEGATED,
        "no|denies|denied|denying|deny|without|w/o|negative for|neg for|absence of|absent|no evidence of|no sign of|no signs of|"
        "no history of|no h/o|no hx of|no prior history of|no past history of|free of|ruled out for|rules out|rule her out for|"
        "did not have|does not have|do not have|not have|has not had|have not had|had no|has no|never had|never|fails to reveal|"
        "failed to reveal|failed to show|unremarkable for|not demonstrate|not show|not reveal|no complaints of|no complaint of|"
        "no known|not complain of|no new|no acute|no significant|no obvious|no further|no longer has|no longer having|nor|neither|"
        "no suspicious|no other|no current|negative history of|not had any|lack of|lacks|denying any|denies any|denies having|"
        "denies a history of|cannot appreciate|not appreciate|did not exhibit|not associated with|not experiencing|rather than|"
        "no clinical evidence of|no radiographic evidence of|clear of|no indication of|not feel|resolution of|no definite|"
        "not suffer from|declines|did not reveal|did not show|does not show|are no|is no|were no|was no|there is no|instead of|"
        "not any|not develop|not noted any|not notice any|is not|are not|was not|were not|has not|have not|had not|did not|does not|not",
    ),
    *_cues(
        Effect.NEGATED,
        "is negative|are negative|was negative|were negative|negative|is absent|are absent|was absent|not present|not seen|"
        "not identified|not appreciated|not noted|not found|not evident|was ruled out|is ruled out|ruled out|were ruled out|"
        "has been ruled out|have been ruled out|unlikely|is excluded|was excluded|none|denied|not demonstrated|not visualized|"
        "nonpalpable|not detected|was not seen|not palpable",
        forward=False, backward=True, limit=8,
    ),
    *_cues(
        Effect.UNCERTAIN,
        "possible|possibly|probable|probably|likely|suspected|suspect|suspicion of|suspicion for|suspicious for|questionable|"
        "question of|rule out|r/o|concern for|concerning for|concerned about|could be|may be|might be|may have|might have|"
        "suggestive of|suggesting|suggests|appears to be|presumed|presumptive|differential diagnosis|differential includes|"
        "differential diagnoses|consider|versus|vs|worrisome for|consistent with|compatible with|indicative of|cannot exclude|"
        "cannot rule out|not rule out|can not rule out|could represent|may represent|might represent|to exclude|thought to be|"
        "equivocal for|felt to be|apparent|maybe|perhaps|working diagnosis of|evaluate for|evaluation for|to rule out|"
        "workup for|work up for|assess for|assessment for|rule-out|query|possibility of|possibilities include|suspicious of",
        limit=12,
    ),
    *_cues(
        Effect.UNCERTAIN,
        "is possible|is suspected|was suspected|is likely|cannot be excluded|cannot be ruled out|is questionable|"
        "is in the differential|not excluded|is considered|suspected|questionable|versus|vs|not completely excluded",
        forward=False, backward=True, limit=8,
    ),
    *_cues(
        Effect.HISTORICAL,
        "history of|h/o|hx of|past history of|previous|prior|previously|status post|status-post|s/p|remote|past|old|"
        "past medical history of|had a history of|in the past|history significant for|resolved|healed|treated for|post|"
        "previous history of|prior history of|distant history of|personal history of",
        limit=10,
    ),
    *_cues(
        Effect.HISTORICAL,
        "in the past|years ago|year ago|months ago|as a child|has resolved|resolved|have resolved|was treated|in childhood|"
        "in remission|was repaired|was removed|many years ago|several years ago|in infancy",
        forward=False, backward=True, limit=10,
    ),
    *_cues(
        Effect.HYPOTHETICAL,
        "if|return for|return if|should he develop|should she develop|in case of|risk of|risks of|risk for|at risk for|"
        "high risk for|risk factors for|to prevent|prevention of|prophylaxis for|prophylaxis against|prophylaxis|"
        "screening for|screen for|screened for|monitor for|watch for|watch out for|call for|warned of|warned about|"
        "signs of|signs and symptoms of|potential for|potential|the possibility of|including but not limited to|risks include|"
        "risks including|complications including|complications of|unless|education on|counseled on|counseled regarding|"
        "to avoid|avoid|as needed for|prn for|p.r.n. for|p.r.n|as needed|in the event of|return to the emergency department|"
        "discussed the risks|explained the risks|risks benefits|risks and benefits|the risks|precautions|precautions for|"
        "notify|would be|vaccination against|vaccine for|vaccine|vaccination for|immunization against|"
        "benefits and risks|risk benefits|predisposes to|decrease the risk of|reduce the risk of|protect against|when he has|when she has",
    ),
    *_cues(
        Effect.FAMILY,
        "family history of|family history is significant for|family history significant for|family history positive for|family history|"
        "mother|father|brother|sister|brothers|sisters|grandmother|grandfather|grandparents|parents|siblings|sibling|maternal|"
        "paternal|aunt|uncle|cousin|cousins|family members|family member|mom|dad|runs in the family|fhx|fh",
    ),
    *_cues(
        Effect.PSEUDO,
        "no increase|no change|no changes|not only|not certain whether|not certain if|without difficulty|no interval change|"
        "gram negative|no significant change|no significant interval change|not necessarily|not drain|without any further|"
        "no improvement|no relief|not controlled|not well controlled|not been well controlled|not improved|not improving|not resolved|"
        "not respond|not responded|not tolerate|not relieved|no response|not compliant|rh negative|hiv negative|er negative|"
        "negative pressure|not sleeping|with no improvement|without improvement|without relief|no better|not better|not able to|"
        "not want|not wish|no problem|no problems|no difficulty|unable to|not know|not sure|not take|not taking|not taken|"
        "past few|past several|past week|past month|past year|past day|past two|past three|old male|old female|old man|old woman|"
        "year old|years old|month old|week old|day old|prior to|previous to|past medical|past surgical|history and physical|likely secondary|"
        "most likely due|not hear|not limited to|post operative|postoperatively|old white|old black|old caucasian|old hispanic|"
        "old african|old gentleman|old lady|old boy|old girl|old infant|old right|old left|history of present|history present|if any|"
        "no later than|not amenable|not a candidate|without complication|without complications|no more|not ambulate|not due to|"
        "patient s mother|mother s|per mother|mother states|mother reports|mother says|the mother|her mother|his mother|mom states|"
        "without significant relief|family practice|family physician|family doctor|family medicine|not a surgical|no time",
        limit=0,
    ),
    *_cues(
        Effect.END,
        "but|however|although|though|except|except for|aside from|apart from|other than|besides|secondary to|which|who|whom|that|"
        "because|since|as well as|now|currently|presents|presented|presenting|comes in|came in|complains of|complaining of|"
        "complained of|reports|reported|states|stated|admits|admitted for|does have|is positive for|positive for|significant for|"
        "remarkable for|notable for|he has|she has|patient has|he does have|she does have|he is|she is|patient is|there is|"
        "there are|there was|there were|is being|will be|still|yet|found to have|diagnosed with|developed|cause of|due to|"
        "and has|and is|and had|and was|revealed|showed|shows|demonstrated|demonstrates|here for|underwent|for which|where|"
        "until|and with|and he|and she|will|presence of|and a|therefore|then|status post|with the exception of|so",
    ),
]  # fmt: skip

# Cues whose effect a family section or a list of relatives must not lose at a comma.
_TRIE: dict[str, list[tuple[tuple[str, ...], Cue]]] = {}


def _split(phrase: str) -> tuple[str, ...]:
    from coder_assist.codes.terms import words

    return tuple(word.raw for word in words(phrase))


def _trie() -> dict[str, list[tuple[tuple[str, ...], Cue]]]:
    if not _TRIE:
        built: dict[str, list[tuple[tuple[str, ...], Cue]]] = {}
        for cue in CUES:
            parts = _split(cue.phrase)
            built.setdefault(parts[0], []).append((parts, cue))
        for entries in built.values():
            entries.sort(key=lambda entry: -len(entry[0]))
        _TRIE.update(built)
    return _TRIE


@dataclass(frozen=True, slots=True)
class CueHit:
    """A cue found in a sentence: words ``[first, last)`` of the note, by index."""

    first: int
    last: int
    cue: Cue


_SECTION_DEFAULT = {
    SectionKind.HISTORY_FAMILY: Effect.FAMILY,
    SectionKind.HISTORY_PAST: Effect.HISTORICAL,
    SectionKind.HISTORY_SURGICAL: Effect.HISTORICAL,
    SectionKind.INSTRUCTIONS: Effect.HYPOTHETICAL,
}


def find_cues(note: NoteWords, first: int, last: int) -> list[CueHit]:
    """Return the cues among the words ``[first, last)``, longest at each place, none inside another.

    Forward and backward cues of one phrase ("suspected") are both returned.
    """
    trie = _trie()
    raws = [word.raw for word in note.words[first:last]]
    hits: list[CueHit] = []
    at = 0
    while at < len(raws):
        entries = trie.get(raws[at])
        taken = 0
        if entries:
            for parts, cue in entries:
                if taken and len(parts) < taken:
                    break
                if tuple(raws[at : at + len(parts)]) == parts:
                    hits.append(CueHit(first + at, first + at + len(parts), cue))
                    taken = len(parts)
        at += taken or 1
    return hits


def assert_mention(
    hits: Sequence[CueHit], note: NoteWords, places: Sequence[int], section: SectionKind
) -> Assertion:
    """Return the assertion of a mention from the cues of its sentence and its section's default."""
    first, last = places[0], places[-1]
    effects: dict[Effect, str] = {}
    for number, hit in enumerate(hits):
        cue = hit.cue
        if cue.effect in (Effect.END, Effect.PSEUDO):
            continue
        if hit.first >= first and hit.last <= last + 1 and not (hit.first > last or hit.last <= first):
            if cue.effect is Effect.HISTORICAL:
                effects.setdefault(cue.effect, cue.phrase)
            continue  # the words of the mention itself ("absent", "no") do not judge it
        if cue.forward and hit.last <= first and first - hit.last < cue.limit:
            if not _ended(hits[number + 1 :], hit.last, first, cue.effect, note):
                effects.setdefault(cue.effect, cue.phrase)
        elif cue.backward and hit.first > last and hit.first - last <= cue.limit:
            between = [other for other in hits if last < other.first < hit.first]
            if not _ended(between, last, hit.first, cue.effect, note):
                effects.setdefault(cue.effect, cue.phrase)
    default = _SECTION_DEFAULT.get(section)
    if default is not None:
        effects.setdefault(default, section.value)
    return Assertion(
        Polarity.NEGATED if Effect.NEGATED in effects else Polarity.AFFIRMED,
        Certainty.UNCERTAIN if Effect.UNCERTAIN in effects else Certainty.CERTAIN,
        Temporality.HYPOTHETICAL
        if Effect.HYPOTHETICAL in effects
        else Temporality.HISTORICAL
        if Effect.HISTORICAL in effects
        else Temporality.CURRENT,
        Experiencer.FAMILY if Effect.FAMILY in effects else Experiencer.PATIENT,
        next(iter(effects.values()), ""),
    )


def _ended(between: Iterable[CueHit], start: int, end: int, effect: Effect, note: NoteWords) -> bool:
    """Say whether something between a cue and a mention ends the cue's reach."""
    for hit in between:
        if start <= hit.first < end and hit.cue.effect is Effect.HISTORICAL and hit.cue.forward and hit.first > start:
            if effect in (Effect.NEGATED, Effect.UNCERTAIN):
                return True  # "no residual weakness, history of cancer": a new item begins
        elif start <= hit.first < end and hit.cue.effect is Effect.END:
            return effect is not Effect.FAMILY or hit.cue.phrase in ("he has", "she has", "patient has", "he is", "she is")
    return False
