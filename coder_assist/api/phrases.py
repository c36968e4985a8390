"""What just a marked phrase of a note supports."""

from __future__ import annotations

from coder_assist.suggest import Coder
from coder_assist.types import Encounter, Evidence, Note, SectionKind, Span, Suggestion

_MOST_FOUND = 10


def supported_by(coder: Coder, encounter: Encounter, note: Note, span: Span) -> tuple[Suggestion, ...]:
    """Return the suggestions whose evidence overlaps a phrase, else what the books have for its words.

    What was only looked up has the probability 0: nothing but the words speaks for it.
    """
    run = coder.suggest(encounter)
    found = tuple(
        suggestion
        for suggestion in run.suggestions
        if any(piece.note_id == note.id and piece.span.overlaps(span) for piece in suggestion.evidence)
    )
    if found:
        return found
    words = span.slice(note.text)
    evidence = Evidence(note.id, span, words, SectionKind.OTHER)
    entries = coder.library.search(" ".join(words.split())[:200], None, _MOST_FOUND) if words.strip() else []
    return tuple(
        Suggestion(entry.code, entry.title, 0.0, False, None, (evidence,), ("found by its words",))
        for entry in entries
        if entry.billable
    )
