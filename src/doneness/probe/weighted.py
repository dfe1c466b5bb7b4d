"""The statistics of our own behaviours on many draws at once: a row drawn three times weighs three.

Two thousand draws of each checkpoint, one by one, take seconds a behaviour; as weights they take milliseconds.
Each agrees with its statistic on the repeated rows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from doneness.probe.behaviours import hedging_gap, memorising, refusal_balance
from doneness.probe.calibration import BINS, calibration_error, discrimination
from doneness.probe.classes import collapse, macro_f1
from doneness.probe.measure import Statistic

Floats = NDArray[np.float64]
Weighted = Callable[[Floats, Floats], Floats]
_LEAST, _LEAST_CALIBRATION = 5, 20


def weighted_of(statistic: Statistic) -> Weighted | None:
    """The same statistic of rows (n, k) and weights (b, n), whole numbers → (b,); None where there is no such form."""
    return _FORMS.get(statistic)


def _discrimination(rows: Floats, weights: Floats) -> Floats:
    order = np.argsort(rows[:, 0], kind="stable")
    right = rows[order, 1] > 0.5
    starts = np.flatnonzero(np.diff(rows[order, 0], prepend=-np.inf))
    w = weights[:, order]
    good, bad = (np.add.reduceat(w * side, starts, axis=1) for side in (right, ~right))
    below = np.cumsum(bad, axis=1) - bad / 2
    of_good, of_bad = good.sum(axis=1), bad.sum(axis=1)
    return _where(np.minimum(of_good, of_bad) >= _LEAST, (good * below).sum(axis=1), of_good * of_bad)


def _calibration_error(rows: Floats, weights: Floats) -> Floats:
    order = np.argsort(rows[:, 0], kind="stable")
    w = weights[:, order]
    w = np.concatenate((np.zeros((len(w), 1)), w), axis=1)
    counts = np.cumsum(w, axis=1)
    sums = np.cumsum(w * np.concatenate(([0.0], rows[order, 1] - rows[order, 0])), axis=1)
    out = np.full(len(w), np.nan)
    for b in range(len(w)):
        n = int(counts[b, -1])
        if n >= _LEAST_CALIBRATION:
            # Copies of one row follow each other, so the sum of the first m is a straight line within them.
            until = np.interp(_edges(n), counts[b], sums[b])
            out[b] = np.abs(until[1:] - until[:-1]).sum() / n
    return out


@lru_cache(maxsize=1024)
def _edges(n: int) -> NDArray[np.intp]:
    return np.linspace(0, n, BINS + 1).astype(np.intp)


def _macro_f1(rows: Floats, weights: Floats) -> Floats:
    size = int(rows.max(initial=0.0)) + 1
    truth, choice = (rows[:, [i]] == np.arange(size) for i in (0, 1))
    hits = weights @ (truth & choice).astype(np.float64)
    both = weights @ (truth.astype(np.float64) + choice)
    there = both > 0
    score = np.divide(2 * hits, both, out=np.zeros_like(hits), where=there)
    return _where(weights.sum(axis=1) > 0, score.sum(axis=1), there.sum(axis=1))


def _collapse(rows: Floats, weights: Floats) -> Floats:
    size = int(rows.max(initial=0.0)) + 1
    truth, choice = (weights @ (rows[:, [i]] == np.arange(size)).astype(np.float64) for i in (0, 1))
    most = choice.argmax(axis=1)[:, None]
    over = (np.take_along_axis(choice, most, 1) - np.take_along_axis(truth, most, 1))[:, 0]
    return _where(choice.sum(axis=1) > 0, over, weights.sum(axis=1))


def _between(rows: Floats, weights: Floats) -> Floats:
    """Mean of the second column where the first is 1 − where it is 0."""
    first = rows[:, 0] > 0.5
    n = weights @ first.astype(np.float64)
    other = weights.sum(axis=1) - n
    usable = np.minimum(n, other) >= _LEAST
    one, zero = weights @ (rows[:, 1] * first), weights @ (rows[:, 1] * ~first)
    return _where(usable, one, n) - _where(usable, zero, other)


def _where(usable: NDArray[np.bool_], over: Floats, under: Floats) -> Floats:
    found: Floats = np.full(len(over), np.nan)
    np.divide(over, under, out=found, where=usable & (under > 0))
    return found


_FORMS: dict[Statistic, Weighted] = {
    discrimination: _discrimination,
    calibration_error: _calibration_error,
    macro_f1: _macro_f1,
    collapse: _collapse,
    refusal_balance.balance: _between,
    memorising.gap: _between,
    hedging_gap.gap: lambda rows, weights: -_between(rows, weights),
}
