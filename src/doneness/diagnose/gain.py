"""What the last third of a run brought over the third before it: for accuracies and rewards, where higher is better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.curves import t_quantile
from doneness.runs import Series

Floats = NDArray[np.float64]
LEAST = 3  # rows in each third


@dataclass(frozen=True, slots=True)
class Gain:
    """Mean of the last third of the rows minus that of the middle third.

    Attributes:
        gain: in units of the series.
        low, high: its 90 % interval.
        level: mean of the last third.
        rows: rows in both thirds.
        step: where the last third begins.
    """

    gain: float
    low: float
    high: float
    level: float
    rows: int
    step: int


def last_third(column: Series, floor: float, sampling: float = 0.0) -> Gain | None:
    """The gain of the last third, or None with fewer than nine finite rows.

    Args:
        column: the series; rows spaced as logged.
        floor: the least standard error: rows that are all alike are no proof of precision.
        sampling: variance that all rows of a fixed evaluation set share, added to that of the rows.
    """
    keep = np.isfinite(column.value)
    step, value = column.step[keep], column.value[keep]
    third = value.size // 3
    if third < LEAST:
        return None
    middle, last = value[-2 * third : -third], value[-third:]
    # Positively correlated neighbours are worth fewer rows.
    worth = max(third * (1.0 - _correlation(middle, last)) / (1.0 + _correlation(middle, last)), 2.0)
    variance = float(middle.var(ddof=1) + last.var(ddof=1)) / worth + sampling
    half = t_quantile(0.95, 2.0 * (worth - 1.0)) * max(math.sqrt(variance), floor)
    gain = float(last.mean() - middle.mean())
    return Gain(gain, gain - half, gain + half, float(last.mean()), 2 * third, int(step[-third]))


def _correlation(*parts: Floats) -> float:
    """Lag-one correlation within the parts, between 0 and 0.9; too few rows tell none."""
    n = sum(part.size for part in parts)
    centred = [part - part.mean() for part in parts]
    square = sum(float((part**2).sum()) for part in centred)
    if n < 20 or square == 0.0:
        return 0.0
    return min(max(sum(float((part[1:] * part[:-1]).sum()) for part in centred) / square, 0.0), 0.9)
