"""The first rows of a recipe as the model sees them: every token, and which of them carry loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doneness.config import Recipe
from doneness.core import Message, say
from doneness.data.files import ending
from doneness.workflows.rows import encode_recipe_rows, encoding_lines, read_recipe_rows
from doneness.workflows.scratch import tokenizer_of
from doneness.workflows.stage_rows import encode_stage_rows, read_stage_rows, stage_lines

if TYPE_CHECKING:
    from doneness.models import Encoded

ROWS = 3
_SPARE = 20  # rows read for each that is shown: some may be left out as empty or too long


@dataclass(frozen=True)
class Shown:
    """One row, or one side of a pair.

    Attributes:
        id: the row's id.
        side: "chosen" or "rejected", "good" or "bad"; "" for a row that has no sides.
        parts: its text in order, and whether each piece of it carries loss.
        tokens, targets: in all, and those that carry loss.
        cut, lost: tokens that did not fit data.max_length, and those of them that would have carried loss.
    """

    id: str
    side: str
    parts: tuple[tuple[str, bool], ...]
    tokens: int
    targets: int
    cut: int
    lost: int


@dataclass(frozen=True)
class Preview:
    """Rows to be looked at.

    Attributes:
        rows: the first ones of the training data.
        lines: what is to be known of them: the template in use, rows that are cut, answers that carry no loss.
    """

    rows: tuple[Shown, ...]
    lines: tuple[Message, ...]


def preview_recipe(recipe: Recipe, count: int = ROWS) -> Preview:
    """The first training rows of a recipe, in the order of the data; nothing after them is read.

    Args:
        recipe: what would be trained.
        count: how many rows.

    Raises:
        DonenessError: data or tokenizer cannot be used.
        MissingExtraError: transformers is not installed.
    """
    from doneness.models.templates import template, with_template

    first = _first(recipe, count)
    most = _SPARE * count if recipe.data.on_long == "skip" else count
    # What needs no model comes first, so that its faults are told where the model is elsewhere.
    if recipe.model.template:
        template(recipe.model.template)
    answered = recipe.run.stage in ("sft", "distill")
    read: Any = read_recipe_rows(first) if answered else read_stage_rows(first)
    tokenizer = tokenizer_of(recipe)
    line = with_template(tokenizer, recipe.model.template)
    lines = [] if line is None else [line]
    read = replace(read, train=replace(read.train, rows=read.train.rows[:most]))
    if answered:
        encoded = encode_recipe_rows(tokenizer, read, recipe.data)
        told = encoding_lines(tokenizer, read, encoded, recipe.data)
    else:
        encoded = encode_stage_rows(tokenizer, read, recipe)
        told = stage_lines(read, encoded, recipe)
    if told:
        lines += [say("workflows.preview.of", rows=len(encoded.train.rows)), *told]
    rows = encoded.train.rows[:count]
    shown = [_shown(tokenizer, side, row) for each in rows for side, row in _sides(each)]
    if ending(Path(recipe.data.train)) in (".csv", ".tsv"):
        shown = [replace(each, id=_counted(each.id)) for each in shown]
    return Preview(tuple(shown), tuple(lines))


def _counted(name: str) -> str:
    """A row of a table by its number: its line counts the one that names the columns, too."""
    return str(int(name) - 1) if name.isdecimal() and int(name) > 1 else name


def _first(recipe: Recipe, count: int) -> Recipe:
    """The recipe of the first rows alone, with nothing held out of them."""
    most = _SPARE * count
    limit = min(recipe.data.first_rows or most, most)
    if recipe.run.stage == "kto":
        # Marks often come sorted, and all of one kind are refused.
        limit = recipe.data.first_rows
    data = replace(recipe.data, first_rows=limit, eval="", hold_out="none", train_rows=0)
    return replace(
        recipe,
        data=data,
        evaluation=replace(recipe.evaluation, spans=()),
        stopping=replace(recipe.stopping, span=""),
    )


def _sides(row: Any) -> Sequence[tuple[str, Encoded]]:
    """The rows of token ids in a row of any stage."""
    if hasattr(row, "rejected"):
        return (("chosen", row.chosen), ("rejected", row.rejected))
    if hasattr(row, "good"):
        return (("good" if row.good else "bad", row.row),)
    return (("", row),)


def _shown(tokenizer: Any, side: str, row: Encoded) -> Shown:
    parts: list[tuple[str, bool]] = []
    at = 0
    for begin, end, _ in row.answers:
        parts += [(_text(tokenizer, row.ids[at:begin]), False), (_text(tokenizer, row.ids[begin:end]), True)]
        at = end
    parts.append((_text(tokenizer, row.ids[at:]), False))
    kept = tuple((text, learnt) for text, learnt in parts if text)
    return Shown(row.id, side, kept, len(row.ids), row.targets, row.cut, row.lost)


def _text(tokenizer: Any, ids: Sequence[int]) -> str:
    return str(tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))
