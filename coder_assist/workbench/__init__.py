"""The review and its data for those who work in notebooks: the desk as a widget, documents and runs shown, tables.

    from coder_assist.workbench import Bench, ReviewWidget, read, show_document, suggest

Needs the extra ``workbench`` (JupyterLab, anywidget, pandas); ``coder-assist lab`` opens JupyterLab on the notebooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coder_assist.workbench.bench import Bench
from coder_assist.workbench.showing import read, show_document, suggest

if TYPE_CHECKING:
    from coder_assist.workbench.widget import ReviewWidget

__all__ = ["Bench", "ReviewWidget", "read", "show_document", "suggest"]


def __getattr__(name: str) -> Any:
    """Import the widget on first use: showing a document does without anywidget."""
    if name != "ReviewWidget":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from coder_assist.workbench.widget import ReviewWidget

    return ReviewWidget
