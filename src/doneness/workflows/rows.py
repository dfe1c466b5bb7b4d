"""Rows of a recipe: read, picked, encoded. Training and planning see the same ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from doneness.config import DataSection, Recipe
from doneness.core import DataError, Message, say, tr
from doneness.data import (
    Kept,
    Reading,
    Rows,
    Span,
    deciding,
    normalise,
    parse_spans,
    read_prompts,
    read_rows,
    refuse_absent,
    stratified,
)
from doneness.workflows.held_out import holding


@dataclass(frozen=True)
class RecipeRows:
    """Rows as text: what the model learns from, and what it is judged on (None where there is nothing).

    `spans` are the parts of the evaluation answers whose losses are summed apart. Where the evaluation rows were
    held out of the training file, `lines` say so and `held_out` has the facts for the journal.
    """

    train: Rows
    eval: Rows | None
    spans: tuple[Span, ...] = ()
    lines: tuple[Message, ...] = ()
    held_out: Mapping[str, Any] | None = None


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
    reading = reading_of(recipe)
    read = read_questions if recipe.run.stage == "distill" and recipe.distill.kind == "text" else read_rows
    whole = read(data.train, reading=reading)
    if data.eval:
        train = _pick(whole, data.train_rows, seed)
        held_out = _pick(read(data.eval, reading=reading), data.eval_rows, seed)
        _refuse_leak(train, held_out)
        refuse_absent(spans, held_out.rows)
        return RecipeRows(train, held_out, spans)
    if data.hold_out == "none":
        refuse_absent(spans, ())
        return RecipeRows(_pick(whole, data.train_rows, seed), None, spans)
    # From the whole file, so that a row's side does not depend on how many are trained on.
    found = holding(recipe, whole)
    refuse_absent(spans, found.eval.rows if found.eval else ())
    return RecipeRows(_pick(found.train, data.train_rows, seed), found.eval, spans, found.lines, found.facts)


def read_questions(path: str, reading: Reading) -> Rows:
    """Questions as rows; where one has no answer, the answer is empty."""
    found = read_prompts(path, reading)
    return Rows(found.path, tuple(row.face for row in found.rows), found.skipped, found.renamed)


def reading_of(recipe: Recipe) -> Reading:
    """How the recipe's data is read."""
    data = recipe.data
    return Reading(data.on_empty, data.columns, data.first_rows, recipe.run.seed, data.tool_format)


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

    asked = (data.max_length, data.system, data.on_long)
    with of_file(rows.train):
        train = encode_rows(tokenizer, rows.train.rows, *asked, answers=data.answers, cut=data.cut)
    if rows.eval is None:
        return TrainingRows(train, None, rows.held_out)
    with of_file(rows.eval):
        held_out = encode_rows(tokenizer, rows.eval.rows, *asked, spans=rows.spans, answers=data.answers, cut=data.cut)
    return TrainingRows(train, held_out, rows.held_out)


@contextmanager
def of_file(rows: Rows | Kept[Any]) -> Iterator[None]:
    """Whatever is wrong with a row is said with the name of its file; rows alone do not know it."""
    try:
        yield
    except DataError as error:
        raise DataError(tr("workflows.rows.of_file", path=str(rows.path), what=str(error))) from error


def skipped_lines(train: Rows | Kept[Any], held_out: Rows | Kept[Any] | None) -> list[Message]:
    """How many rows reading left out, where it did; rows held out of the training file come from the same one."""
    parts = {str(part.path): len(part.skipped) for part in (train, held_out) if part is not None}
    return [say("workflows.rows.blank", rows=sum(parts.values()))] if any(parts.values()) else []


def encoding_lines(tokenizer: Any, rows: RecipeRows, encoded: Any, data: DataSection) -> tuple[Message, ...]:
    """What became of the rows on their way to token ids, where it is not what one would think."""
    found = [part for part in (encoded.train, encoded.eval) if part is not None]
    lines = skipped_lines(rows.train, rows.eval)
    cut, tokens, lost = (sum(getattr(part, name) for part in found) for name in ("truncated", "cut", "lost"))
    if cut:
        total = sum(len(part.rows) for part in found)
        numbers = {"rows": cut, "all": total, "limit": data.max_length, "tokens": tokens, "lost": lost}
        lines.append(say(f"workflows.rows.cut_{data.cut}", **numbers))
    rewritten = sum(part.rewritten for part in found)
    if rewritten:
        lines.append(say("workflows.rows.rewritten", rows=rewritten))
    from doneness.models.messages import known_to

    tooled = sum(bool(row.tools) for row in rows.train.rows)
    if tooled and not known_to(tokenizer).tools:
        lines.append(say("workflows.rows.no_tools", rows=tooled))
    return tuple(lines)


def _pick(rows: Rows, n: int, seed: int) -> Rows:
    if n == 0 or n >= len(rows.rows):
        return rows
    return replace(rows, rows=stratified(rows.rows, n, seed))
