"""Where the time of a note goes: the stages of the corridor, each without those inside it."""

from __future__ import annotations

import functools
import importlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Stage, module, attribute (``Class.method`` or a function's name where the corridor looks it up).
STAGES = (
    ("read: sections", "coder_assist.text", "find_sections"),
    ("read: sentences", "coder_assist.text", "find_sentences"),
    ("read: words", "coder_assist.text.matcher", "words_of_note"),
    ("read: matching", "coder_assist.text.mentions", "MentionFinder.find"),
    ("read: assertion", "coder_assist.text", "judge"),
    ("read: performance", "coder_assist.text.mentions", "performance_of"),
    ("read: attributes", "coder_assist.text", "describe"),
    ("propose: codes of mentions", "coder_assist.suggest.proposals", "Proposer.propose"),
    ("propose: surroundings", "coder_assist.suggest.proposals", "Surroundings"),
    ("propose: titles", "coder_assist.suggest.proposals", "Proposer._add_titles"),
    ("propose: walk to billable codes", "coder_assist.suggest.specificity", "SpecificityWalk.resolve_sides"),
    ("propose: search by similar words", "coder_assist.codes.lexicon", "Lexicon.retrieve"),
    ("propose: combinations", "coder_assist.suggest.combinations", "Combiner.extend"),
    ("features", "coder_assist.suggest.coder", "features_of"),
    ("scoring", "coder_assist.suggest.scoring", "TrainedScorer.probabilities"),
    ("assemble", "coder_assist.suggest.coder", "Coder.assemble"),
    ("assemble: rivals", "coder_assist.suggest.rivals", "Rivals.alternatives_of"),
    ("assemble: integral procedures", "coder_assist.suggest.coder", "Coder._parts_of_procedures"),
    ("rules", "coder_assist.suggest.coder", "Coder.judge"),
)


@contextmanager
def timed() -> Iterator[dict[str, float]]:
    """Yield the seconds of processor time by stage; they count up while the context lasts."""
    seconds = {name: 0.0 for name, _, _ in STAGES}
    inner: list[float] = []  # for each stage under way, what the stages inside it took

    def wrapped(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function, updated=())
        def call(*arguments: Any, **named: Any) -> Any:
            inner.append(0.0)
            began = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                took = time.process_time() - began
                seconds[name] += took - inner.pop()
                if inner:
                    inner[-1] += took

        return call

    originals: list[tuple[Any, str, Any]] = []
    for name, module, path in STAGES:
        *owners, attribute = path.split(".")
        owner: Any = functools.reduce(getattr, owners, importlib.import_module(module))
        originals.append((owner, attribute, getattr(owner, attribute)))
        setattr(owner, attribute, wrapped(name, originals[-1][2]))
    try:
        yield seconds
    finally:
        for owner, attribute, original in originals:
            setattr(owner, attribute, original)
