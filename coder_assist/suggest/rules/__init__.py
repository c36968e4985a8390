"""Coding rules that speak up: small pure checks over a set of codes in its context.

``RuleBook.without(disabled).judge(coding)`` returns the findings. Rules annotate; they never take a
suggestion away.
"""

from coder_assist.suggest.rules import (  # each registers its rules
    conventions,
    demographics,
    edits,
    guidelines_first,
    guidelines_general,
    guidelines_infections,
    guidelines_injury,
    guidelines_metabolism,
    guidelines_mind,
    guidelines_obstetrics,
    guidelines_organs,
    guidelines_pairs,
    laterality,
    modifiers,
    procedures,
    queries,
    risk,
)
from coder_assist.suggest.rules.coding import Coding, Line, lines_of, parse_line, sequenced
from coder_assist.suggest.rules.engine import REGISTRY, Rule, RuleBook
from coder_assist.suggest.rules.facts import CodeFacts, FactBook

FAMILIES = (
    conventions,
    demographics,
    edits,
    guidelines_first,
    guidelines_general,
    guidelines_infections,
    guidelines_injury,
    guidelines_metabolism,
    guidelines_mind,
    guidelines_obstetrics,
    guidelines_organs,
    guidelines_pairs,
    laterality,
    modifiers,
    procedures,
    queries,
    risk,
)

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
    "sequenced",
]
