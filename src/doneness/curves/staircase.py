"""The staircase: by how much a training loss drops where one pass over the data ends and the next begins.

At every epoch edge a straight line is fitted to the rows before it and to those after it, and what
lies between them at the edge is the drop. Both lines reach equally far, so that the bend of a
curve which flattens out can only make the drop look smaller. The first third of the first epoch is
the fall into the task and is left out.

Source: the observation, fast.ai/posts/2023-09-04-learning-jumps; regression discontinuity at known
places; Huber 1964 (weights), White 1980 (variance).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doneness.curves.student import t_cdf, t_quantile

Floats = NDArray[np.float64]

_MANY, _ENOUGH, _AN_EPOCH = 40_000, 8_000, 400  # rows; more are averaged in groups first
LEAST = 10  # rows on either side of an edge
_OPENING = 1.0 / 3.0  # of the first epoch
_HUBER = 1.5  # robust standard deviations
_HALF = 0.6  # of an epoch: less leaves no common stretch worth the name
_MEDIAN = 1.2533  # its standard error over a mean's
_ROUNDING = 0.01  # epochs are often logged with two digits
_FLOOR = 1e-6  # of the loss: a noise below it is rounding
_MOST = 0.95  # a correlation beyond it leaves nothing to count


@dataclass(frozen=True, slots=True)
class Drop:
    """One epoch edge: `size` in units of the loss, positive where it falls, and its standard error."""

    edge: int
    size: float
    se: float


@dataclass(frozen=True)
class Staircase:
    """The drops at all usable epoch edges together.

    Attributes:
        drops: one for each edge; edge k lies between epoch k and epoch k + 1.
        total: sum of the drops.
        se: its standard error; neighbouring edges share rows, which is allowed for.
        level: median loss before the first edge, against which drops are shares.
        stayed: fall from one epoch's median to the next's over the same stretch, summed over the edges, and its
            standard error: a pattern that every epoch repeats (rows in a fixed order) leaves it near zero.
        climb: rise within the epoch before the first edge, and its standard error. New rows do not get harder: where
            it undoes the drop, the rows come in a fixed order.
        correlation: of neighbouring residuals.
        rows: log rows behind it.
        df: degrees of freedom.
    """

    drops: tuple[Drop, ...]
    total: float
    se: float
    level: float
    stayed: tuple[float, float]
    climb: tuple[float, float]
    correlation: float
    rows: int
    df: float

    @property
    def z(self) -> float:
        """The sum in standard errors."""
        return self.total / self.se

    def p(self, least: float = 0.0) -> float:
        """One-sided p-value of "no edge drops by more than `least`", in units of the loss.

        Both the sum of the drops and the largest of them are tested, and paid for.
        """
        edges = len(self.drops)
        single = max((d.size - least) / d.se for d in self.drops)
        summed = 1.0 - t_cdf((self.total - least * edges) / self.se, self.df)
        return min(1.0, 2.0 * min(summed, edges * (1.0 - t_cdf(single, self.df))))

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of the sum."""
        half = t_quantile(0.5 + level / 2.0, self.df) * self.se
        return self.total - half, self.total + half


def staircase(
    epoch: ArrayLike, value: ArrayLike, least: int = LEAST, without: Collection[int] = ()
) -> Staircase | None:
    """Measure the drops at the epoch edges of a logged loss.

    Args:
        epoch: passes over the data done when each row was logged, ascending, fractional; shape (n,). A row
            speaks of what lies between the row before it and itself; one that spans an edge is left out.
        value: losses; shape (n,). Non-finite values are left out.
        least: rows needed on either side of an edge for it to count.
        without: edges to leave out, because something else changes there.

    Returns:
        The staircase, or None where no edge has enough rows.
    """
    at, y = np.asarray(epoch, dtype=np.float64), np.asarray(value, dtype=np.float64)
    begun = np.concatenate(([0.0], at[:-1])) if at.size else at
    keep = np.isfinite(at) & np.isfinite(y) & np.isfinite(begun)
    at, begun, y = at[keep], begun[keep], y[keep]
    number = np.maximum(np.ceil(at - _ROUNDING), 1.0)
    whole = begun >= number - 1.0 - _ROUNDING
    at, y, number = (0.5 * (at + begun))[whole], y[whole], number[whole].astype(np.int64)
    if y.size < 2 * least:
        return None
    many = min(_MANY, max(_ENOUGH, _AN_EPOCH * np.unique(number[_changes(number)]).size))
    if y.size > many:
        at, y, number = _averaged(at, y, number, many)
    found = [
        each
        for edge in _edges(number, least)
        if edge not in without and (each := _edge(at, y, number, edge, least)) is not None
    ]
    return _together(found, y) if found else None


def _changes(number: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where a row has another number than the row before it; the first row has."""
    return np.flatnonzero(np.append(True, number[1:] != number[:-1]))


def _averaged(at: Floats, y: Floats, number: NDArray[np.int64], many: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Means of as many rows in a row as leave about `many`, within an epoch: more rows tell nothing more."""
    size = -(-y.size // many)
    first = _changes(number)
    place = np.arange(y.size) - np.repeat(first, np.diff(np.append(first, y.size)))
    begin = np.flatnonzero(place % size == 0)
    count = np.diff(np.append(begin, y.size))
    return np.add.reduceat(at, begin) / count, np.add.reduceat(y, begin) / count, number[begin]


def _edges(number: NDArray[np.int64], least: int) -> list[int]:
    """The edges between epochs that both have rows enough; a damaged log may jump to epoch 10^12."""
    epochs, counts = np.unique(number, return_counts=True)
    full = epochs[counts >= least]
    return [int(edge) for edge in full[:-1][np.diff(full) == 1]]


@dataclass(frozen=True)
class _Edge:
    """One edge as a linear estimator: rows, their weights in the drop, residuals cut by Huber."""

    edge: int
    rows: NDArray[np.int64]
    weight: Floats
    mean_weight: Floats
    residual: Floats
    size: float
    climb: tuple[float, float]
    stayed: float
    level: float


def _edge(at: Floats, y: Floats, number: NDArray[np.int64], edge: int, least: int) -> _Edge | None:
    opening = _OPENING if edge == 1 else 0.0
    before = np.flatnonzero((number == edge) & (at >= edge - 1.0 + opening))
    after = np.flatnonzero(number == edge + 1)
    if min(before.size, after.size) < least:
        return None
    reach = min(edge - at[before[0]], at[after[-1]] - edge)
    before = before[at[before] >= edge - reach - _ROUNDING]
    after = after[at[after] <= edge + reach + _ROUNDING]
    if min(before.size, after.size) < least:
        return None
    left, right = _line(at[before] - edge, y[before]), _line(at[after] - edge, y[after])
    # Whether the loss stays down is asked of the same stretch of either epoch, so that rows which come in a
    # fixed order are held against themselves; a last epoch that was cut short leaves only the whole windows.
    old, new = before, after
    if reach > _HALF:
        old, new = before[at[before] <= edge - 1.0 + reach], after[at[after] >= edge + 1.0 - reach]
    if not min(old.size, new.size):
        return None
    stays = np.concatenate((_share(before, old), -_share(after, new)))
    return _Edge(
        edge=edge,
        rows=np.concatenate((before, after)),
        weight=np.concatenate((left.weight, -right.weight)),
        mean_weight=stays,
        residual=np.concatenate((left.residual, right.residual)),
        size=left.level - right.level,
        climb=(left.slope[0] * reach, left.slope[1] * reach),
        stayed=float(np.median(y[old]) - np.median(y[new])),
        level=abs(float(np.median(y[before]))),
    )


def _share(rows: NDArray[np.int64], chosen: NDArray[np.int64]) -> Floats:
    """Weights of the mean of `chosen` over `rows`; a median needs a quarter more."""
    return np.where(np.isin(rows, chosen), _MEDIAN / chosen.size, 0.0)


@dataclass(frozen=True)
class _Line:
    """A robust line: value at 0, the rows' weights in that, residuals cut at 1.5 robust sd, slope with its error."""

    level: float
    weight: Floats
    residual: Floats
    slope: tuple[float, float]


def _line(x: Floats, y: Floats) -> _Line:
    trust = np.ones_like(y)
    cut = residual = np.zeros_like(y)
    level = slope = 0.0
    for _ in range(8):
        plain = _at_zero(x, trust)
        level = float(plain @ y)
        middle = float(trust @ x / trust.sum())
        height = float(trust @ y / trust.sum())
        slope = (height - level) / middle
        residual = y - level - slope * x
        scale = 1.4826 * float(np.median(np.abs(residual))) * math.sqrt(y.size / (y.size - 2.0))
        cut = np.clip(residual, -_HUBER * scale, _HUBER * scale)
        trust = np.where(np.abs(residual) > np.abs(cut), cut / np.where(residual == 0, 1.0, residual), 1.0)
        trust = np.maximum(trust, 1e-9)
    # What a row adds to the estimate is its plain weight over the share of rows that were not cut.
    inside = max(float((np.abs(residual) <= np.abs(cut) + 1e-300).mean()), 0.5)
    error = math.sqrt(float((cut**2).sum()) / (y.size - 2.0) / float(((x - x.mean()) ** 2).sum())) / inside
    return _Line(level, _at_zero(x, np.ones_like(x)) / inside, cut, (slope, error))


def _at_zero(x: Floats, trust: Floats) -> Floats:
    """Weights of the rows in the weighted line's value at 0."""
    total = trust.sum()
    middle = float(trust @ x) / total
    away = x - middle
    weights: Floats = trust * (1.0 / total - middle * away / float(trust @ away**2))
    return weights


def _together(found: list[_Edge], y: Floats) -> Staircase:
    level = found[0].level
    total, mean = np.zeros(y.size), np.zeros(y.size)
    residual, pieces = np.zeros(y.size), []
    for each in found:
        total[each.rows] += each.weight
        mean[each.rows] += each.mean_weight
        # Rows between two edges have two residuals; the larger is the safer.
        old = residual[each.rows]
        residual[each.rows] = np.where(np.abs(each.residual) > np.abs(old), each.residual, old)
        pieces.append(each.residual)
    used = total != 0.0
    rows = int(used.sum())
    free = rows - 2.0 * (len(found) + 1)
    correlation = _correlation(residual[used])
    # Positively correlated neighbours are worth fewer rows: n (1 − r)/(1 + r).
    worth = (1.0 - correlation) / (1.0 + correlation)
    factor = rows / max(free, 1.0) / worth
    floor = (_FLOOR * level) ** 2 + 1e-300
    drops = tuple(
        Drop(e.edge, e.size, math.sqrt(float((e.weight**2 * e.residual**2).sum()) * factor + floor)) for e in found
    )
    return Staircase(
        drops=drops,
        total=sum(d.size for d in drops),
        se=math.sqrt(float((total**2 * residual**2).sum()) * factor + floor),
        level=level,
        stayed=(sum(e.stayed for e in found), math.sqrt(float((mean**2 * residual**2).sum()) * factor + floor)),
        climb=found[0].climb,
        correlation=correlation,
        rows=rows,
        df=max(2.0, free * worth),
    )


def _correlation(residual: Floats) -> float:
    """Correlation of neighbours, corrected for what fitting takes away; never negative."""
    n = residual.size
    square = float((residual**2).sum())
    if n < 4 or square == 0.0:
        return 0.0
    found = float((residual[1:] * residual[:-1]).sum()) / square
    return min(max(found + (2.0 + 4.0 * found) / n, 0.0), _MOST)
