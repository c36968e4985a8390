"""From the mentions of an encounter's documents to proposed codes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from coder_assist.codes import Hit, Library, Term
from coder_assist.codes.compiler import SOURCES
from coder_assist.codes.terms import content_stems, key_of
from coder_assist.suggest.amendments import Amendments
from coder_assist.suggest.combinations import Combiner, tells_of_a_newborn
from coder_assist.suggest.families import Families
from coder_assist.suggest.features import NOT_TODAY, Proposal, affirmed
from coder_assist.suggest.memory import PhraseMemory, may_hold, speaks_of_pregnancy
from coder_assist.suggest.specificity import SpecificityWalk
from coder_assist.suggest.surroundings import NOT_OF_A_TERM, Surroundings
from coder_assist.suggest.titles import Title, titles_of
from coder_assist.text.performance import Performance
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
MOST_OF_TITLE = 6
ALL_OF_IT = 0.999
# A title below this needs the diagnoses to say what was operated on; how many terms both may name together.
NAMED_BY_TITLE = 0.8
MOST_WITH_LISTS = 20
COMPETING = 3
LEAST_PRECISION = 0.12
MOST_PHRASES = 3
MOST_MENTIONS = 60
WEAKEST_RETRIEVAL = 0.45
# A code that the note contradicts (it says acute, the code chronic) keeps this much of its score.
CONTRADICTED = 0.7
_MATCH_SCORE = {"exact": 1.0, "measurement": 1.0, "abbreviation": 0.95, "mended": 0.85, "shared": 0.85}
# Where an operation's name says that it was done once.
_PAST = frozenset({SectionKind.HISTORY_SURGICAL, SectionKind.HISTORY_PAST})
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


def _of_a_site(value: str, other: str) -> bool:
    """Say whether a code is that of an injury whose site the other gives: T14 is for the unspecified region."""
    return value.startswith("T14") and other[0] == "S"


class Proposer:
    """Makes proposals over one library and the prior counts of a pack."""

    def __init__(self, library: Library, priors: Mapping[str, int]) -> None:
        self._library = library
        self._priors = priors
        self._walk = SpecificityWalk(library.icd, library.lexicon)
        self._combiner = Combiner(self._make)
        self._families = Families(library.lexicon.procedures)
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
        around: list[Surroundings] = []
        remembered: list[tuple[Document, Mention]] = []
        amendments = Amendments(documents)
        for document in documents:
            surroundings = Surroundings(document, amendments.sides)
            around.append(surroundings)
            for mention in document.mentions:
                if mention.source == "learned":
                    if memory is not None:
                        remembered.append((document, mention))
                    continue
                if mention.kind is MentionKind.DRUG:
                    facts = self._library.lexicon.drug(mention.text)
                    drugs.update(facts.conditions if facts else ())
                    if (
                        facts
                        and facts.status_code
                        and mention.assertion.temporality is not Temporality.HISTORICAL
                    ):
                        term = Term(mention.text.lower(), Code(System.ICD10CM, facts.status_code), "drug", 1)
                        self._add(proposals, document, mention, surroundings, term, 0.7, "drug", 0, 0)
                    continue
                for rank, (term, score, source, ambiguity) in enumerate(self._terms(mention)):
                    self._add(
                        proposals, document, mention, surroundings, term, score, source, ambiguity, rank
                    )
            self._add_titles(proposals, document, surroundings)
        if memory is not None:
            self._remember(proposals, remembered, memory)
        at_note = {surroundings.note_id: surroundings for surroundings in around}
        newborn = any(tells_of_a_newborn(surroundings.text) for surroundings in around)
        self._combiner.extend(
            proposals, lambda value, c: self._walked(value, c, at_note.get(c.note_id)), newborn
        )
        amendments.apply(list(proposals.values()))
        self._add_alternatives(proposals)
        self._families.weigh(proposals, around)
        return list(proposals.values()), frozenset(drugs)

    def _add_titles(
        self, proposals: dict[Code, Proposal], document: Document, surroundings: Surroundings
    ) -> None:
        """Add the procedures whose words stand in a title that nothing else explains."""
        lexicon = self._library.lexicon
        for title in titles_of(document, lexicon):
            hits = lexicon.held_by(title.stems, System.CPT, MOST_OF_TITLE)
            if title.whole:
                hits = [hit for hit in hits if hit.score > ALL_OF_IT]
            elif not hits or hits[0].score < NAMED_BY_TITLE:
                hits += self._named_with_lists(title, surroundings, {hit.term.code for hit in hits})
            for rank, hit in enumerate(hits):
                source = hit.term.source if hit.score > ALL_OF_IT else "retrieval"
                self._add(
                    proposals, document, title.mention, surroundings, hit.term, hit.score, source, 0, rank
                )

    def _named_with_lists(self, title: Title, surroundings: Surroundings, known: set[Code]) -> list[Hit]:
        """Return the procedures that a title names together with the lists of diagnoses: "closed reduction"
        below "distal radius fracture". All words of the term stand there, most of the title's among them.
        """
        around = {*title.stems, *surroundings.around}
        hits = self._library.lexicon.held_by(sorted(around), System.CPT, MOST_WITH_LISTS)
        found = []
        for hit in hits:
            of_term = set(self._stems_of(hit.term.text))
            shared = len(of_term.intersection(title.stems))
            if (
                hit.term.code not in known
                and of_term <= around
                and 2 * shared >= len(title.stems)
                and shared > 1
            ):
                found.append(hit)
        return found

    def _walked(self, value: str, candidate: Candidate, surroundings: Surroundings | None) -> str:
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
        mentions: Sequence[tuple[Document, Mention]],
        memory: PhraseMemory,
    ) -> None:
        """Add what the learned phrases of the documents are remembered for; of one code the best few phrases."""
        by_code: dict[Code, list[tuple[float, int, Document, Mention]]] = {}
        held = {code.value[:3] for code, known in proposals.items() if any(map(affirmed, known.candidates))}
        documents = {document.note.id: document for document, _ in mentions}.values()
        if any(speaks_of_pregnancy(document.note.text) for document in documents):
            held.add("O")
        told = _told_of_procedures(documents)
        for document, mention in mentions:
            for found in memory.lookup(mention.term_keys[0]):
                if found.precision >= LEAST_PRECISION and (
                    found.code in proposals or may_hold(found.code, held)
                ):
                    by_code.setdefault(found.code, []).append(
                        (found.precision, found.seen, document, mention)
                    )
        for code, phrases in by_code.items():
            phrases.sort(key=lambda phrase: (-phrase[0], -phrase[1], phrase[3].span))
            proposal = proposals.get(code) or Proposal(code, self._title(code))
            if code.system is not System.ICD10CM:
                # Where a sentence says of its procedures that they were not done today, no phrase of it says so.
                phrases = [
                    p
                    for p in phrases
                    if not (said := told.get((p[2].note.id, p[3].sentence))) or not said <= NOT_TODAY
                ]
                if not phrases:
                    continue
            known = proposals.setdefault(code, proposal)
            holding = [p for p in phrases if p[3].assertion.polarity is Polarity.AFFIRMED] or phrases
            known.memory_precision, known.memory_support = holding[0][0], holding[0][1]
            known.memory_phrases = len({phrase[3].term_keys for phrase in phrases})
            taken: list[tuple[str, Span]] = []
            for precision, _, document, mention in phrases:
                place = (document.note.id, mention.span)
                if any(place[0] == note and place[1].overlaps(span) for note, span in taken):
                    continue
                taken.append(place)
                known.candidates.append(
                    Candidate(mention, code, "memory", mention.text.lower(), precision, document.note.id)
                )
                known.position = min(known.position, mention.span.start)
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
                    Candidate(c.mention, code, "alternative", c.term, c.score * 0.5, c.note_id) for c in known
                ]
                rival.position, rival.list_place = proposal.position, proposal.list_place
                rival.alternatives = [proposal.code.value, *(a for a in proposal.alternatives if a != value)]
                rival.alternative_rank = place
                proposals[code] = rival

    def _make(self, code: Code) -> Proposal | None:
        entry = self._library.icd.get(code.value)
        return Proposal(code, entry.title) if entry is not None else None

    def _terms(self, mention: Mention) -> Iterable[tuple[Term, float, str, int]]:
        """Return the choices of a mention; the words "body mass index" without a number choose no index."""
        measured = mention.source == "measurement" or any(map(str.isdigit, mention.text))
        return [
            choice
            for choice in self._choices_of(mention)
            if measured or not choice[0].code.value.startswith("Z68")
        ]

    def _choices_of(self, mention: Mention) -> Iterable[tuple[Term, float, str, int]]:
        """Return the terms a mention may mean, first choice first, with score, source and ambiguity."""
        if mention.source == "phrase":
            if mention.section is SectionKind.PROCEDURE:
                return []  # read by ``_add_titles``
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
        # A HCPCS code stands beside the diagnosis or CPT code of the same words, it does not rival them.
        meant = sum(term.code.system is not System.HCPCS for term in choices) or len(choices)
        return [(term, score, term.source, meant - 1) for term in choices]

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
                term.code.system is System.HCPCS,
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
        surroundings: Surroundings,
        term: Term,
        score: float,
        source: str,
        ambiguity: int,
        rank: int,
        whole: bool = True,
    ) -> None:
        code = term.code
        if code.system is not System.ICD10CM:
            if mention.section in _PERFORMED and self._given(document, mention, code):
                self._gather(
                    proposals,
                    Candidate(mention, code, source, term.text, score, document.note.id),
                    rank,
                    ambiguity,
                    99,
                )
            before = (
                mention.section in _PAST
                or mention.assertion.temporality is Temporality.HISTORICAL
                or mention.attributes.get("performance") == Performance.BEFORE
                or (
                    mention.section in (SectionKind.HISTORY_PRESENT, SectionKind.OTHER)
                    and mention.attributes.get("performance") == Performance.DONE
                    and not code.value.startswith("59")  # a delivery that is told is the one of this stay
                )
            )
            if before and mention.assertion.polarity is Polarity.AFFIRMED:
                self._add_past_procedure(proposals, document, mention, surroundings, code)
            return
        near = surroundings.near(mention)
        attributes = surroundings.attributes(mention, *self._walk.regions(self._walk.lift(code.value)))
        close = surroundings.close(mention)
        resolutions = self._walk.resolve_sides(code.value, near, surroundings.around, attributes, close)
        if source not in ("drug", "retrieval", "measurement") and self._vague(resolutions[0].code):
            completed = self._completed(mention, surroundings, code)
            if completed != code:
                attributes = surroundings.attributes(
                    mention, *self._walk.regions(self._walk.lift(completed.value))
                )
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
            proposal = self._gather(proposals, candidate, rank, ambiguity, surroundings.list_place(mention))
            if len(proposal.candidates) == 1:
                proposal.alternatives = list(resolution.alternatives)
                proposal.assumed = resolution.assumed
        if "corrected" in attributes:
            proposal.amended = f"{attributes['laterality']}, not {attributes['corrected']}, by an addendum"
            self._add_corrected(proposals, mention, surroundings, term, score, source, attributes)
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
                False,
            )

    def _add_corrected(
        self,
        proposals: dict[Code, Proposal],
        mention: Mention,
        surroundings: Surroundings,
        term: Term,
        score: float,
        source: str,
        attributes: Mapping[str, str],
    ) -> None:
        """Add, marked as corrected, the code of the side that an addendum replaces."""
        wrong = attributes["corrected"]
        replaced = {**attributes, "laterality": wrong}
        near, close = surroundings.near(mention), surroundings.close(mention)
        for resolution in self._walk.resolve_sides(
            term.code.value, near, surroundings.around, replaced, close
        ):
            code = Code(System.ICD10CM, resolution.code)
            if code not in proposals:
                candidate = Candidate(mention, code, source, term.text, score, surroundings.note_id)
                proposal = self._gather(proposals, candidate, 1, 0, 99)
                proposal.corrected = f"an addendum corrects {wrong} to {attributes['laterality']}"

    def _add_past_procedure(
        self,
        proposals: dict[Code, Proposal],
        document: Document,
        mention: Mention,
        surroundings: Surroundings,
        code: Code,
    ) -> None:
        """Add the status that an operation of the past leaves: a knee replacement gives Z96.65-."""
        value = self._combiner.history_of(code.value)
        if value is None or self._library.icd.get(value) is None:
            return
        attributes = surroundings.attributes(mention, *self._walk.regions(value))
        if value[0] == "S":
            if mention.section in _PAST:
                return  # a fracture among the operations of the past has healed
            attributes = {**attributes, "episode": "subsequent"}
            mention = replace(mention, assertion=replace(mention.assertion, temporality=Temporality.CURRENT))
        near = surroundings.near(mention)
        for resolution in self._walk.resolve_sides(value, near, surroundings.around, attributes):
            status = Code(System.ICD10CM, resolution.code)
            known = proposals.get(status)
            if known and any(c.mention is mention for c in known.candidates):
                continue
            candidate = Candidate(mention, status, "history", mention.text.lower(), 0.8, document.note.id)
            self._gather(proposals, candidate, 0, 0, 99)

    def _given(self, document: Document, mention: Mention, code: Code) -> bool:
        """Say whether the sentence of a supply says that it was given; true for what is no supply."""
        facts = self._library.lexicon.procedures.get(code.value)
        if facts is None or facts.use != "supply":
            return True
        text = " " + document.sentences[mention.sentence].slice(document.note.text).lower()
        return all(any(f" {cue}" in text for cue in group) for group in facts.requires)

    def _is_vague(self, value: str) -> bool:
        entry = self._library.icd.get(value)
        return entry is not None and "unspecified" in entry.title.lower()

    def _completed(self, mention: Mention, surroundings: Surroundings, code: Code) -> Code:
        """Return the code of a longer term that the words next to a vague mention complete, if there is one.

        "Burn of the right palm" holds "burn" (site unspecified) and, in pieces, "palm burn".
        """
        if code.value[0] == "F" or code.value.startswith(("C77", "C78", "C79")):
            return code  # "depression" next to "psychosis" is two disorders; "metastasis" next to "cancer" two cancers
        own = [stem for stem in self._stems_of(mention.text) if stem not in NOT_OF_A_TERM]
        best: tuple[int, Code] | None = None
        for added in surroundings.beside(mention):
            if not own or any(stem in own for stem in added):
                continue
            for term in self._library.lexicon.terms_of(key_of([*own, *added])):
                if (
                    term.code.system is System.ICD10CM
                    and (term.code.value[0] == code.value[0] or _of_a_site(code.value, term.code.value))
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
        list_place: int,
    ) -> Proposal:
        proposal = proposals.get(candidate.code)
        if proposal is None:
            title = self._library.entry(candidate.code).title
            proposal = proposals[candidate.code] = Proposal(candidate.code, title)
        if len(proposal.candidates) < MOST_MENTIONS:
            proposal.candidates.append(candidate)
        proposal.position = min(proposal.position, candidate.mention.span.start)
        proposal.list_place = min(proposal.list_place, list_place)
        if rank < proposal.rank_in_term or len(proposal.candidates) == 1:
            proposal.rank_in_term = min(rank, 1)
            proposal.ambiguity = ambiguity
        return proposal


def _told_of_procedures(documents: Iterable[Document]) -> dict[tuple[str, int], set[str | None]]:
    """Return what each sentence that names procedures says of their performance, by note and sentence."""
    told: dict[tuple[str, int], set[str | None]] = {}
    for document in documents:
        for mention in document.mentions:
            if "performance" in mention.attributes:
                place = document.note.id, mention.sentence
                told.setdefault(place, set()).add(mention.attributes["performance"])
    return told
