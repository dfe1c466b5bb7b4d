"""Has the curve turned upwards? The best convex curve against the best convex curve that only falls.

Loss curves that settle are convex and falling, whatever law they follow; one that overfits is convex
with a rise at its end. Both are fitted by non-negative least squares over hinges; how much better the
second fits, in units of the noise, is the statistic. No exponent, no turning point and no noise
level is assumed, and a curve that bends is not mistaken for one that scatters.

Source: convex regression, Hildreth 1954; the statistic, its pooled noise and its critical values
(20,000 simulated flat and settling curves) are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

MIN_POINTS = 5
_MOST = 40  # more points than this are averaged into that many groups
_POOLED = 4.0  # weight of the noise read off second differences, in points
_ONCE, _WATCHED = (2.35, 2.5), (3.8, 12.0)  # for many points, and what few add
_EARLIER = 1.5  # less is asked of the earlier of two looks at a watched run: that finds a turn sooner


@dataclass(frozen=True, slots=True)
class Turn:
    """How surely a curve turns upwards at its end.

    Attributes:
        strength: the statistic, in standard errors; 0 where the best convex curve only falls.
        rise: height of the fitted curve's end above its lowest point.
        low_at: position of that lowest point in `x`.
        n: points.
    """

    strength: float
    rise: float
    low_at: float
    n: int


def critical_turn(points: int, watched: bool = False, earlier: bool = False) -> float:
    """What a curve of so many points that does not turn exceeds only by chance, at two looks in a row.

    Args:
        points: of the curve.
        watched: the chance holds over all looks from the sixth point to the fortieth, rather than for this one.
        earlier: the value for the look before, at which less is asked where a run is watched.

    Returns:
        The critical strength: simulated flat and settling curves exceed it in at most 4 % of cases.
    """
    base, few = _WATCHED if watched else _ONCE
    return base + few / points - (_EARLIER if watched and earlier else 0.0)


def turning(x: ArrayLike, y: ArrayLike) -> Turn | None:
    """Test for a rise at the end of a curve.

    Args:
        x: positions, ascending; shape (n,).
        y: values; shape (n,), finite.

    Returns:
        The test, or None with fewer than five points.
    """
    return _turning(np.asarray(x, dtype=np.float64).tobytes(), np.asarray(y, dtype=np.float64).tobytes())


@lru_cache(maxsize=512)
def _turning(x: bytes, y: bytes) -> Turn | None:
    """The test, kept: two looks in a row share one, and a rule that follows a run asks again each time."""
    at, value = _grouped(np.frombuffer(x), np.frombuffer(y))
    n = int(at.size)
    if n < MIN_POINTS:
        return None
    scale = float(np.abs(value).max()) or 1.0
    at, value = (at - at[0]) / (at[-1] - at[0]), value / scale
    falling, both = _hinges(at)
    plain, _ = _nonnegative(falling, value)
    bent, used = _nonnegative(both, value)
    left = float(((value - bent) ** 2).sum())
    better = max(float(((value - plain) ** 2).sum()) - left, 0.0)
    noise = _second_differences(value[-max(MIN_POINTS, math.ceil(0.6 * n)) :])
    pooled = (left + _POOLED * noise) / (max(n - used + 1, 1) + _POOLED)
    # Below the precision of the numbers everything would be certain.
    floor = 1e-14 * float((value**2).mean())
    low = int(np.argmin(bent))
    return Turn(
        strength=math.sqrt(better / max(pooled, floor)) if better > floor else 0.0,
        rise=float(bent[-1] - bent[low]) * scale,
        low_at=float(at[low]),
        n=n,
    )


def convex_fit(x: ArrayLike, y: ArrayLike) -> Floats:
    """The best convex curve through the points, at each of them; shape (n,).

    Args:
        x: positions, ascending without ties; shape (n,), n ≥ 3.
        y: finite values; shape (n,).
    """
    return _convex(np.asarray(x, dtype=np.float64).tobytes(), np.asarray(y, dtype=np.float64).tobytes()).copy()


@lru_cache(maxsize=64)
def _convex(x: bytes, y: bytes) -> Floats:
    """The fit, kept: one look at a run asks for the same one several times."""
    at, value = np.frombuffer(x), np.frombuffer(y)
    scale = float(np.abs(value).max()) or 1.0
    fitted: Floats = _nonnegative(_hinges((at - at[0]) / (at[-1] - at[0]))[1], value / scale)[0] * scale
    return fitted


def _hinges(at: Floats) -> tuple[Floats, Floats]:
    """Columns whose non-negative sums are the convex falling curves, and all convex curves."""
    level = np.ones(at.size)
    falling = np.column_stack((level, -level, np.maximum(at[None, 1:] - at[:, None], 0.0)))
    return falling, np.column_stack((falling, np.maximum(at[:, None] - at[None, :-1], 0.0)))


def _grouped(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    new = np.concatenate(([True], np.diff(x) > 0)) if x.size else np.zeros(0, dtype=bool)
    x, y = x[new], y[new]
    if x.size <= _MOST:
        return x, y
    parts = np.array_split(np.arange(x.size), _MOST)
    return np.array([x[p].mean() for p in parts]), np.array([y[p].mean() for p in parts])


def _second_differences(y: Floats) -> float:
    """Variance of white noise around a straight course."""
    return float((np.diff(y, 2) ** 2).mean()) / 6.0


def _nonnegative(columns: Floats, y: Floats) -> tuple[Floats, int]:
    """Non-negative least squares: the fit, and how many columns it uses.

    Source: Lawson & Hanson 1974, chapter 23.
    """
    gram, right = columns.T @ columns, columns.T @ y
    active = np.zeros(right.size, dtype=bool)
    coef = np.zeros(right.size)
    tolerance = 1e-12 * float(np.abs(right).max())
    for _ in range(3 * right.size):
        pull = right - gram @ coef
        pull[active] = -np.inf
        best = int(np.argmax(pull))
        if pull[best] <= tolerance:
            break
        active[best] = True
        while True:
            trial = np.zeros(right.size)
            chosen = np.flatnonzero(active)
            trial[chosen] = np.linalg.lstsq(columns[:, chosen], y, rcond=None)[0]
            if trial[chosen].min() > 0:
                coef = trial
                break
            sinking = chosen[trial[chosen] <= 0]
            step = float((coef[sinking] / (coef[sinking] - trial[sinking])).min())
            coef = coef + step * (trial - coef)
            active &= coef > 1e-14
            coef[~active] = 0.0
            if not active.any():
                break
    return columns @ coef, int(active.sum())
