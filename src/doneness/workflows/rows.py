"""Rows of a recipe: read, picked, encoded. Training and planning see the same ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from doneness.config import DataSection, Recipe
from doneness.core import DataError, tr
from doneness.data import Rows, Span, deciding, normalise, parse_spans, read_rows, refuse_absent, stratified


@dataclass(frozen=True)
class RecipeRows:
    """Rows as text: what the model learns from, and what it is judged on (None where there is nothing).

    `spans` are the parts of the evaluation answers whose losses are summed apart.
    """

    train: Rows
    eval: Rows | None
    spans: tuple[Span, ...] = ()


def read_recipe_rows(recipe: Recipe) -> RecipeRows:
    """Read the recipe's files and pick the rows it asks for.

    Raises:
        DataError: a file is missing, empty, or holds a row that cannot be used; a span cannot be read or stands
            in no evaluation row.
    """
    spans = parse_spans(recipe.evaluation.spans)
    deciding(recipe.stopping.span, spans)
    if not recipe.data.train:
        raise DataError(tr("workflows.no_train_file"))
    data, seed = recipe.data, recipe.run.seed
    on_empty: Literal["refuse", "skip"] = "skip" if data.on_empty == "skip" else "refuse"
    train = _pick(read_rows(Path(data.train), on_empty), data.train_rows, seed)
    held_out = _pick(read_rows(Path(data.eval), on_empty), data.eval_rows, seed) if data.eval else None
    if held_out is not None:
        _refuse_leak(train, held_out)
    refuse_absent(spans, held_out.rows if held_out else ())
    return RecipeRows(train, held_out, spans)


def _refuse_leak(train: Rows, held_out: Rows) -> None:
    """An evaluation file made of training rows gives a training loss under another name."""
    known = {normalise(row.context) for row in train.rows}
    again = sum(normalise(row.context) in known for row in held_out.rows)
    if 2 * again >= len(held_out.rows):
        raise DataError(tr("workflows.leak", path=str(held_out.path), again=again, rows=len(held_out.rows)))


def encode_recipe_rows(tokenizer: Any, rows: RecipeRows, data: DataSection) -> Any:
    """The rows as token ids; a `TrainingRows` for the trainer."""
    from doneness.models import encode_rows
    from doneness.train.loop import TrainingRows

    train = encode_rows(tokenizer, rows.train.rows, data.max_length, data.system, data.on_long)
    if rows.eval is None:
        return TrainingRows(train, None)
    held_out = encode_rows(tokenizer, rows.eval.rows, data.max_length, data.system, data.on_long, rows.spans)
    return TrainingRows(train, held_out)


def _pick(rows: Rows, n: int, seed: int) -> Rows:
    if n == 0 or n >= len(rows.rows):
        return rows
    return replace(rows, rows=stratified(rows.rows, n, seed))
