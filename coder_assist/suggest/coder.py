"""The one module that joins the stages: notes in, a run out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from coder_assist.codes import Library, Shelf
from coder_assist.codes.compiler import store_for
from coder_assist.codes.editions import installed_editions
from coder_assist.settings import Settings
from coder_assist.suggest.features import Context, Proposal, affirmed, features_of, section_group
from coder_assist.suggest.packs import Pack, load_pack
from coder_assist.suggest.proposals import Proposer
from coder_assist.suggest.sequencing import in_sequence
from coder_assist.text import NoteReader
from coder_assist.types import (
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
DIAGNOSIS_LISTS = ("diagnosis_list",)


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
        shelf = Shelf(installed_editions(settings.editions_dir), settings.cache_dir, settings.lexicon_dir)
        return cls(shelf, load_pack(pack or settings.pack), settings.max_note_characters)

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
            store = store_for(library.edition, self._shelf.cache_dir, self._shelf.lexicon_dir)
            self._stages[name] = (library, NoteReader(store, self._longest), Proposer(library, self._pack.priors))
        return (*self._stages[name], notice)

    def read(self, note: Note) -> Document:
        """Return what a note says, without proposing codes. Raises ``NoteError``."""
        return self._stage(Encounter.of(note))[1].read(note)

    def suggest(self, work: Note | Encounter) -> Run:
        """Propose codes for an encounter or a bare note.

        Raises ``NoteError`` for a note that is empty or too long.
        """
        encounter = Encounter.of(work) if isinstance(work, Note) else work
        library, reader, proposer, notice = self._stage(encounter)
        documents = [reader.read(note) for note in encounter.notes]
        proposals, drug_conditions = proposer.propose(documents)
        suggestions, withheld = self._judge(encounter, documents, proposals, drug_conditions)
        return Run(
            encounter_id=encounter.id,
            note_versions={note.id: note.version for note in encounter.notes},
            suggestions=tuple(suggestions),
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

    def _judge(
        self,
        encounter: Encounter,
        documents: list[Document],
        proposals: list[Proposal],
        drug_conditions: frozenset[str],
    ) -> tuple[list[Suggestion], list[Withheld]]:
        listed = any(
            section_group(section.kind) in DIAGNOSIS_LISTS for document in documents for section in document.sections
        )
        context = Context(encounter, listed, drug_conditions, self._pack.priors, self._category_priors)
        texts = {document.note.id: document.note.text for document in documents}
        supported = [proposal for proposal in proposals if any(map(affirmed, proposal.candidates))]
        rows = features_of(supported, context)
        scored = list(zip(supported, rows, self._pack.scorer.probabilities(rows), strict=True))
        scored.sort(key=lambda item: (-item[2], item[0].code))
        scored = [item for item in scored if item[2] >= LEAST_PROBABILITY][:MOST_SUGGESTIONS]
        chosen = {
            proposal.code
            for proposal, _, probability in scored
            if probability >= self._pack.scorer.threshold and not _only_uncertain(proposal, encounter)
        }
        sequence = in_sequence([proposal for proposal, _, _ in scored if proposal.code in chosen])
        suggestions = [
            Suggestion(
                code=proposal.code,
                title=proposal.title,
                probability=round(probability, 4),
                selected=proposal.code in chosen,
                sequence=sequence.get(proposal.code),
                evidence=_evidence(proposal, texts, affirmed_only=True),
                reasons=(*_why(proposal, encounter), *self._pack.scorer.reasons(row)),
                alternatives=tuple(Code(System.ICD10CM, value) for value in proposal.alternatives),
            )
            for proposal, row, probability in scored
        ]
        withheld = [
            Withheld(proposal.code, proposal.title, _reason(proposal), _evidence(proposal, texts, affirmed_only=False))
            for proposal in proposals
            if not any(map(affirmed, proposal.candidates))
        ]
        withheld.sort(key=lambda item: (item.evidence[0].note_id, item.evidence[0].span, item.code))
        return suggestions, withheld


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


_EVIDENCE_ORDER = ("diagnosis_list", "procedure_title", "diagnosis_early", "narrative", "plan", "past_history")


def _evidence(proposal: Proposal, texts: dict[str, str], affirmed_only: bool) -> tuple[Evidence, ...]:
    """Return the phrases a code rests on, the most telling section first, then in order of the text."""

    def order(candidate: Candidate) -> tuple[int, str, int]:
        group = section_group(candidate.mention.section)
        rank = _EVIDENCE_ORDER.index(group) if group in _EVIDENCE_ORDER else len(_EVIDENCE_ORDER)
        return rank, candidate.note_id, candidate.mention.span.start

    found: list[Evidence] = []
    seen: set[tuple[str, int, int]] = set()
    for candidate in sorted(proposal.candidates, key=order):
        if affirmed_only and not affirmed(candidate):
            continue
        for span in candidate.mention.spans:
            place = (candidate.note_id, span.start, span.end)
            if place not in seen:
                seen.add(place)
                section: SectionKind = candidate.mention.section
                found.append(Evidence(candidate.note_id, span, span.slice(texts[candidate.note_id]), section))
    return tuple(found[:MOST_EVIDENCE])
