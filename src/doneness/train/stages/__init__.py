"""The stages: what each of them adds to the one loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doneness.config import Recipe
from doneness.train.stages.base import Scored, Stage

__all__ = ["PREFERENCES", "Scored", "Stage", "of_tokens", "stage_of"]

PREFERENCES = ("dpo", "orpo", "kto", "reward", "grpo")  # stages whose rows are not a question and its answer


def of_tokens(recipe: Recipe) -> bool:
    """Whether the loss that is trained on is a token's likelihood, for which chance is one in the vocabulary."""
    taught = recipe.run.stage == "distill" and recipe.distill.kind != "text"
    return recipe.run.stage not in PREFERENCES and not taught


def stage_of(recipe: Recipe, rows: Any, pad: int, tokenizer: Any = None) -> Stage:
    """The recipe's stage with its rows.

    Args:
        recipe: of the run.
        rows: encoded training and held-out rows; what kind of row is the stage's business.
        pad: id of the padding token.
        tokenizer: of the model; stages that write answers need it.
    """
    from doneness.models.teacher import load_teacher
    from doneness.train.stages.distill import Distill
    from doneness.train.stages.grpo import Grpo
    from doneness.train.stages.kto import Kto
    from doneness.train.stages.pairs import Dpo, Orpo
    from doneness.train.stages.reference import Reference
    from doneness.train.stages.reward import Reward
    from doneness.train.stages.rewards import scorers_of
    from doneness.train.stages.sft import Supervised

    held_out = rows.eval.rows if rows.eval else ()
    own = (rows.train.rows, held_out)
    size, preference, home = recipe.evaluation.batch_size, recipe.preference, Path(recipe.run.folder)
    if recipe.run.stage == "dpo":
        return Dpo(*own, preference, size, pad, Reference(home))
    if recipe.run.stage == "orpo":
        return Orpo(*own, preference, size, pad)
    if recipe.run.stage == "kto":
        return Kto(*own, preference, size, pad, Reference(home))
    if recipe.run.stage == "reward":
        return Reward(*own, size, pad)
    if recipe.run.stage == "grpo":
        return Grpo(*own, recipe.grpo, scorers_of(recipe.rewards), size, tokenizer, recipe.run.seed)
    supervised = Supervised(*own, size, pad, rows.packed, recipe.run.stage != "pretrain")
    if recipe.run.stage == "distill" and recipe.distill.kind != "text":
        return Distill(supervised, recipe.distill, load_teacher(recipe).model, recipe.run.seed)
    return supervised
