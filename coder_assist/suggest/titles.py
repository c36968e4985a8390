"""Operations' titles that no term of the lexicon names as they are written.

"Insertion of a right subclavian vein triple-lumen catheter" holds the words of "triple lumen catheter
insertion", with others between. In the lines that say what was done, such words are reason enough to
offer the procedure; elsewhere they are not.
"""

from __future__ import annotations

from collections.abc import Iterator

from coder_assist.codes import Lexicon
from coder_assist.codes.terms import STOPWORDS, Word, words
from coder_assist.text.matcher import MODIFIERS
from coder_assist.types import Assertion, Document, Mention, MentionKind, SectionKind, Span, System

# A line of which known procedures explain this share needs no more.
EXPLAINED = 0.7
MOST_WORDS = 24
_DENIALS = frozenset({"no", "not", "none", "never", "declined", "refused", "cancelled", "aborted"})


def unexplained_titles(document: Document, lexicon: Lexicon) -> Iterator[tuple[Mention, list[str]]]:
    """Yield the lines of an operation's title that known procedures do not explain, with their stems."""
    text = document.note.text
    titles = [section for section in document.sections if section.kind is SectionKind.PROCEDURE]
    if not titles:
        return
    known: dict[int, list[Mention]] = {}
    for mention in document.mentions:
        if mention.section is SectionKind.PROCEDURE and _names_procedure(mention, lexicon):
            known.setdefault(mention.sentence, []).append(mention)
    for number, sentence in enumerate(document.sentences):
        if not any(section.body <= sentence.start < section.span.end for section in titles):
            continue
        telling = _telling(words(sentence.slice(text)))
        if len(telling) < 2 or len(telling) > MOST_WORDS or any(word.raw in _DENIALS for word in telling):
            continue
        named = known.get(number, [])
        explained = sum(
            any(part.start <= sentence.start + word.start < part.end for mention in named for part in mention.spans)
            for word in telling
        )
        if explained >= EXPLAINED * len(telling):
            continue
        span = Span(sentence.start + telling[0].start, sentence.start + telling[-1].end)
        assertion = named[0].assertion if named else Assertion()
        yield (
            Mention((span,), MentionKind.PROCEDURE, span.slice(text), SectionKind.PROCEDURE, assertion,
                    source="phrase", sentence=number),
            [word.stem for word in telling],
        )  # fmt: skip


def _telling(found: list[Word]) -> list[Word]:
    return [word for word in found if word.stem not in STOPWORDS and word.raw not in MODIFIERS]


def _names_procedure(mention: Mention, lexicon: Lexicon) -> bool:
    return any(
        term.code.system is not System.ICD10CM for key in mention.term_keys for term in lexicon.terms_of(key)
    )
