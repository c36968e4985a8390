"""The one module that joins the stages: notes in, a run out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from coder_assist.codes import Library, Shelf
from coder_assist.settings import Settings
from coder_assist.suggest.features import Context, Proposal, affirmed, features_of, section_group
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.packs import Pack, load_pack
from coder_assist.suggest.proposals import Proposer
from coder_assist.suggest.rivals import Rivals
from coder_assist.suggest.scoring import describe
from coder_assist.suggest.sequencing import in_sequence
from coder_assist.text import NoteReader
from coder_assist.types import (
    Assertion,
    Candidate,
    Certainty,
    Code,
    Document,
    Encounter,
    Evidence,
    Experiencer,
    Note,
    Polarity,
    Run,
    SectionKind,
    Setting,
    Suggestion,
    System,
    Temporality,
    Withheld,
)

MOST_SUGGESTIONS = 80
MOST_EVIDENCE = 6
LEAST_PROBABILITY = 0.01


def software_version() -> str:
    """Return the installed version of coder_assist."""
    try:
        return version("coder-assist")
    except PackageNotFoundError:
        return "unknown"


class Coder:
    """Reads encounters and proposes codes. Make one with ``Coder.load`` and keep it.

    The same notes, pack and code books give the same run, whatever the order, batch or thread.
    """

    def __init__(self, shelf: Shelf, pack: Pack, longest: int = 200_000) -> None:
        self._shelf = shelf
        self._pack = pack
        self._longest = longest
        self._stages: dict[str, tuple[Library, NoteReader, Proposer]] = {}
        self._category_priors = pack.category_priors
        self._software = software_version()

    @classmethod
    def load(cls, pack: Path | None = None, settings: Settings | None = None) -> Coder:
        """Load the default pack (or the one in ``pack``) and the code books, compiling them on first use.

        Raises ``PackError``, ``CodeBookError`` or ``LexiconError``.
        """
        settings = settings or Settings()
        return cls.load_with(load_pack(pack or settings.pack), settings)

    @classmethod
    def load_with(cls, pack: Pack, settings: Settings) -> Coder:
        """Make a coder of a pack that is loaded already. Raises ``CodeBookError`` or ``LexiconError``."""
        shelf = Shelf.of(settings)
        return cls(shelf, pack, settings.max_note_characters)

    def settle(self) -> None:
        """Exempt everything loaded so far from garbage collection, for processes that only code notes.

        The books and the lexicon never become garbage; looking through them again and again costs a sixth
        of the time a note takes.
        """
        gc.collect()
        gc.freeze()

    @property
    def library(self) -> Library:
        """The newest installed edition's code books and lexicon."""
        return self._shelf.library_for(None)[0]

    @property
    def pack(self) -> Pack:
        """The pack in use."""
        return self._pack

    def _stage(self, encounter: Encounter) -> tuple[Library, NoteReader, Proposer, str | None]:
        library, notice = self._shelf.library_for(encounter.service_date)
        name = library.edition.name
        if name not in self._stages:
            self._stages[name] = (
                library,
                NoteReader(library.lexicon.store, self._longest, self._pack.memory_file),
                Proposer(library, self._pack.priors),
            )
        return (*self._stages[name], notice)

    def read(self, note: Note) -> Document:
        """Return what a note says, without proposing codes. Raises ``NoteError``."""
        return self._stage(Encounter.of(note))[1].read(note)

    def read_all(self, encounter: Encounter) -> list[Document]:
        """Return what each note of an encounter says. Raises ``NoteError``."""
        reader = self._stage(encounter)[1]
        return [reader.read(note) for note in encounter.notes]

    def propose(
        self, encounter: Encounter, documents: list[Document], memory: PhraseMemory | None
    ) -> tuple[list[Proposal], Context]:
        """Return the proposals of an encounter that was read, before scoring, and their context."""
        proposals, drug_conditions = self._stage(encounter)[2].propose(documents, memory)
        if self._pack.any_assertion:
            for proposal in proposals:
                _admit(proposal)
        return proposals, self._context(encounter, documents, drug_conditions)

    def _context(
        self, encounter: Encounter, documents: list[Document], drug_conditions: frozenset[str]
    ) -> Context:
        groups = {section_group(section.kind) for document in documents for section in document.sections}
        return Context(
            encounter,
            "diagnosis_list" in groups,
            drug_conditions,
            self._pack.priors,
            self._category_priors,
            operative=bool(groups & {"procedure_title", "procedure_body"}),
            experience=self._pack.experience,
        )

    def suggest(self, work: Note | Encounter) -> Run:
        """Propose codes for an encounter or a bare note.

        Raises ``NoteError`` for a note that is empty or too long.
        """
        encounter = Encounter.of(work) if isinstance(work, Note) else work
        proposals, context = self.propose(encounter, self.read_all(encounter), self._pack.memory)
        supported = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
        rows = features_of(supported, context)
        scored = list(zip(supported, self._pack.scorer.probabilities(rows), map(describe, rows), strict=True))
        return self.assemble(encounter, proposals, scored, self._pack.scorer.threshold)

    def assemble(
        self,
        encounter: Encounter,
        proposals: Sequence[Proposal],
        scored: Sequence[tuple[Proposal, float, tuple[str, ...]]],
        threshold: Callable[[System], float],
    ) -> Run:
        """Make the run out of scored proposals ``(proposal, probability, reasons)``; the others are withheld.

        ``threshold`` gives for a system the probability from which a code is preselected.
        """
        library, _, _, notice = self._stage(encounter)
        texts = {note.id: note.text for note in encounter.notes}
        ranked = sorted(scored, key=lambda item: (-item[1], item[0].code))
        ranked = [item for item in ranked if item[1] >= LEAST_PROBABILITY][:MOST_SUGGESTIONS]
        chosen = {
            proposal.code
            for proposal, probability, _ in ranked
            if probability >= threshold(proposal.code.system) and not _only_uncertain(proposal, encounter)
        }
        chosen -= _redundant(
            chosen, {proposal.code: (proposal, probability) for proposal, probability, _ in ranked}
        )
        rivals = Rivals([proposal for proposal, _, _ in ranked if proposal.code not in chosen])
        nobody = Rivals(())
        sequence = in_sequence([proposal for proposal, _, _ in ranked if proposal.code in chosen])
        suggestions = tuple(
            Suggestion(
                code=proposal.code,
                title=proposal.title,
                probability=round(probability, 4),
                selected=proposal.code in chosen,
                sequence=sequence.get(proposal.code),
                evidence=_evidence(proposal, texts, affirmed_only=True),
                reasons=(*_why(proposal, encounter), *reasons),
                alternatives=(rivals if proposal.code in chosen else nobody).alternatives_of(proposal),
            )
            for proposal, probability, reasons in ranked
        )
        withheld = [
            Withheld(
                proposal.code,
                proposal.title,
                _reason(proposal),
                _evidence(proposal, texts, affirmed_only=False),
            )
            for proposal in proposals
            if not any(map(affirmed, proposal.candidates))
        ]
        withheld.sort(key=lambda item: (item.evidence[0].note_id, item.evidence[0].span, item.code))
        return Run(
            encounter_id=encounter.id,
            note_versions={note.id: note.version for note in encounter.notes},
            suggestions=suggestions,
            withheld=tuple(withheld),
            pack=self._pack.version,
            code_books=library.versions(),
            lexicon=library.lexicon.version,
            rules="none",
            software=self._software,
            notices=(notice,) if notice else (),
        )

    def pipe(self, works: Iterable[Note | Encounter]) -> Iterator[Run]:
        """Yield the run of each encounter or note, in order. Raises ``NoteError`` at one that cannot be read."""
        for work in works:
            yield self.suggest(work)


def _admit(proposal: Proposal) -> None:
    """Let what the note denies stand like other proposals, marked, for a pack whose gold codes such findings.

    The terms that name a code decide, before phrases that are only remembered for it.
    """
    naming = [c for c in proposal.candidates if c.source != "memory"] or proposal.candidates
    if any(map(affirmed, naming)):
        return
    proposal.denied = _reason(replace(proposal, candidates=naming))
    proposal.candidates = [
        replace(c, mention=replace(c.mention, assertion=Assertion(cue=c.mention.assertion.cue)))
        for c in proposal.candidates
    ]


def _redundant(chosen: set[Code], scored: Mapping[Code, tuple[Proposal, float]]) -> set[Code]:
    """Return the chosen codes that a more probable one makes redundant.

    Of a combination code and its parts, the less probable; and a code all of whose words another code of
    its category rests on ("heart failure" within "acute systolic heart failure"), unless they are the two
    sides of one mention.
    """
    redundant = set()
    for code in chosen:
        proposal, probability = scored[code]
        for other in chosen - {code}:
            rival, higher = scored[other]
            if higher < probability or (higher == probability and other > code):
                continue
            combined = other.value == proposal.displaced_by or rival.displaced_by == code.value
            if combined or (proposal.category == rival.category and _rests_on_words_of(proposal, rival)):
                redundant.add(code)
    return redundant


def _rests_on_words_of(proposal: Proposal, rival: Proposal) -> bool:
    mine = {(c.note_id, c.mention.span) for c in proposal.candidates if affirmed(c)}
    theirs = {(c.note_id, c.mention.span) for c in rival.candidates if affirmed(c)}
    if mine & theirs and not proposal.alternative_rank and not rival.alternative_rank:
        return False
    return all(any(note == other and span.overlaps(taken) for other, taken in theirs) for note, span in mine)


def _only_uncertain(proposal: Proposal, encounter: Encounter) -> bool:
    """Say whether a code rests on uncertain mentions alone where those may not be coded (guideline IV.H)."""
    if encounter.uncertain_as_established:
        return False
    return all(
        candidate.mention.assertion.certainty is Certainty.UNCERTAIN
        for candidate in proposal.candidates
        if affirmed(candidate)
    )


def _why(proposal: Proposal, encounter: Encounter) -> tuple[str, ...]:
    best = max(proposal.candidates, key=lambda candidate: (affirmed(candidate), candidate.score))
    reasons = [f"{best.source}: {best.term}"]
    if proposal.denied:
        reasons.append(f"others would withhold it: {proposal.denied}")
    if proposal.assumed:
        reasons.append("assumed: " + ", ".join(dict.fromkeys(proposal.assumed)))
    if _only_uncertain(proposal, encounter):
        where = "outpatient" if encounter.setting is Setting.OUTPATIENT else "professional claim"
        reasons.append(f"not preselected: {where}, uncertain diagnosis (guideline IV.H)")
    return tuple(reasons)


def _reason(proposal: Proposal) -> str:
    """Return why a proposal without an affirmed mention is held back."""
    judged = [candidate.mention.assertion for candidate in proposal.candidates]
    if any(a.experiencer is Experiencer.FAMILY for a in judged):
        return "family history"
    if any(a.polarity is Polarity.NEGATED and "rule" in a.cue for a in judged):
        return "ruled out"
    if any(a.polarity is Polarity.NEGATED for a in judged):
        return "negated"
    if any(a.temporality is Temporality.HYPOTHETICAL for a in judged):
        return "hypothetical or planned"
    return "not about the patient's present state"


_EVIDENCE_ORDER = (
    "diagnosis_list",
    "procedure_title",
    "diagnosis_early",
    "narrative",
    "plan",
    "past_history",
)


def _evidence(proposal: Proposal, texts: dict[str, str], affirmed_only: bool) -> tuple[Evidence, ...]:
    """Return the phrases a code rests on, the most telling section first, the longest phrase where they overlap."""

    def order(candidate: Candidate) -> tuple[int, str, int, int]:
        group = section_group(candidate.mention.section)
        rank = _EVIDENCE_ORDER.index(group) if group in _EVIDENCE_ORDER else len(_EVIDENCE_ORDER)
        span = candidate.mention.span
        return rank, candidate.note_id, -len(span), span.start

    found: list[Evidence] = []
    for candidate in sorted(proposal.candidates, key=order):
        if len(found) >= MOST_EVIDENCE:
            break
        if affirmed_only and not affirmed(candidate):
            continue
        section: SectionKind = candidate.mention.section
        for span in candidate.mention.spans:
            inside = any(e.note_id == candidate.note_id and e.span.overlaps(span) for e in found)
            if not inside:
                found.append(Evidence(candidate.note_id, span, span.slice(texts[candidate.note_id]), section))
    return tuple(found[:MOST_EVIDENCE])
