"""From columns to series: steps made ascending, doubles settled, the main evaluation set chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from doneness.core import say
from doneness.runs.readers.order import Part, last_of_each, parts_of
from doneness.runs.readers.table import Table
from doneness.runs.records import LAST_STEP
from doneness.runs.run import EVAL_LOSS, Floats, Ints, Series


@dataclass(frozen=True)
class Layout:
    """Which column is what.

    Attributes:
        names: series name by column name.
        step: the column of steps; None counts the rows.
        epoch: passes over the data, fractional.
        tokens: tokens seen.
        time: seconds since the start; restarts at a resume are added up.
    """

    names: Mapping[str, str]
    step: str | None = "step"
    epoch: str | None = None
    tokens: str | None = None
    time: str | None = None


@dataclass(frozen=True)
class Story:
    """One training as the log tells it."""

    series: dict[str, Series]
    notes: tuple[str, ...] = ()
    resumed: tuple[int, ...] = ()
    rows: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def stories(table: Table, layout: Layout, *, split: bool) -> list[Story]:
    """The trainings in `table`, in the order written; rows without a usable step are left out."""
    notes: list[str] = []
    if layout.step is None:
        step = np.arange(1, table.size + 1, dtype=np.float64)
        notes.append(str(say("runs.note.no_step")))
    else:
        step = usable(table.dense(layout.step))
    context = {
        "epoch": None if layout.epoch is None else _of_step(step, table.dense(layout.epoch)),
        "tokens": None if layout.tokens is None else table.dense(layout.tokens),
        "time": None if layout.time is None else _running(table.dense(layout.time)),
    }
    found = []
    for part in parts_of(step, split=split):
        story = _story(table, layout, step, context, part)
        if story.series:
            found.append(Story(story.series, (*notes, *story.notes), part.resumed, part.rows))
    return found


def _of_step(step: Floats, value: Floats) -> Floats:
    """`value` also where its row is silent and another of the same step tells: event files hold one number a row."""
    told, silent = np.isfinite(value) & np.isfinite(step), np.flatnonzero(~np.isfinite(value) & np.isfinite(step))
    if silent.size == 0 or not told.any():
        return value
    order = np.argsort(step[told], kind="stable")
    known, values = step[told][order], value[told][order]
    place = np.maximum(np.searchsorted(known, step[silent], side="right") - 1, 0)
    found = value.copy()
    found[silent] = np.where(known[place] == step[silent], values[place], np.nan)
    return found


def usable(step: Floats) -> Floats:
    """Steps as whole numbers; NaN where there is none, or one that cannot be."""
    with np.errstate(invalid="ignore"):
        return np.where((step >= 0) & (step <= LAST_STEP), np.round(step), np.nan)


def _story(table: Table, layout: Layout, step: Floats, context: Mapping[str, Floats | None], part: Part) -> Story:
    rank = np.full(table.size, -1, dtype=np.int64)
    rank[part.rows] = np.arange(part.rows.size)
    plain = bool((np.diff(part.rows) > 0).all())
    series: dict[str, Series] = {}
    doubles = 0
    like: _Places | None = None
    for column, name in layout.names.items():
        rows, values = table.column(column)
        if rows.size == 0:
            continue
        # Columns of one kind of rows stand in the same rows: what these say is looked up once.
        if like is None or not np.array_equal(rows, like.asked):
            like = _places(rows, rank, plain, step, context)
        if like.rows.size == 0:
            continue
        doubles += like.doubles
        if part.resumed and like.hidden.size:
            doubles += int(np.isin(step[like.hidden], like.step).sum())
        series[name] = Series.of(like.step, values if like.taken is None else values[like.taken], **like.context)
    notes = [str(say("runs.note.twice", count=doubles))] if doubles else []
    return Story(series, (*notes, *part.notes), part.resumed)


@dataclass(frozen=True)
class _Places:
    """Where the cells of a column come to lie.

    Attributes:
        asked: the rows it was asked for.
        rows: those of them in force, in the order of steps.
        taken: their places among the rows asked for; None for all of them as they are.
        hidden: rows that another training or a resume hides.
        doubles: rows whose step comes again.
        step: their steps.
        context: epochs, tokens and seconds at them, where there are any.
    """

    asked: Ints
    rows: Ints
    taken: Ints | None
    hidden: Ints
    doubles: int
    step: Ints
    context: Mapping[str, Floats | None]


def _places(rows: Ints, rank: Ints, plain: bool, step: Floats, context: Mapping[str, Floats | None]) -> _Places:
    inside = rank[rows] >= 0
    whole = bool(inside.all())
    taken = None if whole else np.flatnonzero(inside)
    held = rows if taken is None else rows[taken]
    if not plain:
        order = np.argsort(rank[held], kind="stable")
        held, taken = held[order], order if taken is None else taken[order]
    at = step[held]
    keep, twice = last_of_each(at)
    if twice:
        held, at, taken = held[keep], at[keep], keep if taken is None else taken[keep]
    # Every row in its place: no need to pick them one by one.
    everything = plain and held.size == rank.size
    there = {k: v if v is None or everything else v[held] for k, v in context.items()}
    hidden = np.zeros(0, dtype=np.int64) if whole else rows[~inside]
    return _Places(rows, held, taken, hidden, twice, at.astype(np.int64), there)


def _running(time: Floats) -> Floats:
    """Elapsed seconds that start anew at a resume, added up; small steps back are jitter and stay."""
    known = np.flatnonzero(np.isfinite(time))
    if known.size < 2:
        return time
    seen = time[known]
    drop = np.diff(seen)
    anew = np.flatnonzero((drop < 0) & (seen[1:] < 0.5 * seen[:-1]))
    if anew.size == 0:
        return time
    offset = np.zeros(known.size)
    offset[anew + 1] = seen[anew]
    running = time.copy()
    running[known] = seen + np.cumsum(offset)
    return running


def choose_main_evaluation(series: dict[str, Series], notes: list[str]) -> None:
    """Give the run an "eval/loss": the plain one, else the only one, else the first named, with a note.

    Losses of different sets are never averaged: their difficulty and size differ, and a mean of
    them is a curve that no evaluation saw.
    """
    if EVAL_LOSS in series:
        return
    named = [name for name in series if name.startswith("eval:") and name.endswith("/loss")]
    if not named:
        return
    series[EVAL_LOSS] = series[named[0]]
    if len(named) > 1:
        first = named[0].removeprefix("eval:").removesuffix("/loss")
        notes.append(str(say("runs.note.first_evaluation", name=first, count=len(named))))
