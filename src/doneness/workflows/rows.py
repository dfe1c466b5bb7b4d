"""Rows of a recipe: read, picked, encoded. Training and planning see the same ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from doneness.config import DataSection, Recipe
from doneness.core import DataError, tr
from doneness.data import Rows, read_rows, stratified


@dataclass(frozen=True)
class RecipeRows:
    """Rows as text: what the model learns from, and what it is judged on (None where there is nothing)."""

    train: Rows
    eval: Rows | None


def read_recipe_rows(recipe: Recipe) -> RecipeRows:
    """Read the recipe's files and pick the rows it asks for.

    Raises:
        DataError: a file is missing, empty, or holds a row that cannot be used.
    """
    if not recipe.data.train:
        raise DataError(tr("workflows.no_train_file"))
    data, seed = recipe.data, recipe.run.seed
    on_empty: Literal["refuse", "skip"] = "skip" if data.on_empty == "skip" else "refuse"
    train = _pick(read_rows(Path(data.train), on_empty), data.train_rows, seed)
    held_out = _pick(read_rows(Path(data.eval), on_empty), data.eval_rows, seed) if data.eval else None
    return RecipeRows(train, held_out)


def encode_recipe_rows(tokenizer: Any, rows: RecipeRows, data: DataSection) -> Any:
    """The rows as token ids; a `TrainingRows` for the trainer."""
    from doneness.models import encode_rows
    from doneness.train.loop import TrainingRows

    train = encode_rows(tokenizer, rows.train.rows, data.max_length, data.system, data.on_long)
    held_out = rows.eval and encode_rows(tokenizer, rows.eval.rows, data.max_length, data.system, data.on_long)
    return TrainingRows(train, held_out or None)


def _pick(rows: Rows, n: int, seed: int) -> Rows:
    if n == 0 or n >= len(rows.rows):
        return rows
    return replace(rows, rows=stratified(rows.rows, n, seed))
