"""The pre-flight of a recipe by itself: everything that a run looks at before its first step, and nothing more."""

from __future__ import annotations

from collections.abc import Callable

from doneness.config import Recipe
from doneness.core import Message
from doneness.workflows.train import at_home, ready


def preflight_run(recipe: Recipe, told: Callable[[Message], None]) -> None:
    """Look at a recipe as `train_run` does before it begins; trains nothing and leaves nothing behind.

    Args:
        recipe: what would be trained.
        told: given what is to be known, and a closing line of what was measured.

    Raises:
        DonenessError: data or model cannot be used, or the pre-flight found a fault.
    """
    recipe = at_home(recipe)
    encoded, loaded = ready(recipe, told)
    from doneness.train.preflight import preflight

    preflight(recipe, encoded, loaded, told)
