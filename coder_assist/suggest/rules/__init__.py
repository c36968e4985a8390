"""Coding rules that speak up: small pure checks over a set of codes in its context.

``RuleBook.without(disabled).judge(coding)`` returns the findings. Rules annotate; they never take a
suggestion away.
"""

from coder_assist.suggest.rules import (
    conventions,
    edits,
    modifiers,
    procedures,
    risk,
)  # registers their rules
from coder_assist.suggest.rules.coding import Coding, Line, lines_of, parse_line
from coder_assist.suggest.rules.engine import REGISTRY, Rule, RuleBook
from coder_assist.suggest.rules.facts import CodeFacts, FactBook

FAMILIES = (conventions, edits, modifiers, procedures, risk)

__all__ = [
    "FAMILIES",
    "REGISTRY",
    "CodeFacts",
    "Coding",
    "FactBook",
    "Line",
    "Rule",
    "RuleBook",
    "lines_of",
    "parse_line",
]
