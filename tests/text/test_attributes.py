"""Attributes: what spares a search of the whole note never spares one that would find something."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from coder_assist.text.attributes import _EPISODES, _HEALING, _OF_CARE, _told, episode_of


@pytest.mark.parametrize(
    "said",
    [
        "nonunion", "non-union", "non union", "malunion", "mal union", "malunited", "delayed healing", "delayed union",
        "routine healing", "healing well", "sequela of", "sequelae from", "late effect of", "residuals of", ", sequelae",
        "initial encounter", "subsequent encounter", "follow up for", "followup visit of", "Follow-up care on",
        "seen today in for follow up", "here for recheck", "returns for re-evaluation", "back in for a reevaluation",
    ],
)  # fmt: skip
@pytest.mark.parametrize("written", [str, str.upper, str.title])
def test_healing_and_episodes_are_not_passed_over(said: str, written: Callable[[str], str]) -> None:
    """A note's sentences are searched by each pattern that matches somewhere in the note, and by no other."""
    text = written(f"Fracture, {said} it.")
    told = [*_told(_HEALING, text, text.lower()), *_told(_EPISODES, text, text.lower())]
    assert told == [(value, pattern) for value, _, pattern in (*_HEALING, *_EPISODES) if pattern.search(text)]
    assert told


@pytest.mark.parametrize(
    "said",
    [
        "routine healing", "cast removal", "cast was removed", "suture removal", "removal of staples", "aftercare",
        "healing well", "has healed", "two weeks out from surgery", "weeks post orif", "months after surgery", "weeks status post injury",
    ],
)  # fmt: skip
def test_aftercare_is_not_passed_over(said: str) -> None:
    """Each way to tell of aftercare holds one of the words without which the note is not searched for it."""
    assert episode_of(f"He is here, {said}.") == "subsequent"
    assert any(word in said for word in _OF_CARE)
