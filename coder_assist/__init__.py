"""coder_assist reads clinical notes and proposes codes with the evidence that supports them.

>>> from coder_assist import Coder, Note
>>> coder = Coder.load()  # doctest: +SKIP
>>> run = coder.suggest(Note("n1", "ASSESSMENT: Type 2 diabetes mellitus."))  # doctest: +SKIP
>>> run.suggestions[0].code  # doctest: +SKIP
Code(system=<System.ICD10CM: 'ICD-10-CM'>, value='E11.9')
"""

from typing import TYPE_CHECKING, Any

from coder_assist.errors import CoderAssistError
from coder_assist.types import Code, Encounter, Note, Run, Setting, Suggestion

if TYPE_CHECKING:
    from coder_assist.suggest import Coder

__version__ = "0.1.0"
__all__ = ["Code", "Coder", "CoderAssistError", "Encounter", "Note", "Run", "Setting", "Suggestion"]


def __getattr__(name: str) -> Any:
    """Load the pipeline only for those who ask for it; the records alone import in milliseconds."""
    if name == "Coder":
        from coder_assist.suggest import Coder

        return Coder
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
