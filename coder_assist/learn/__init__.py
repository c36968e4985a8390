"""Corpora, training and evaluation: a pack and its metrics out of coded notes.

``feature_frame`` gives data scientists what a ranker is trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coder_assist.learn.frames import feature_frame

__all__ = ["feature_frame"]


def __getattr__(name: str) -> Any:
    """Import what trains on first use: reading a pack's curves does without scikit-learn."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from coder_assist.learn.frames import feature_frame

    return feature_frame
