"""The page of rules, and switching rules off."""

from __future__ import annotations

from pathlib import Path

import pytest

from coder_assist.errors import SettingsError
from coder_assist.suggest.rules import REGISTRY, RuleBook, catalogue

PAGE = Path(__file__).parents[3] / "docs/rules.md"


def test_the_page_is_the_table() -> None:
    """docs/rules.md is what `coder-assist rules list --markdown` prints."""
    assert PAGE.read_text("utf-8") == catalogue.markdown(RuleBook.without().rules)


def test_a_disabled_rule_is_silent() -> None:
    """A disabled rule is not in the book, and the book's version tells."""
    book = RuleBook.without(["excludes2"])
    assert {rule.id for rule in book.rules} == REGISTRY.keys() - {"excludes2"}
    assert book.version != RuleBook.without().version


def test_an_unknown_rule_cannot_be_disabled() -> None:
    """A misspelt id is an error, not a rule that goes on speaking."""
    with pytest.raises(SettingsError, match="exclude-2"):
        RuleBook.without(["exclude-2"])
