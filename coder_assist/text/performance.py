"""Whether a procedure was done: now, before, or not; planned, ordered or declined.

The phrase nearest to a procedure in its sentence speaks for it. Where the note has no phrase for it, the
section decides elsewhere (``suggest``); a title of an operation needs none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache

from coder_assist.codes.terms import words
from coder_assist.text.cues import each
from coder_assist.text.matcher import NoteWords
from coder_assist.types import Assertion, Polarity, SectionKind, Temporality


class Performance(StrEnum):
    """What a note says of a procedure's doing."""

    NOW = "now"
    DONE = "done"
    BEFORE = "before"
    PLANNED = "planned"
    ORDERED = "ordered"
    DECLINED = "declined"


NOT_DONE = frozenset({Performance.PLANNED, Performance.ORDERED, Performance.DECLINED})

# Where an operation or study is told, its name says that it was done.
TOLD = frozenset(
    {
        SectionKind.PROCEDURE,
        SectionKind.PROCEDURE_BODY,
        SectionKind.DIAGNOSIS_POST,
        SectionKind.ANESTHESIA,
        SectionKind.ADMINISTRATIVE,
    }
)

# Where work is told that was done since; there "ordered" says no more than that.
_RESULTS = frozenset({SectionKind.RESULTS, SectionKind.FINDINGS, SectionKind.COURSE, SectionKind.EXAMINATION})

# How many words a phrase reaches; "previous" belongs to what it stands next to.
_REACH = 9
_NEXT_TO = 3
_YIELDS = 4
_BEFORE_IT: dict[Performance, list[str]] = {
    Performance.NOW: ["we did", "we performed", "we obtained", "we injected", "i performed", "i injected", "i did"],
    Performance.DONE: [
        *each("underwent|performed|taken|obtained|administered|applied|injected|inserted|was given|were given|given"),
        *each("had|has had|had undergone|has undergone", "a|an|some"),
    ],
    Performance.BEFORE: [
        *each("|most", "recent"), *each("weeks|months|years|days", "out from", "|a|an|his|her|the"), *each("previously had|previously underwent", "|a|an"),
        *each("status post|s/p|history of|h/o|prior|previous|past|last|old|since her|since his|after her|after his|post"),
    ],
    Performance.PLANNED: [
        *each("scheduled|schedule|rescheduled|set up|arranged|arrange|booked|plan|plans|planned|planning", "for|to have|to undergo|on|her for|him for|a|an|the"),
        *each("will|going to|is to|needs to|wishes to|would like to|plan to|plans to|elected to|agreed to|to", "undergo|have|proceed with|proceed to|return for|be scheduled for|get"),
        *each("candidate for|consents to|consented to|consent for|proceed with|prior to|preparation for|prep for|before|awaiting|await|pending|return for|"
              "will return for|set up|will schedule|plan|plan is for|plans for"),
    ],
    Performance.ORDERED: [
        *each("order|orders|ordered|ordering|request|requested|requesting|recommend|recommends|recommended|recommending|advise|advised|suggest|"
              "suggested|consider|considering|obtain|check|checking|recheck|get|getting|refer for|referred for|referral for|refer her for|refer him for|"
              "needs|need|should have|should undergo|should get|due for|overdue for|send for|sent for|send|discussed|offered|encouraged|"
              "indicated for|benefit from|require|requires|follow up|followup|monitor|follow"),
        *each("will|would|to|we'll|should|can|may", "need|require|order|obtain|check|recheck|get|repeat|do|check|send|start|begin|consider|try|follow|be sent for"),
    ],
    Performance.DECLINED: each(
        "declines|declined|refuses|refused|deferred|defer|defers|does not want|did not want|does not wish|did not wish|not interested in|no need for|"
        "opted against|decided against|not a candidate for|contraindication to|contraindicated for|cancel|cancelled|canceled|instead of|rather than|unable to undergo|"
        "does not need|did not need|not require|did not require|hold off on|avoid|never had|has not had|not had|no prior|no previous"
    ),
}  # fmt: skip
_AFTER_IT: dict[Performance, list[str]] = {
    Performance.NOW: each("today|in the office|in office|in the clinic|in clinic|at this visit|this visit|by myself|by me|with myself|as read by me|interpreted by me|as interpreted by me"),
    Performance.DONE: each("was|were|has been|have been", "performed|done|obtained|taken|given|carried out|applied|administered|placed|conducted|completed|inserted"),
    Performance.BEFORE: [
        *each("days|weeks|months|years|week|month|year|day", "ago|prior|earlier|before"),
        *each("last", "week|month|year|summer|winter|fall|spring|visit|january|february|march|april|may|june|july|august|september|october|november|december"),
        "in the past", "previously", "at that time", "at an outside hospital", "at outside hospital", "elsewhere",
    ],
    Performance.PLANNED: [
        *each("is|was|has been|are|were|will be|to be", "scheduled|planned|booked|arranged|set up"),
        *each("will be|to be|should be|could be|may be|would be", "performed|done|obtained|carried out|repeated|given|necessary|needed|required"),
        *each("scheduled for|planned for|next week|next month|tomorrow|in the near future|in the future|at a later date|on discharge"),
    ],
    Performance.ORDERED: [
        *each("is|was|are|were|has been|have been|also|be", "ordered|recommended|advised|requested|suggested|considered|indicated|warranted|pending|discussed|offered|due"),
        *each("pending|ordered|recommended|prn|as needed"),
        *each("will be", "ordered|requested|obtained|drawn|sent|checked|rechecked"),
    ],
    Performance.DECLINED: [
        *each("is|was|were|has been|be", "declined|refused|deferred|cancelled|canceled|contraindicated|not done|not performed|not obtained|not needed|not necessary|not indicated|not recommended"),
        *each("declined|refused|deferred|not performed|not done|not obtained|could not be performed|could not be done|is not indicated"),
    ],
}  # fmt: skip
# What makes a procedure one of the past even in the list of an operation's diagnoses.
_LED = re.compile(r"(?:^| )(?:status post|s/p|history of|h/o|hx of)(?: (?!and |for )\S+){0,3}$")
_LEADS = 6
# Words behind which another clause begins.
_CLAUSE = frozenset("but however which who although though because whereas then".split())

_Table = dict[str, list[tuple[tuple[str, ...], Performance]]]


def _table(phrases: dict[Performance, list[str]]) -> _Table:
    built: _Table = {}
    for performance, texts in phrases.items():
        for text in dict.fromkeys(texts):
            parts = tuple(word.raw for word in words(text))
            built.setdefault(parts[0], []).append((parts, performance))
    for entries in built.values():
        entries.sort(key=lambda entry: -len(entry[0]))
    return built


@lru_cache(maxsize=1)
def _tables() -> tuple[_Table, _Table]:
    return _table(_BEFORE_IT), _table(_AFTER_IT)


def performance_of(
    note: NoteWords, places: Sequence[int], section: SectionKind, assertion: Assertion
) -> Performance | None:
    """Return what a note says of the procedure named at ``places``, ``None`` if it says nothing."""
    first, last = note.ranges[note.sentence_of[places[0]]]
    if section in TOLD:
        led = " ".join(word.raw for word in note.words[max(first, places[0] - _LEADS) : places[0]])
        return Performance.BEFORE if _LED.search(led) else Performance.DONE
    before, after = _tables()
    found = [
        *_nearest(note, before, first, places, back=True),
        *_nearest(note, after, last, places, back=False),
    ]
    if any(performance is Performance.NOW for _, performance in found) or any(
        note.words[place].raw == "today" for place in places
    ):
        return Performance.NOW
    # "Had" and "performed" yield to what stands a little further off: "had a colonoscopy two years ago".
    told = min(found, key=lambda hit: hit[0] + _YIELDS * (hit[1] is Performance.DONE), default=None)
    if told is not None and told[1] is Performance.ORDERED and section in _RESULTS:
        return Performance.DONE
    if assertion.temporality is Temporality.HYPOTHETICAL:
        return Performance.PLANNED if told is None or told[1] not in NOT_DONE else told[1]
    if assertion.polarity is Polarity.NEGATED and (told is None or told[1] not in NOT_DONE):
        return None
    if assertion.temporality is Temporality.HISTORICAL and (told is None or told[1] is Performance.DONE):
        return Performance.BEFORE
    return told[1] if told is not None else None


def _nearest(
    note: NoteWords, table: _Table, end: int, places: Sequence[int], *, back: bool
) -> Iterator[tuple[int, Performance]]:
    """Yield the phrases on one side of a mention, or among its own words, with their distance from it.

    ``end`` is where the sentence begins or ends on that side; neither the reach nor a clause is left.
    """
    own, far = (places[0], places[-1]) if back else (places[-1], places[0])
    first, last = (max(end, own - _REACH), far) if back else (far, min(end, own + 1 + _REACH))
    if back:
        for at in range(own - 1, first - 1, -1):
            if note.words[at].raw in _CLAUSE or ";" in note.between(at):
                first = at + 1
                break
    at = first
    while at < last:
        raw = note.words[at].raw
        if not back and at > own and raw in _CLAUSE:
            return
        taken = 0
        for parts, performance in table.get(raw, ()):
            stop = at + len(parts)
            if stop <= last and all(note.words[at + step].raw == part for step, part in enumerate(parts)):
                distance = max(0, own - stop if back else at - own - 1)
                if not (back and performance is Performance.BEFORE and distance > _NEXT_TO):
                    yield distance, performance
                taken = len(parts)
                break
        at += taken or 1
