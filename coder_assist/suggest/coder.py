"""The one module that joins the stages: notes in, a run out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path

from coder_assist.codes import Library, ListedBook, Shelf
from coder_assist.errors import NoteError
from coder_assist.settings import Settings
from coder_assist.suggest.beside import redundant, settled, stands_beside
from coder_assist.suggest.features import Context, Proposal, affirmed, features_of, section_group
from coder_assist.suggest.grounds import MOST_EVIDENCE, evidence_of, only_uncertain, reason_withheld, why
from coder_assist.suggest.inpatient import NO_BOOK, InpatientProposer, Scored, asks_for_pcs
from coder_assist.suggest.integral import IntegralProcedures
from coder_assist.suggest.memory import PhraseMemory
from coder_assist.suggest.packs import Pack, load_pack
from coder_assist.suggest.processes import code_in_processes
from coder_assist.suggest.proposals import Proposer
from coder_assist.suggest.rivals import Rivals
from coder_assist.suggest.rules import Coding, FactBook, Line, RuleBook, lines_of
from coder_assist.suggest.rules.edit_files import NO_EDITS, EditTables, edit_tables
from coder_assist.suggest.scoring import describe
from coder_assist.suggest.sequencing import in_sequence
from coder_assist.text import NoteReader
from coder_assist.text.sections import find_sections
from coder_assist.types import (
    Assertion,
    Code,
    Document,
    Encounter,
    Evidence,
    Finding,
    Note,
    Run,
    SectionKind,
    Span,
    Suggestion,
    System,
    Withheld,
)

MOST_SUGGESTIONS = 80
LEAST_PROBABILITY = 0.01
MOST_SEARCHED = 10
# How many objects more are made than freed before a settled process looks for garbage.
OBJECTS_BEFORE_COLLECTION = 100_000
# A code that an addendum contradicts keeps this much of its probability.
CORRECTED = 0.2


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

    def __init__(
        self,
        shelf: Shelf,
        pack: Pack,
        longest: int = 200_000,
        rules: RuleBook | None = None,
        edits: EditTables = NO_EDITS,
    ) -> None:
        self._shelf = shelf
        self._pack = pack
        self._longest = longest
        self._rules = rules or RuleBook.without()
        self._stages: dict[str, tuple[Library, NoteReader, Proposer]] = {}
        self._edits = edits
        self._facts: dict[str, FactBook] = {}
        self._inpatient: dict[str, InpatientProposer] = {}
        self._category_priors = pack.category_priors
        self._integral = IntegralProcedures()
        self._software = software_version()
        # What ``load`` was asked for, so that other processes can load the same.
        self._pack_dir: Path | None = None
        self._settings: Settings | None = None

    @classmethod
    def load(cls, pack: Path | None = None, settings: Settings | None = None) -> Coder:
        """Load the default pack (or the one in ``pack``) and the code books, compiling them on first use.

        Raises ``PackError``, ``CodeBookError`` or ``LexiconError``.
        """
        settings = settings or Settings()
        coder = cls.load_with(load_pack(pack or settings.pack), settings)
        coder._pack_dir, coder._settings = pack, settings
        return coder

    @classmethod
    def load_with(cls, pack: Pack, settings: Settings) -> Coder:
        """Make a coder of a pack that is loaded already.

        Raises ``CodeBookError``, ``LexiconError``, or ``SettingsError`` for a disabled rule that does not exist.
        """
        rules = RuleBook.without(settings.disabled_rules)
        return cls(Shelf.of(settings), pack, settings.max_note_characters, rules, edit_tables(settings))

    def settle(self) -> None:
        """Exempt everything loaded so far from garbage collection, for processes that only code notes.

        The books and the lexicon never become garbage, and reading a note leaves next to none; looking through
        them again and again would cost a sixth of the time a note takes.
        """
        gc.collect()
        gc.freeze()
        gc.set_threshold(OBJECTS_BEFORE_COLLECTION)

    @property
    def library(self) -> Library:
        """The newest installed edition's code books and lexicon."""
        return self._shelf.library_for(None)[0]

    @property
    def pack(self) -> Pack:
        """The pack in use."""
        return self._pack

    @property
    def rules_version(self) -> str:
        """Which coding rules speak."""
        return self._rules.version

    @property
    def software(self) -> str:
        """The version of coder_assist."""
        return self._software

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
        """Return what each note of an encounter says, by the notes' ids. Raises ``NoteError``.

        In that order whatever follows is the same, however the notes came.
        """
        reader = self._stage(encounter)[1]
        return [reader.read(note) for note in sorted(encounter.notes, key=lambda note: note.id)]

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
            vicinity=self._pack.vicinity,
            second_look=self._pack.second_look,
        )

    def suggest(self, work: Note | Encounter) -> Run:
        """Propose codes for an encounter or a bare note.

        Raises ``NoteError`` for a note that is empty or too long.
        """
        encounter = Encounter.of(work) if isinstance(work, Note) else work
        return self._run(encounter)[0]

    def suggest_phrase(self, encounter: Encounter, note_id: str, phrase: Span) -> tuple[Suggestion, ...]:
        """Propose codes for a phrase that somebody selected in a note of an encounter, best first.

        The phrase is read in its context: these are the encounter's suggestions that rest on words of it, with
        that evidence alone. Where there is none, the code books are searched for its words; such suggestions
        have the probability 0, for nothing is known of it. Raises ``NoteError`` for a note that the encounter
        does not have or that cannot be read, and for a phrase that is empty or beyond the note.
        """
        note = next((note for note in encounter.notes if note.id == note_id), None)
        if note is None:
            raise NoteError(f"encounter {encounter.id!r} has no note {note_id!r}")
        words = phrase.slice(note.text)
        if not words.strip() or phrase.end > len(note.text):
            raise NoteError(
                f"note {note_id!r}: expected a phrase within its {len(note.text):,} characters; "
                f"got {phrase.start} to {phrase.end}"
            )
        run, proposals = self._run(encounter)
        resting = {
            proposal.code: [
                Evidence(note_id, span, span.slice(note.text), candidate.mention.section)
                for candidate in (*proposal.candidates, *proposal.copies)
                if candidate.note_id == note_id and affirmed(candidate)
                for span in candidate.mention.spans
                if span.overlaps(phrase)
            ]
            for proposal in proposals
        }
        found = tuple(
            replace(suggestion, evidence=tuple(dict.fromkeys(resting[suggestion.code]))[:MOST_EVIDENCE])
            for suggestion in run.suggestions
            if resting[suggestion.code]
        )
        return found or self._searched(encounter, note, phrase)

    def _searched(self, encounter: Encounter, note: Note, phrase: Span) -> tuple[Suggestion, ...]:
        """Return what the code books have for the words of a phrase."""
        library = self._stage(encounter)[0]
        section = next(
            (s.kind for s in find_sections(note.text) if s.span.start <= phrase.start < s.span.end),
            SectionKind.OTHER,
        )
        evidence = Evidence(note.id, phrase, phrase.slice(note.text), section)
        found = library.search(" ".join(evidence.text.split()), None, MOST_SEARCHED)
        return tuple(
            Suggestion(
                code=entry.code,
                title=entry.title,
                probability=0.0,
                selected=False,
                sequence=None,
                evidence=(evidence,),
                reasons=("found by a search for these words",),
            )
            for entry in found
            if entry.billable
        )

    def _run(self, encounter: Encounter) -> tuple[Run, list[Proposal]]:
        documents = self.read_all(encounter)
        proposals, context = self.propose(encounter, documents, self._pack.memory)
        supported = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
        rows = features_of(supported, context)
        scored = list(zip(supported, self._pack.scorer.probabilities(rows), map(describe, rows), strict=True))
        known = {proposal.code for proposal in supported}
        scored += [item for item in self._of_the_stay(encounter, documents) if item[0].code not in known]
        run = self.assemble(encounter, proposals, scored, self._pack.scorer.threshold)
        run = self.settled(run, encounter, documents)
        return _with(run, self.judge(encounter, lines_of(run.suggestions), documents)), proposals

    def settled(self, run: Run, encounter: Encounter, documents: Sequence[Document]) -> Run:
        """Return a run after the rules that settle what is preselected have spoken.

        They are silent for a pack whose gold codes every finding: it wants symptoms beside their cause.
        """
        if self._pack.any_assertion:
            return run
        coding = self.coding(encounter, lines_of(run.suggestions), documents)
        return settled(run, self._rules.settling(coding))

    def judge(
        self, encounter: Encounter, lines: Iterable[Line], documents: Sequence[Document] | None = None
    ) -> tuple[Finding, ...]:
        """Return what the coding rules say of a set of codes for an encounter, errors first.

        ``documents`` are the notes as read; without them they are read here. Raises ``NoteError``.
        """
        return self.findings(self.coding(encounter, lines, documents))

    def findings(self, coding: Coding) -> tuple[Finding, ...]:
        """Return what the coding rules say of a set of codes in its context, errors first."""
        return self._rules.judge(coding)

    def coding(
        self, encounter: Encounter, lines: Iterable[Line], documents: Sequence[Document] | None = None
    ) -> Coding:
        """Return a set of codes in its context, as the rules judge it and a claim is made of it.

        ``documents`` are the notes as read; without them they are read here. Raises ``NoteError``.
        """
        library = self._stage(encounter)[0]
        facts = self._facts.setdefault(library.edition.name, FactBook(library, self._edits))
        read = self.read_all(encounter) if documents is None else documents
        return Coding.of(encounter, lines, facts, read)

    def _of_the_stay(self, encounter: Encounter, documents: list[Document]) -> list[Scored]:
        """Return the scored ICD-10-PCS codes of an inpatient stay; none where the claim or the books have none."""
        book = self._stage(encounter)[0].books.get(System.ICD10PCS)
        if not asks_for_pcs(encounter) or not isinstance(book, ListedBook):
            return []
        if book.edition not in self._inpatient:
            self._inpatient[book.edition] = InpatientProposer(book)
        return self._inpatient[book.edition].propose(documents)

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
        scored = [
            (proposal, probability * CORRECTED if proposal.corrected else probability, reasons)
            for proposal, probability, reasons in scored
        ]
        ranked = sorted(scored, key=lambda item: (-item[1], item[0].code))
        ranked = [item for item in ranked if item[1] >= LEAST_PROBABILITY]
        parts = self._parts_of_procedures(ranked, threshold)
        ranked = [item for item in ranked if item[0].code not in parts][:MOST_SUGGESTIONS]
        selectable = [
            (proposal.code, probability)
            for proposal, probability, _ in ranked
            if not proposal.corrected
            and not proposal.never_preselected
            and not only_uncertain(proposal, encounter)
        ]
        chosen = {code for code, probability in selectable if probability >= threshold(code.system)}
        if not any(code.system is System.ICD10CM for code in chosen):
            enough = self._pack.lone_share * threshold(System.ICD10CM)
            diagnoses = (code for code, p in selectable if code.system is System.ICD10CM and p >= enough)
            chosen.update(islice(diagnoses, 1))
        chosen -= redundant(
            chosen, {proposal.code: (proposal, probability) for proposal, probability, _ in ranked}
        )
        rivals = Rivals([proposal for proposal, _, _ in ranked if proposal.code not in chosen], chosen)
        nobody = Rivals(())
        sequence = in_sequence([proposal for proposal, _, _ in ranked if proposal.code in chosen])
        suggestions = tuple(
            Suggestion(
                code=proposal.code,
                title=proposal.title,
                probability=round(probability, 4),
                selected=proposal.code in chosen,
                sequence=sequence.get(proposal.code),
                evidence=evidence_of(proposal, texts, affirmed_only=True),
                reasons=(*why(proposal, encounter), *reasons),
                alternatives=(rivals if proposal.code in chosen else nobody).alternatives_of(proposal),
            )
            for proposal, probability, reasons in ranked
        )
        withheld = [
            Withheld(
                proposal.code,
                proposal.title,
                parts.get(proposal.code) or reason_withheld(proposal),
                evidence_of(proposal, texts, affirmed_only=proposal.code in parts),
            )
            for proposal in proposals
            if proposal.code in parts or not any(map(affirmed, proposal.candidates))
        ]
        withheld.sort(key=lambda item: (item.evidence[0].note_id, item.evidence[0].span, item.code))
        return Run(
            encounter_id=encounter.id,
            note_versions=dict(sorted((note.id, note.version) for note in encounter.notes)),
            suggestions=suggestions,
            withheld=tuple(withheld),
            pack=self._pack.version,
            code_books=library.versions(),
            lexicon=library.lexicon.version,
            rules=self._rules.version,
            software=self._software,
            notices=tuple(filter(None, (notice, _missing_book(encounter, library)))),
        )

    def _parts_of_procedures(
        self,
        ranked: Sequence[tuple[Proposal, float, tuple[str, ...]]],
        threshold: Callable[[System], float],
    ) -> dict[Code, str]:
        """Return the procedures that are part of a preselected one in the same note, with the reason to say so."""
        whole = [
            proposal
            for proposal, probability, _ in ranked
            if proposal.code.system is System.CPT
            and probability >= threshold(System.CPT)
            and proposal.requirement >= 0
            and not proposal.excluded
        ]
        parts: dict[Code, str] = {}
        for proposal, _, _ in ranked if whole else ():
            others = (other.code for other in whole if stands_beside(other, proposal))
            found = self._integral.whole(proposal.code, others)
            if found is not None:
                parts[proposal.code] = f"integral to {found[0]} ({found[1]})"
        return parts

    def pipe(self, works: Iterable[Note | Encounter], workers: int = 1) -> Iterator[Run]:
        """Yield the run of each encounter or note, in order. Raises ``NoteError`` at one that cannot be read.

        With more than one worker, processes that load the same pack and books share the work; the runs are the
        same. They import the script that asks for them, so it asks below ``if __name__ == "__main__":``. Raises
        ``BatchError`` where one of them is killed or cannot start: the runs so far stand, and the next run is that
        of the next note. Raises ``ValueError`` for fewer than one, and for several with a coder that ``Coder.load``
        did not make: the processes would not know what to load.
        """
        if workers < 1:
            raise ValueError(f"workers must be 1 or more. Got {workers} instead")
        if workers == 1:
            return map(self.suggest, works)
        if self._settings is None:
            raise ValueError(
                "several workers need a coder made by Coder.load; this one has a pack of its own"
            )
        return code_in_processes(works, workers, self._pack_dir, self._settings)


def _with(run: Run, findings: tuple[Finding, ...]) -> Run:
    """Return the run with what the rules say, on the whole and on each suggestion that a finding is about."""
    about: dict[Code, list[Finding]] = {}
    for finding in findings:
        for code in finding.codes:
            about.setdefault(code, []).append(finding)
    suggestions = tuple(
        replace(suggestion, findings=tuple(about[suggestion.code]))
        if suggestion.code in about
        else suggestion
        for suggestion in run.suggestions
    )
    return replace(run, suggestions=suggestions, findings=findings)


def _missing_book(encounter: Encounter, library: Library) -> str | None:
    return NO_BOOK if asks_for_pcs(encounter) and System.ICD10PCS not in library.books else None


def _admit(proposal: Proposal) -> None:
    """Let what the note denies stand like other proposals, marked, for a pack whose gold codes such findings.

    The terms that name a code decide, before phrases that are only remembered for it.
    """
    naming = [c for c in proposal.candidates if c.source != "memory"] or proposal.candidates
    if any(map(affirmed, naming)):
        return
    proposal.denied = reason_withheld(replace(proposal, candidates=naming))
    proposal.candidates = [
        replace(c, mention=replace(c.mention, assertion=Assertion(cue=c.mention.assertion.cue)))
        for c in proposal.candidates
    ]
