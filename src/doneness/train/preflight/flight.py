"""The pre-flight as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from doneness.config import Recipe
from doneness.core import Message, RecipeError, launched, say, tr
from doneness.models import LoadedModel
from doneness.train.freed import give_back
from doneness.train.packing import lies_end_to_end
from doneness.train.preflight.answers import look_at_answers
from doneness.train.preflight.disk import look_at_the_disk
from doneness.train.preflight.found import Found
from doneness.train.preflight.gradients import look_at_trained
from doneness.train.preflight.losses import look_at_losses
from doneness.train.preflight.rows import look_at_rows
from doneness.train.preflight.step import look_at_a_step
from doneness.train.preflight.untouched import untouched


def preflight(recipe: Recipe, rows: Any, loaded: LoadedModel, told: Callable[[Message], None]) -> None:
    """Look at rows, losses, gradients, memory and disk before the first step; change nothing.

    Args:
        recipe: of the run.
        rows: `TrainingRows` as token ids.
        loaded: the model with its method applied.
        told: given doubts, and a closing line of what was measured, where anything was.

    Raises:
        RecipeError: with every fault that would spoil the run; nothing was written.
        StorageError: the disk is full or refuses.
    """
    begun, found, model = time.perf_counter(), Found(), loaded.model
    look_at_rows(loaded.tokenizer, model, rows.train.rows, recipe.run.stage == "pretrain", found)
    look_at_trained(recipe, model, found)
    if not found.faults:
        _load_libraries()
        if launched.processes() > 1:
            # Each process has a part of the model, or of the rows; what one of them tried would not be the step.
            found.doubt("several")
        else:
            with untouched(model):
                _try(recipe, rows, loaded, found)
            give_back(collect=True)
    for doubt in found.doubts:
        told(doubt)
    if found.faults:
        raise RecipeError(found.faults, where=tr("preflight.where"))
    if not found.measured:
        return
    parts = tr("preflight.between").join(part.text() for part in found.measured)
    told(say("preflight.done", seconds=time.perf_counter() - begun, parts=parts))


def _load_libraries() -> None:
    """Before anything large is computed: what they leave in memory would otherwise lie between its pieces for good."""
    import datasets  # noqa: F401
    import trl.trainer.sft_trainer  # noqa: F401


def _try(recipe: Recipe, rows: Any, loaded: LoadedModel, found: Found) -> None:
    """What takes the model: its loss, a step, a checkpoint."""
    pace = look_at_losses(recipe, loaded.model, rows.train.rows, found)
    if found.faults:
        return
    if recipe.run.stage == "grpo":
        look_at_answers(recipe, rows, loaded, found)
    else:
        rows = replace(rows, packed=lies_end_to_end(recipe, loaded.model, rows.train.rows))
        look_at_a_step(recipe, rows, loaded, pace, found)
    if not found.faults:
        look_at_the_disk(recipe, rows, loaded, found)
