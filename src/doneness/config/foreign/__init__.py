"""Other tools' recipes: LLaMA-Factory's and MedicalGPT's arguments, from a file or a command line."""

from doneness.config.foreign.table import Fate, table
from doneness.config.foreign.translate import Translated, is_foreign, kinds, translate

__all__ = ["Fate", "Translated", "is_foreign", "kinds", "table", "translate"]
