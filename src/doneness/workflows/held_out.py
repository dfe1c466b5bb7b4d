"""A recipe without evaluation rows: how many to hold out of its training file, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from doneness.config import DataSection, Recipe
from doneness.core import DataError, Message, say, tr
from doneness.data import HeldOut, Rows, advised_rows, detectable, hold_out, reduced
from doneness.data.eval_size import LEVEL
from doneness.workflows.rules import params_of


@dataclass(frozen=True)
class Holding:
    """What holding rows out came to.

    Attributes:
        train, eval: the two sides; all rows and None where none could be held out.
        lines: what to tell the user before training.
        facts: for the journal; None where none could be held out.
    """

    train: Rows
    eval: Rows | None
    lines: tuple[Message, ...]
    facts: Mapping[str, Any] | None


def holding(recipe: Recipe, rows: Rows) -> Holding:
    """Hold out of `rows` as many as show the smallest gain that the recipe asks for, or as many as it says."""
    gain = params_of(recipe.stopping).epsilon(LEVEL) / LEVEL
    needed = advised_rows(gain)
    asked, share, seed = wanted_rows(recipe.data), recipe.data.hold_out_share, recipe.run.seed
    if asked or share:
        split = hold_out(rows.rows, asked, seed, "asked", share)
    else:
        split = hold_out(rows.rows, needed, seed, "groups")
    if split is None:
        refuse_asked(recipe, len(rows))
        return Holding(rows, None, (say("workflows.held_out.none", rows=len(rows)),), None)
    split = reduced(split, recipe.data.eval_rows, seed)
    train, judged = replace(rows, rows=split.train), replace(rows, rows=split.eval)
    return Holding(train, judged, _lines(split, len(rows), gain, needed), _facts(split, gain, needed))


def wanted_rows(data: DataSection) -> int:
    """How many rows to hold out as the recipe has it; 0 where it leaves that open, or asks for a share."""
    return data.hold_out_rows or (0 if data.hold_out_share else data.eval_rows)


def refuse_asked(recipe: Recipe, rows: int) -> None:
    """Whoever asks for evaluation rows, or counts evaluations, is not to train without them unawares.

    Raises:
        DataError: the recipe asks for what cannot be held out of its `rows`.
    """
    if wanted_rows(recipe.data) or recipe.data.hold_out_share:
        raise DataError(tr("workflows.held_out.asked", rows=rows))
    if recipe.stopping.patience:
        raise DataError(tr("workflows.held_out.patience", rows=rows))


def _lines(split: HeldOut, rows: int, gain: float, needed: int) -> tuple[Message, ...]:
    near = split.near_train + split.near_eval
    first = say(
        "workflows.held_out.done", rows=len(split.eval), all=rows, groups=split.groups, seed=split.seed, near=near
    )
    detects = detectable(split.groups)
    numbers = {"groups": split.groups, "detects": detects, "gain": gain, "needed": needed}
    lines = [first, say(f"workflows.held_out.{'enough' if detects <= gain else 'few'}", **numbers)]
    if split.large:
        lines.append(say("workflows.held_out.large", rows=split.large))
    return tuple(lines)


def _facts(split: HeldOut, gain: float, needed: int) -> dict[str, Any]:
    return {
        "rows": len(split.eval),
        "groups": split.groups,
        "all_groups": split.all_groups,
        "share": split.share,
        "joined_rows": split.joined,
        "near_duplicates_left_out": split.near_train + split.near_eval,
        "near_duplicates_of_train": split.near_eval,
        "near_duplicates_of_eval": split.near_train,
        "rows_in_large_groups": split.large,
        "seed": split.seed,
        "hash": split.digest,
        "gain": gain,
        "rows_advised": needed,
        "detects": detectable(split.groups),
    }
