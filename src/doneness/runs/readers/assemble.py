"""From columns to series: steps made ascending, doubles settled, the main evaluation set chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from doneness.core import say
from doneness.runs.readers.order import Part, last_of_each, parts_of
from doneness.runs.readers.table import Table
from doneness.runs.run import EVAL_LOSS, Floats, Ints, Series

_STEP_LIMIT = 2.0**53


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
        "epoch": table.dense(layout.epoch),
        "tokens": table.dense(layout.tokens),
        "time": _running(table.dense(layout.time)),
    }
    found = []
    for part in parts_of(step, split=split):
        story = _story(table, layout, step, context, part)
        if story.series:
            found.append(Story(story.series, (*notes, *story.notes), part.resumed, part.rows))
    return found


def usable(step: Floats) -> Floats:
    """Steps as whole numbers; NaN where there is none, or one that cannot be."""
    with np.errstate(invalid="ignore"):
        return np.where((step >= 0) & (step < _STEP_LIMIT), np.round(step), np.nan)


def _story(table: Table, layout: Layout, step: Floats, context: Mapping[str, Floats], part: Part) -> Story:
    rank = np.full(table.size, -1, dtype=np.int64)
    rank[part.rows] = np.arange(part.rows.size)
    plain = bool((np.diff(part.rows) > 0).all())
    series: dict[str, Series] = {}
    doubles = 0
    for column, name in layout.names.items():
        rows, values = table.column(column)
        inside = rank[rows] >= 0
        hidden = rows[~inside]
        if hidden.size:
            rows, values = rows[inside], values[inside]
        if rows.size == 0:
            continue
        if not plain:
            order = np.argsort(rank[rows], kind="stable")
            rows, values = rows[order], values[order]
        at = step[rows]
        keep, twice = last_of_each(at)
        if twice:
            rows, values, at = rows[keep], values[keep], at[keep]
        if part.resumed and hidden.size:
            twice += int(np.isin(step[hidden], at).sum())
        doubles += twice
        whole = rows.size == table.size  # every row in its place: no need to pick them one by one
        series[name] = Series.of(
            at.astype(np.int64), values, **{k: v if whole and plain else v[rows] for k, v in context.items()}
        )
    notes = [str(say("runs.note.twice", count=doubles))] if doubles else []
    return Story(series, (*notes, *part.notes), part.resumed)


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
