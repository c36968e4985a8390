"""No regular expression on the way of a note's text, or of what the service is sent, backtracks more than its length."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import partial
from types import ModuleType

import pytest

import coder_assist.api
import coder_assist.codes.book
import coder_assist.codes.lexicon
import coder_assist.codes.listed
import coder_assist.codes.terms
import coder_assist.learn.corpus
import coder_assist.review
import coder_assist.suggest
import coder_assist.text
import coder_assist.types
from coder_assist.text import abbreviations
from tests.properties.cost import assert_linear

# What every pattern is tried on, besides pieces that its own letters make.
PIECES = [
    "a", "A", "1", " ", "\n", "(", "-", ".", ",", "a ", "A ", "1 ", "A a", "1.", "1,", "a-", "- ", "A,", " \t", "\r\n",
    "left ", "history of ", "12 weeks and ", "bmi ", "not left ", "C5-6 ", "s/p ", "1. A", "A: ", "addendum ",
]  # fmt: skip
SHORT, LONG = 2_000, 8_000
# Patterns that are only ever tried at one place of a text.
ANCHORED = {"suggest.titles._FIRST_LINE.0", "text.sentences._ITEM.0", "text.sentences._ITEM_NUMBER.0"}
# Patterns that only ever see so many characters: the end of a sentence, a heading.
BOUNDED = {"text.sentences._LAST_WORD": 12, "text.sections._WORD_RULES": 64}


def _patterns(value: object) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _patterns(item)
    elif isinstance(value, dict):
        yield from _patterns(list(value.values()))


def _modules() -> Iterator[ModuleType]:
    # The rest of codes/ reads books, not notes and queries.
    yield from (coder_assist.codes, coder_assist.codes.book, coder_assist.codes.listed)
    yield from (coder_assist.codes.terms, coder_assist.codes.lexicon)
    yield from (coder_assist.types, coder_assist.learn.corpus)
    for package in (coder_assist.text, coder_assist.suggest, coder_assist.review, coder_assist.api):
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if ".migrations" not in info.name:  # run by Alembic alone
                yield importlib.import_module(info.name)


def _short(module: ModuleType) -> str:
    return module.__name__.removeprefix("coder_assist.")


def _calls(module: ModuleType) -> Iterator[tuple[str, ast.Call]]:
    """Yield the calls of ``re`` inside the functions of a module, each with its function's name."""
    for function in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for call in ast.walk(function):
                if (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and isinstance(call.func.value, ast.Name)
                    and call.func.value.id == "re"
                    and call.func.attr != "escape"
                ):
                    yield function.name, call


def _inline(module: ModuleType) -> Iterator[tuple[str, re.Pattern[str] | None]]:
    """Yield the patterns written within functions by name, ``None`` for one that is put together there."""
    for place, (function, call) in enumerate(_calls(module)):
        flags = [*call.args[1:], *(keyword.value for keyword in call.keywords)]
        ignoring = any("IGNORECASE" in ast.unparse(flag) for flag in flags)
        written = call.args[0]
        pattern = (
            re.compile(written.value, re.IGNORECASE if ignoring else 0)
            if isinstance(written, ast.Constant) and isinstance(written.value, str)
            else None
        )
        yield f"{_short(module)}.{function}().{place}", pattern


FOUND = {
    f"{_short(module)}.{name}.{place}": pattern
    for module in _modules()
    for name, value in vars(module).items()
    for place, pattern in enumerate(_patterns(value))
    if isinstance(pattern.pattern, str)
}
INLINE = {name: pattern for module in _modules() for name, pattern in _inline(module)}
FOUND |= {name: pattern for name, pattern in INLINE.items() if pattern is not None}
FOUND |= {
    f"text.abbreviations._at_word_start({cue})": abbreviations._at_word_start(cue)
    for cue in ("hx", "s/p", "status post", "a.")
}
UNIQUE = {pattern.pattern: name for name, pattern in FOUND.items()}


def _tried(pattern: re.Pattern[str], text: str, *, anchored: bool) -> None:
    if not anchored:
        for _ in pattern.finditer(text):
            pass
    pattern.match(text)
    pattern.fullmatch(text)


def _own_pieces(pattern: re.Pattern[str]) -> set[str]:
    """Return the literal words of a pattern: what leads deepest into it."""
    return {word + " " for word in re.findall(r"[A-Za-z]{3,}", pattern.pattern)[:12]}


def test_the_patterns_of_the_rooms_are_found() -> None:
    """The collection holds the patterns that cut notes, not an empty list."""
    names = " ".join(FOUND)
    for wanted in (
        "text.sections._AT_LINE_START",
        "text.sentences._STOP",
        "codes.terms._WORD",
        "suggest.amendments",
        "review.fhir._BASE64",
        "review.fhir._decoded()",
        "types._WRITTEN_FORM",
        "api.dependencies._ETAG",
        "learn.corpus",
        "text.assertion",
    ):
        assert wanted in names


def test_patterns_that_are_put_together_are_known() -> None:
    """A pattern made at run time cannot be read off the source: it is tried by name above, or is not made."""
    made = {name.rpartition(".")[0] for name, pattern in INLINE.items() if pattern is None}
    assert made == {"text.abbreviations._at_word_start()"}


def _bound(name: str) -> int:
    return BOUNDED.get(name.rpartition(".")[0], 0)


@pytest.mark.parametrize("name", sorted(name for name in UNIQUE.values() if not _bound(name)))
def test_a_pattern_is_linear(name: str) -> None:
    """Four times the text takes a pattern at most some ten times as long (a square would take sixteen)."""
    pattern = FOUND[name]
    for piece in (*PIECES, *sorted(_own_pieces(pattern))):
        # What ends a text may be what a pattern wants, so each piece is tried with an end that none wants.
        short, long = (
            partial(_tried, pattern, piece * (length // len(piece)) + "\x01", anchored=name in ANCHORED)
            for length in (SHORT, LONG)
        )
        assert_linear(short, long, times=10, slack=0.02, what=f"{name} on {piece!r}")


@pytest.mark.parametrize("name", sorted(name for name in UNIQUE.values() if _bound(name)))
def test_a_bounded_pattern_is_linear_within_its_bound(name: str) -> None:
    """A pattern that sees few characters does nothing with them that takes longer than reading a page."""
    pattern, bound = FOUND[name], _bound(name)
    for piece in (*PIECES, *sorted(_own_pieces(pattern))):
        text = (piece * bound)[: bound - 1] + "\x01"
        page = partial(_tried, re.compile("[a-z]+?b"), "a" * 1_000, anchored=False)
        assert_linear(
            page, partial(_tried, pattern, text, anchored=False), times=1, what=f"{name} on {piece!r}"
        )
