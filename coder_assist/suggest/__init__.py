"""Which codes a note supports: retrieval, specificity, scoring, order."""

from coder_assist.suggest.coder import Coder
from coder_assist.suggest.packs import Pack, load_pack

__all__ = ["Coder", "Pack", "load_pack"]
