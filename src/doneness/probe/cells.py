"""Cells: one checkpoint's value with its interval, its paired difference to base, and the mark that follows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doneness.curves.clustered import (
    Difference,
    drawn_difference,
    mean_difference,
    mean_interval,
    share_difference,
    share_interval,
)
from doneness.curves.multiplicity import holm_adjusted
from doneness.curves.shares import Interval, tidy
from doneness.probe.scoring import Scored
from doneness.runs.probes import BASE, UNDECIDED, Behaviour, Cell

Floats = NDArray[np.float64]
ALPHA = 0.05
_Z, _POWER = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(0.8)
_MOST = 1_000_000  # questions; more than that says no more than "never"


class Bare(NamedTuple):
    """A cell before it has its mark, and the standard error of its difference to base."""

    cell: Cell
    error: float


def cells_of(scored: Scored) -> list[Bare]:
    """The cells of one behaviour, base first; marks are set later, for all cells of the table together."""
    return [c for k in range(len(scored.steps)) if (c := _cell(scored, k)) is not None]


def marked(cells: Sequence[Bare], behaviours: Mapping[str, Behaviour]) -> tuple[Cell, ...]:
    """The cells with their marks, corrected by Holm over all comparisons with base that are given."""
    tested = [i for i, c in enumerate(cells) if c.cell.p is not None]
    adjusted = dict(zip(tested, holm_adjusted([cells[i].cell.p or 0.0 for i in tested]), strict=True))
    out = []
    for i, (cell, error) in enumerate(cells):
        p = adjusted.get(i)
        behaviour = behaviours[cell.behaviour]
        mark = "base" if cell.step == BASE else mark_of(behaviour, cell.diff_interval, p is not None and p <= ALPHA)
        found = replace(cell, mark=mark, p_table=p)
        out.append(replace(found, needs=needed(behaviour, found, error, len(tested))))
    return tuple(out)


def mark_of(behaviour: Behaviour, interval: Interval | None, shown: bool = True) -> str:
    """Better, promising, same, worse, leaning, changed or unsure against base.

    Worse and better need an interval that leaves zero out and a difference that is `shown`, corrected for all others;
    same needs an interval that leaves out any harm larger than the margin, and worse one that does not. What is better
    or worse by its own interval alone is promising or leaning. All else is unsure, which is not the same as same.
    """
    if interval is None or not all(map(math.isfinite, interval)):
        return "unsure"
    low, high = interval
    if behaviour.better == "none":
        if shown and (low > 0 or high < 0):
            return "changed"
        return "same" if max(-low, high) <= behaviour.margin else "unsure"
    gain_low, gain_high = (low, high) if behaviour.better == "higher" else (-high, -low)
    if gain_low > 0:
        return "better" if shown else "promising"
    if gain_low >= -behaviour.margin:
        return "same"
    if gain_high < 0:
        return "worse" if shown else "leaning"
    return "unsure"


def needed(behaviour: Behaviour, cell: Cell, error: float, comparisons: int = 1) -> int | None:
    """How many questions would decide a cell that cannot tell; None for the others, and where it cannot be said.

    An unsure one: as many as exclude harm beyond the margin in four of five cases, and at least as many as the
    difference seen would take. A leaning or promising one: as many as show it among all comparisons, if it is what it
    seems.

    Args:
        error: standard error of the difference; it falls with the root of the number of questions.
        comparisons: how many the table corrects for.
    """
    if cell.mark not in UNDECIDED or cell.diff is None or not math.isfinite(error) or error <= 0:
        return None
    if cell.mark != "unsure":
        z = NormalDist().inv_cdf(1 - ALPHA / 2 / max(comparisons, 1))
        return _rounded(cell.n * ((z + _POWER) * error / cell.diff) ** 2, cell.n) if cell.diff else None
    if behaviour.margin <= 0:
        return None
    gain = -abs(cell.diff) if behaviour.better == "none" else cell.diff * (1 if behaviour.better == "higher" else -1)
    away = max(behaviour.margin + gain, -gain)
    # Of a share: so many answers that never change exclude the margin, and fewer do not.
    least = _Z**2 * (1 / behaviour.margin - 1) * cell.n / (cell.clusters or cell.n) if behaviour.unit == "share" else 0
    return _rounded(max(least, cell.n * (error * max((_Z + _POWER) / behaviour.margin, _Z / away)) ** 2), cell.n)


def to_show(cell: Cell, comparisons: int) -> int | None:
    """How many questions would show a difference among so many comparisons, if it is what it seems; None of none.

    The exact test of a handful of answers can hardly reach a small p, whatever was seen: there the interval says more
    of how far apart they are.
    """
    if cell.p is None or not 0.0 < cell.p < 1.0 or not cell.diff:
        return None
    away = NormalDist().inv_cdf(1 - cell.p / 2)
    if cell.diff_interval is not None and (width := cell.diff_interval[1] - cell.diff_interval[0]) > 0:
        away = max(away, abs(cell.diff) * 2 * _Z / width)
    z = NormalDist().inv_cdf(1 - ALPHA / 2 / max(comparisons, 1))
    return _rounded(cell.n * ((z + _POWER) / away) ** 2, cell.n)


def difference(scored: Scored, now: int, before: int) -> Difference | None:
    """Checkpoint `now` − checkpoint `before` (rows of `scored`) on the questions both have; None below two of them."""
    there = np.isfinite(scored.values)
    both = there[now] & there[before]
    n = int(both.sum())
    if n < 2:
        return None
    groups = scored.groups if both.all() else scored.groups.of(both)
    if scored.rows is not None:
        value = scored.statistic(now, both) - scored.statistic(before, both)
        return drawn_difference(value, scored.draws[:, now] - scored.draws[:, before], groups, n)
    after, first = scored.values[now, both], scored.values[before, both]
    if scored.measure.binary:
        return share_difference(after, first, groups)
    return mean_difference(after - first, groups, _scale(scored, np.concatenate((after, first))))


def _cell(scored: Scored, k: int) -> Bare | None:
    there = np.isfinite(scored.values[k])
    n = int(there.sum())
    step, behaviour = scored.steps[k], scored.measure.behaviour
    if not n or (n < 2 and not scored.measure.binary):
        return None
    groups = scored.groups if there.all() else scored.groups.of(there)
    values = scored.values[k, there]
    value = scored.statistic(k, there)
    if not math.isfinite(value):
        return None
    found: Difference | None = None
    if step != BASE and BASE in scored.steps:
        found = difference(scored, k, scored.steps.index(BASE))
    if scored.rows is not None:
        interval = drawn_difference(value, scored.draws[:, k], groups, n).interval
    elif scored.measure.binary:
        interval = share_interval(values, groups)
    else:
        interval = mean_interval(values, groups, _scale(scored, values))
    top = 1.0 if behaviour.unit == "share" else math.inf
    floor = 0.0 if behaviour.unit in ("share", "tokens") else -math.inf
    cell = Cell(
        behaviour=behaviour.name,
        step=step,
        value=tidy(value),
        interval=(max(floor, interval[0]), min(top, interval[1])),
        n=n,
        mark="base" if step == BASE else "unsure",
        diff=found.value if found else None,
        diff_interval=found.interval if found else None,
        p=found.p if found else None,
        clusters=None if groups.alone else groups.count,
    )
    return Bare(cell, found.se if found else math.inf)


def _scale(scored: Scored, values: Floats) -> float:
    """What one more answer could add: 1 for shares, else as much as the largest value seen."""
    if scored.measure.behaviour.unit == "share":
        return 1.0
    return max(1.0 if scored.measure.behaviour.unit == "tokens" else 1e-3, float(np.abs(values).max()))


def _rounded(n: float, had: int) -> int | None:
    """Two digits are as much as such an estimate is worth; always more than there were."""
    if not math.isfinite(n) or n > _MOST:
        return None
    n = max(n, had + 1)
    unit = 10 ** max(0, math.floor(math.log10(n)) - 1)
    return int(math.ceil(n / unit) * unit)
