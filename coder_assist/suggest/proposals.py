"""From the mentions of an encounter's documents to proposed codes."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise

from coder_assist.codes import Library, Term
from coder_assist.codes.compiler import SOURCES
from coder_assist.codes.terms import STOPWORDS, Word, content_stems, key_of, words
from coder_assist.suggest.combinations import Combiner
from coder_assist.suggest.features import SECTION_GROUPS, Proposal, affirmed, section_group
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.specificity import SpecificityWalk
from coder_assist.suggest.wording import BODY_PARTS, canonical, denied, sign
from coder_assist.text.attributes import PART_REGIONS, side_in_heading, sides_of_parts
from coder_assist.types import (
    Candidate,
    Code,
    Document,
    Mention,
    MentionKind,
    Polarity,
    SectionKind,
    Span,
    System,
    Temporality,
)

RETRIEVED = 3
COMPETING = 3
LEAST_PRECISION = 0.12
MOST_PHRASES = 3
MOST_MENTIONS = 60
WEAKEST_RETRIEVAL = 0.45
# A code that the note contradicts (it says acute, the code chronic) keeps this much of its score.
CONTRADICTED = 0.7
CLOSE = 7
_MATCH_SCORE = {"exact": 1.0, "measurement": 1.0, "abbreviation": 0.95, "mended": 0.85, "shared": 0.85}
_LISTS = (
    SECTION_GROUPS["diagnosis_list"] | SECTION_GROUPS["diagnosis_early"] | SECTION_GROUPS["procedure_title"]
)
# Where an operation's name says that it was done once.
_PAST = frozenset({SectionKind.HISTORY_SURGICAL, SectionKind.HISTORY_PAST})
# Words that the terms of a site or a kind do not hold, and words that begin another clause.
_NOT_OF_A_TERM = frozenset(
    "left right bilateral acute chronic mild moderate severe degree first second third partial full thickness stage "
    "grade old new large small significant possible probable multiple several patient".split()
)
_CLAUSE = frozenset("and or with without but due from after while also".split())
# Where a procedure's name says that it was done now, rather than before or some day.
_PERFORMED = frozenset(
    {
        SectionKind.PROCEDURE,
        SectionKind.PROCEDURE_BODY,
        SectionKind.FINDINGS,
        SectionKind.COURSE,
        SectionKind.OTHER,
        SectionKind.RESULTS,
        SectionKind.PLAN,
        SectionKind.ASSESSMENT,
        SectionKind.HISTORY_PRESENT,
        SectionKind.INDICATION,
        SectionKind.DIAGNOSIS_POST,
        SectionKind.EXAMINATION,
    }
)


class Proposer:
    """Makes proposals over one library and the prior counts of a pack."""

    def __init__(self, library: Library, priors: Mapping[str, int]) -> None:
        self._library = library
        self._priors = priors
        self._walk = SpecificityWalk(library.icd, library.lexicon)
        self._combiner = Combiner(self._make)
        self._choices = lru_cache(maxsize=16384)(self._order)
        self._parts = lru_cache(maxsize=16384)(self._find_parts)
        self._vague = lru_cache(maxsize=16384)(self._is_vague)
        self._stems_of = lru_cache(maxsize=16384)(lambda text: tuple(content_stems(text)))

    def propose(
        self, documents: Sequence[Document], memory: PhraseMemory | None = None
    ) -> tuple[list[Proposal], frozenset[str]]:
        """Return the proposals of an encounter, and the conditions that its drugs usually treat.

        ``memory`` tells which codes the documents' learned phrases may mean; without it they mean nothing.
        """
        proposals: dict[Code, Proposal] = {}
        drugs: set[str] = set()
        around: list[_Surroundings] = []
        remembered: list[tuple[Document, Mention, float]] = []
        for document in documents:
            surroundings = _Surroundings(document)
            around.append(surroundings)
            length = max(1, len(document.note.text))
            for mention in document.mentions:
                position = mention.span.start / length
                if mention.source == "learned":
                    if memory is not None:
                        remembered.append((document, mention, position))
                    continue
                if mention.kind is MentionKind.DRUG:
                    facts = self._library.lexicon.drugs.get(mention.text.lower())
                    drugs.update(facts.conditions if facts else ())
                    if (
                        facts
                        and facts.status_code
                        and mention.assertion.temporality is not Temporality.HISTORICAL
                    ):
                        term = Term(mention.text.lower(), Code(System.ICD10CM, facts.status_code), "drug", 1)
                        self._add(
                            proposals, document, mention, surroundings, term, 0.7, "drug", 0, 0, position
                        )
                    continue
                for rank, (term, score, source, ambiguity) in enumerate(self._terms(mention)):
                    self._add(
                        proposals,
                        document,
                        mention,
                        surroundings,
                        term,
                        score,
                        source,
                        ambiguity,
                        rank,
                        position,
                    )
        if memory is not None:
            self._remember(proposals, remembered, memory)
        at_note = {surroundings.note_id: surroundings for surroundings in around}
        self._combiner.extend(proposals, lambda value, c: self._walked(value, c, at_note.get(c.note_id)))
        self._add_alternatives(proposals)
        self._weigh_procedures(proposals.values(), around)
        return list(proposals.values()), frozenset(drugs)

    def _walked(self, value: str, candidate: Candidate, surroundings: _Surroundings | None) -> str:
        """Return the billable code that the surroundings of a candidate's mention support below a node."""
        entry = self._library.icd.get(value)
        if entry is None or entry.billable or surroundings is None:
            return value
        mention = candidate.mention
        attributes = surroundings.attributes(mention, *self._walk.regions(value))
        return self._walk.resolve(value, surroundings.near(mention), surroundings.around, attributes).code

    def _remember(
        self,
        proposals: dict[Code, Proposal],
        mentions: Sequence[tuple[Document, Mention, float]],
        memory: PhraseMemory,
    ) -> None:
        """Add what the learned phrases of the documents are remembered for; of one code the best few phrases."""
        by_code: dict[Code, list[tuple[float, int, Document, Mention, float]]] = {}
        for document, mention, position in mentions:
            for found in memory.lookup(mention.term_keys[0]):
                if found.precision >= LEAST_PRECISION:
                    by_code.setdefault(found.code, []).append(
                        (found.precision, found.seen, document, mention, position)
                    )
        for code, phrases in by_code.items():
            phrases.sort(key=lambda phrase: (-phrase[0], -phrase[1], phrase[3].span))
            proposal = proposals.get(code) or Proposal(code, self._title(code))
            known = proposals.setdefault(code, proposal)
            holding = [p for p in phrases if p[3].assertion.polarity is Polarity.AFFIRMED] or phrases
            known.memory_precision, known.memory_support = holding[0][0], holding[0][1]
            known.memory_phrases = len({phrase[3].term_keys for phrase in phrases})
            taken: list[tuple[str, Span]] = []
            for precision, _, document, mention, position in phrases:
                place = (document.note.id, mention.span)
                if any(place[0] == note and place[1].overlaps(span) for note, span in taken):
                    continue
                taken.append(place)
                known.candidates.append(
                    Candidate(mention, code, "memory", mention.text.lower(), precision, document.note.id)
                )
                known.position = min(known.position, position)
                if len(taken) == MOST_PHRASES:
                    break

    def _title(self, code: Code) -> str:
        book = self._library.books.get(code.system)
        entry = book.get(code.value) if book is not None else None
        return entry.title if entry else f"(not in edition {self._library.edition.name})"

    def _add_alternatives(self, proposals: dict[Code, Proposal]) -> None:
        """Let the nearest alternatives of each proposal compete with it, on the same words."""
        for proposal in list(proposals.values()):
            known = [c for c in proposal.candidates if affirmed(c) and c.source != "retrieval"]
            for place, value in enumerate(proposal.alternatives[:COMPETING] if known else (), 1):
                code = Code(System.ICD10CM, value)
                if code in proposals:
                    continue
                rival = self._make(code)
                if rival is None:
                    continue
                rival.candidates = [
                    replace(c, code=code, source="alternative", score=c.score * 0.5) for c in known
                ]
                rival.position, rival.list_place = proposal.position, proposal.list_place
                rival.alternatives = [proposal.code.value, *(a for a in proposal.alternatives if a != value)]
                rival.alternative_rank = place
                proposals[code] = rival

    def _weigh_procedures(self, proposals: Iterable[Proposal], around: Sequence[_Surroundings]) -> None:
        """Look in the notes for the cues that set a procedure apart from its family."""
        proposals = [p for p in proposals if p.code.system is System.CPT]
        if not proposals:
            return
        # Cues begin at a word: "2 cm" is not in "1.2 cm", and "open" is not in "reopen".
        text = " " + " ".join(word.raw for surroundings in around for word in surroundings.words) + " "
        for proposal in proposals:
            facts = self._library.lexicon.procedures.get(proposal.code.value)
            if facts is None:
                continue
            proposal.family = facts.family
            if facts.requires:
                met = all(any(f" {cue}" in text for cue in group) for group in facts.requires)
                proposal.requirement = 1.0 if met else -1.0
            proposal.excluded = any(f" {cue}" in text for cue in facts.excludes)

    def _make(self, code: Code) -> Proposal | None:
        entry = self._library.icd.get(code.value)
        return Proposal(code, entry.title) if entry is not None else None

    def _terms(self, mention: Mention) -> Iterable[tuple[Term, float, str, int]]:
        """Return the terms a mention may mean, first choice first, with score, source and ambiguity."""
        if mention.source == "phrase":
            hits = self._library.lexicon.retrieve(content_stems(mention.text), RETRIEVED)
            return [
                (h.term, h.score, "retrieval", len(hits) - 1) for h in hits if h.score >= WEAKEST_RETRIEVAL
            ]
        score = _MATCH_SCORE[mention.source]
        if mention.codes:
            source = mention.source
            terms = [
                Term(mention.text.lower(), Code(System.ICD10CM, value), source, 1) for value in mention.codes
            ]
            return [(term, score, source, 0) for term in terms]
        choices = self._choices(mention.term_keys)
        return [(term, score, term.source, len(choices) - 1) for term in choices]

    def _order(self, keys: tuple[int, ...]) -> tuple[Term, ...]:
        """Order the codes that a key may mean: authored before official, then by prior counts.

        A header that stands above another choice is left out: the walk comes from the deeper one.
        """
        terms = [term for key in keys for term in self._library.lexicon.terms_of(key)]
        lifted: dict[Code, Term] = {}
        for term in terms:
            code = term.code
            if code.system is System.ICD10CM:
                code = Code(code.system, self._walk.lift(code.value))
            known = lifted.get(code)
            if known is None or SOURCES.index(term.source) < SOURCES.index(known.source):
                lifted[code] = Term(term.text, code, term.source, term.length)
        kept = [
            term
            for code, term in lifted.items()
            if not any(other != code and self._is_above(code, other) for other in lifted)
        ]
        kept.sort(
            key=lambda term: (
                term.source != "synonym",
                -self._weight(term.code),
                SOURCES.index(term.source),
                term.code,
            )
        )
        return tuple(kept)

    def _is_above(self, code: Code, other: Code) -> bool:
        return code.system is System.ICD10CM is other.system and other.value.startswith(code.value)

    def _weight(self, code: Code) -> int:
        return self._priors.get(code.value, 0)

    def _add(
        self,
        proposals: dict[Code, Proposal],
        document: Document,
        mention: Mention,
        surroundings: _Surroundings,
        term: Term,
        score: float,
        source: str,
        ambiguity: int,
        rank: int,
        position: float,
        whole: bool = True,
    ) -> None:
        code = term.code
        if code.system is not System.ICD10CM:
            if mention.section in _PERFORMED:
                self._gather(
                    proposals,
                    Candidate(mention, code, source, term.text, score, document.note.id),
                    rank,
                    ambiguity,
                    position,
                    99,
                )
            elif (
                mention.section in _PAST or mention.assertion.temporality is Temporality.HISTORICAL
            ) and mention.assertion.polarity is Polarity.AFFIRMED:
                self._add_past_procedure(proposals, document, mention, surroundings, code, position)
            return
        near = surroundings.near(mention)
        attributes = surroundings.attributes(mention, *self._walk.regions(self._walk.lift(code.value)))
        close = surroundings.close(mention)
        resolutions = self._walk.resolve_sides(code.value, near, surroundings.around, attributes, close)
        if source not in ("drug", "retrieval", "measurement") and self._vague(resolutions[0].code):
            completed = self._completed(mention, surroundings, code)
            if completed != code:
                resolutions = self._walk.resolve_sides(
                    completed.value, near, surroundings.around, attributes, close
                )
        for resolution in resolutions:
            candidate = Candidate(
                mention,
                Code(System.ICD10CM, resolution.code),
                source,
                term.text,
                score * CONTRADICTED if resolution.contradicted else score,
                document.note.id,
            )
            proposal = self._gather(
                proposals, candidate, rank, ambiguity, position, surroundings.list_place(mention)
            )
            if len(proposal.candidates) == 1:
                proposal.alternatives = list(resolution.alternatives)
                proposal.assumed = resolution.assumed
        for part in self._parts(code.value, mention.text) if whole else ():
            self._add(
                proposals,
                document,
                mention,
                surroundings,
                part,
                score * 0.9,
                source,
                0,
                rank,
                position,
                False,
            )

    def _add_past_procedure(
        self,
        proposals: dict[Code, Proposal],
        document: Document,
        mention: Mention,
        surroundings: _Surroundings,
        code: Code,
        position: float,
    ) -> None:
        """Add the status that an operation of the past leaves: a knee replacement gives Z96.65-."""
        value = self._combiner.history_of(code.value)
        if value is None or self._library.icd.get(value) is None:
            return
        attributes = surroundings.attributes(mention, *self._walk.regions(value))
        near = surroundings.near(mention)
        for resolution in self._walk.resolve_sides(value, near, surroundings.around, attributes):
            status = Code(System.ICD10CM, resolution.code)
            known = proposals.get(status)
            if known and any(c.mention is mention for c in known.candidates):
                continue
            candidate = Candidate(mention, status, "history", mention.text.lower(), 0.8, document.note.id)
            self._gather(proposals, candidate, 0, 0, position, 99)

    def _is_vague(self, value: str) -> bool:
        entry = self._library.icd.get(value)
        return entry is not None and "unspecified" in entry.title.lower()

    def _completed(self, mention: Mention, surroundings: _Surroundings, code: Code) -> Code:
        """Return the code of a longer term that the words next to a vague mention complete, if there is one.

        "Burn of the right palm" holds "burn" (site unspecified) and, in pieces, "palm burn".
        """
        if code.value[0] == "F":
            return code  # "depression" next to "psychosis" is two disorders, not one
        own = [stem for stem in self._stems_of(mention.text) if stem not in _NOT_OF_A_TERM]
        best: tuple[int, Code] | None = None
        for added in surroundings.beside(mention):
            if not own or any(stem in own for stem in added):
                continue
            for term in self._library.lexicon.terms_of(key_of([*own, *added])):
                if (
                    term.code.system is System.ICD10CM
                    and term.code.value[0] == code.value[0]
                    and (not self._vague(term.code.value) or term.code.value[:3] != code.value[:3])
                    and (best is None or len(added) > best[0])
                ):
                    best = (len(added), term.code)
        return best[1] if best else code

    def _terms_of_stems(self, stems: tuple[str, ...]) -> tuple[Term, ...]:
        found = self._order((key_of(list(stems)),))
        if found or len(stems) > 1:
            return found
        senses = self._library.lexicon.senses.get(stems[0].upper(), ())
        return tuple(
            Term(stems[0], Code(System.ICD10CM, value), "abbreviation", 1)
            for sense in senses
            for value in sense.codes
        )

    def _find_parts(self, value: str, text: str) -> tuple[Term, ...]:
        """Return the terms inside a combination's term that name its parts.

        "COPD with pneumonia" is J44.0 and, by its note "code also to identify the infection", J18.9.
        """
        groups, replaced = self._combiner.parts_of(value)
        if not groups:
            return ()
        stems = tuple(content_stems(text))
        found: list[Term] = []
        taken: set[tuple[str, ...]] = set()
        for length in range(len(stems) - 1, 0, -1):
            for first in range(len(stems) - length + 1):
                for term in self._terms_of_stems(stems[first : first + length]):
                    group = next((g for g in groups if term.code.value.startswith(g)), None)
                    if group is None or group in taken or term.code.value.startswith(replaced):
                        continue
                    taken.add(group)
                    found.append(term)
        return tuple(found)

    def _gather(
        self,
        proposals: dict[Code, Proposal],
        candidate: Candidate,
        rank: int,
        ambiguity: int,
        position: float,
        list_place: int,
    ) -> Proposal:
        proposal = proposals.get(candidate.code)
        if proposal is None:
            title = self._library.entry(candidate.code).title
            proposal = proposals[candidate.code] = Proposal(candidate.code, title)
        if len(proposal.candidates) < MOST_MENTIONS:
            proposal.candidates.append(candidate)
        proposal.position = min(proposal.position, position)
        proposal.list_place = min(proposal.list_place, list_place)
        if rank < proposal.rank_in_term or len(proposal.candidates) == 1:
            proposal.rank_in_term = min(rank, 1)
            proposal.ambiguity = ambiguity
        return proposal


_SIDE = re.compile(
    r"\b(left|right|bilateral)\b(?! (?:hand(?:ed)?|lateral decubitus|lower quadrant|upper quadrant)\b)",
    re.IGNORECASE,
)


# The one type of diabetes that a note states holds for each of its complications.
_DIABETES = re.compile(
    r"\b(?:type (?=(?:1|2|i|ii) (?:diab|dm))|(?:diabetes|diabetes mellitus|dm),? type )(1|2|ii|i)\b",
    re.IGNORECASE,
)
_LEVELS = re.compile(r"\b([CTL])(\d{1,2})\s*(?:-|/|to|and)\s*([CTLS]?)(\d{1,2})\b", re.IGNORECASE)
_REGIONS = {"c": "cervical", "t": "thoracic", "l": "lumbar"}


def spine_levels(text: str) -> frozenset[str]:
    """Return the words that code titles use for the spinal levels of a text.

    >>> sorted(spine_levels("HNP at C5-6 and L5-S1"))
    ['c5', 'c5-c6', 'c6', 'cervical', 'l5', 'l5-s1', 'lumbosacral', 's1']
    """
    found: set[str] = set()
    for first, number, second, other in _LEVELS.findall(text.lower()):
        second = second or first
        found |= {f"{first}{number}", f"{second}{other}", "lumbosacral" if second == "s" else _REGIONS[first]}
        found.add(f"{first}{number}-{second}{other}")
    return frozenset(found)


def _only_side(text: str) -> str | None:
    """Return the one side that a note speaks of at least twice, if it never names the other."""
    found = Counter(match[1].lower() for match in _SIDE.finditer(text))
    return next(iter(found)) if len(found) == 1 and found.total() > 1 else None


class _Surroundings:
    """The words around the mentions of a document, cut once."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.note_id = document.note.id
        self._sentences: dict[int, frozenset[str]] = {}
        lists = [section for section in document.sections if section.kind in _LISTS]
        text = document.note.text
        self.words = words(text)
        self._starts = [word.start for word in self.words]
        self._parts: dict[int, frozenset[str]] = {}
        self._section_starts = [section.span.start for section in document.sections]
        self.around = frozenset(stem for s in lists for stem in self._stems(Span(s.body, s.span.end)))
        self._first_line: dict[SectionKind, int] = {}
        for mention in document.mentions:
            self._first_line.setdefault(mention.section, mention.sentence)
        sides: dict[tuple[int, ...], set[str]] = {}
        listed: set[str] = set()
        for mention in document.mentions:
            side = mention.attributes.get("laterality")
            if side:
                sides.setdefault(mention.term_keys, set()).add(side)
                if section_group(mention.section) in ("diagnosis_list", "diagnosis_early", "procedure_title"):
                    listed.add(side)
        self._sides = {keys: next(iter(found)) for keys, found in sides.items() if keys and len(found) == 1}
        self._listed_side = next(iter(listed)) if len(listed) == 1 else _only_side(text)
        self._part_sides = sides_of_parts(self.words, text)
        self._region_sides: dict[str, set[str]] = {}
        for part, found in self._part_sides.items():
            self._region_sides.setdefault(PART_REGIONS[part], set()).update(found)
        types = {"1" if match[1].lower() in ("1", "i") else "2" for match in _DIABETES.finditer(text)}
        self._type = next(iter(types)) if len(types) == 1 else None
        self._listed_regions = frozenset(
            PART_REGIONS[part] for part, found in self._part_sides.items() if self._listed_side in found
        )

    def list_place(self, mention: Mention) -> int:
        """Return the place of a mention's line in its diagnosis list, 1 first; 99 outside of one."""
        if section_group(mention.section) not in ("diagnosis_list", "diagnosis_early"):
            return 99
        return mention.sentence - self._first_line[mention.section] + 1

    def _stems(self, span: Span) -> frozenset[str]:
        first, last = bisect_left(self._starts, span.start), bisect_left(self._starts, span.end)
        return canonical(word.stem for word in self.words[first:last])

    def near(self, mention: Mention) -> frozenset[str]:
        """Return the stems of a mention's sentence and heading, those behind "without" marked as denied."""
        found = self._sentences.get(mention.sentence)
        if found is None:
            text, sentence = self._document.note.text, self._document.sentences[mention.sentence]
            first, last = bisect_left(self._starts, sentence.start), bisect_left(self._starts, sentence.end)
            found = frozenset(sign(text, self.words[first:last])) | spine_levels(sentence.slice(text))
            found |= self._heading_parts(self._section(mention))
            self._sentences[mention.sentence] = found
        return found

    def close(self, mention: Mention) -> frozenset[str]:
        """Return the stems of a mention and of the words next to it in its sentence."""
        sentence = self._document.sentences[mention.sentence]
        first = bisect_left(self._starts, sentence.start)
        last = bisect_left(self._starts, sentence.end)
        low = max(first, bisect_left(self._starts, mention.span.start) - CLOSE // 2)
        high = min(last, bisect_left(self._starts, mention.span.end) + CLOSE)
        text = canonical(word.stem for word in self.words[low:high])
        near = self.near(mention)
        return frozenset(stem for stem in text if denied(stem) not in near)

    def beside(self, mention: Mention) -> list[tuple[str, ...]]:
        """Return the content words, and neighbouring pairs of them, that stand next to a mention."""
        sentence = self._document.sentences[mention.sentence]
        text = self._document.note.text
        first, last = bisect_left(self._starts, sentence.start), bisect_left(self._starts, sentence.end)
        low, high = bisect_left(self._starts, mention.span.start), bisect_left(self._starts, mention.span.end)
        before = [self.words[at] for at in range(max(first, low - 3), min(low, last))]
        after: list[Word] = []
        for at in range(max(high, first), min(last, high + CLOSE)):
            gap = text[self.words[at - 1].end : self.words[at].start]
            if self.words[at].raw in _CLAUSE or any(mark in gap for mark in ";:.()"):
                break
            after.append(self.words[at])
        found: list[tuple[str, ...]] = []
        for stretch in (before, after):
            stems = [
                word.stem
                for word in stretch
                if word.stem not in STOPWORDS and word.stem not in _NOT_OF_A_TERM
            ]
            found += [(stem,) for stem in stems]
            found += list(pairwise(stems))
        found += [(part,) for part in sorted(self._heading_parts(self._section(mention)))]
        return found

    def _section(self, mention: Mention) -> int:
        """Return the number of the section that a mention stands in."""
        return bisect_right(self._section_starts, mention.span.start) - 1

    def _heading_parts(self, section: int) -> frozenset[str]:
        """Return the parts of the body that a heading names ("LEFT KNEE:")."""
        if section not in self._parts:
            title = self._document.sections[section].title
            self._parts[section] = frozenset(word.stem for word in words(title)) & BODY_PARTS
        return self._parts[section]

    def attributes(
        self, mention: Mention, parts: frozenset[str], regions: frozenset[str]
    ) -> Mapping[str, str]:
        """Return a mention's attributes for a code that names ``parts`` of the body; a side may be taken over.

        In order: its own side, that of the same words elsewhere, of its heading, of the code's part of the
        body in the note, of the diagnosis lists unless they speak of another part.
        """
        known = mention.attributes
        if self._type and "type" not in known:
            known = {**known, "type": self._type}
        if "laterality" in known:
            return known
        side = self._sides.get(mention.term_keys) or side_in_heading(
            self._document.sections[self._section(mention)].title
        )
        if side is None and parts:
            stated = {side for part in parts for side in self._part_sides.get(part, ())}
            side = next(iter(stated)) if len(stated) == 1 else None
        if side is None and regions:
            stated = {side for region in regions for side in self._region_sides.get(region, ())}
            side = next(iter(stated)) if len(stated) == 1 else None
        if side is None and (not regions or not self._listed_regions or regions & self._listed_regions):
            side = self._listed_side
        return {**known, "laterality": side} if side else known
