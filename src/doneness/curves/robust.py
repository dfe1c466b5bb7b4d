"""Trends that a few wild points cannot move: Theil–Sen, Mann–Kendall, and a curve to draw."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from doneness.curves.windowed import windowed

Floats = NDArray[np.float64]
_PAIRS_OF = 400  # more points than this are thinned before all pairs are taken
_BLOCK = 32_768
_BINS = 600  # more points than this are averaged into bins before the trend is drawn


@dataclass(frozen=True, slots=True)
class Slope:
    """A Theil–Sen slope in units of y per unit of x, with its interval."""

    slope: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Kendall:
    """Mann–Kendall: the sum of signs, its z-score, and one-sided p-values."""

    s: int
    z: float
    p_up: float
    p_down: float


@dataclass(frozen=True)
class Trend:
    """A curve to draw over raw points; all arrays have one length, empty where there is nothing to draw.

    Attributes:
        x: positions, ascending.
        mid: robust local mean.
        low, high: pointwise 95 % band of `mid`.
    """

    x: Floats
    mid: Floats
    low: Floats
    high: Floats


def theil_sen(x: ArrayLike, y: ArrayLike, level: float = 0.9) -> Slope | None:
    """Median slope over all pairs of points, with Sen's interval at confidence `level`.

    Args:
        x: positions; shape (n,).
        y: values; shape (n,). Non-finite values are left out.
        level: between 0 and 1.

    Returns:
        The slope, or None with fewer than three usable points.

    Source: Sen 1968, doi:10.1080/01621459.1968.10480934.
    """
    u, v = _finite(x, y)
    if u.size > _PAIRS_OF:
        keep = np.linspace(0, u.size - 1, _PAIRS_OF).astype(np.int64)
        u, v = u[keep], v[keep]
    n = int(u.size)
    if n < 3:
        return None
    i, j = np.triu_indices(n, 1)
    run = u[j] - u[i]
    slopes = np.sort((v[j] - v[i])[run > 0] / run[run > 0])
    if slopes.size == 0:
        return None
    spread = NormalDist().inv_cdf(0.5 + level / 2.0) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18.0)
    first = max(0, math.floor((slopes.size - spread) / 2.0) - 1)
    last = min(slopes.size - 1, math.ceil((slopes.size + spread) / 2.0))
    return Slope(float(np.median(slopes)), float(slopes[first]), float(slopes[last]), n)


def mann_kendall(y: ArrayLike) -> Kendall | None:
    """Whether a series goes up or down at all; ties are allowed for, fewer than four points give None.

    Source: Kendall, Rank Correlation Methods, ch. 4 (normal approximation with continuity correction).
    """
    v = np.asarray(y, dtype=np.float64)
    v = v[np.isfinite(v)]
    n = int(v.size)
    if n < 4:
        return None
    _, rank, ties = np.unique(v, return_inverse=True, return_counts=True)
    alike = int((ties.astype(np.int64) * (ties - 1) // 2).sum())
    s = n * (n - 1) // 2 - alike - 2 * _inversions(rank.astype(np.int64))
    counts = ties.astype(np.float64)
    variance = (n * (n - 1) * (2 * n + 5) - float((counts * (counts - 1) * (2 * counts + 5)).sum())) / 18.0
    if variance <= 0:
        return Kendall(0, 0.0, 1.0, 1.0)
    root = math.sqrt(variance)
    normal = NormalDist()
    z = (s - math.copysign(1, s)) / root if s else 0.0
    return Kendall(s, z, 1.0 - normal.cdf((s - 1) / root), normal.cdf((s + 1) / root))


def _inversions(rank: NDArray[np.int64]) -> int:
    """Pairs in which the larger rank comes first, in n log n steps and without a matrix of all pairs.

    Bit by bit from the highest: among ranks that agree in all higher bits (they stand together, in
    their old order) a pair is decided where a one comes before a zero.
    """
    found = 0
    for bit in range(int(rank.max()).bit_length() - 1, -1, -1):
        ones = (rank >> bit) & 1
        group = rank >> (bit + 1)
        before = np.cumsum(ones) - ones
        first = np.flatnonzero(np.append(True, np.diff(group) != 0))
        before -= np.repeat(before[first], np.diff(np.append(first, rank.size)))
        found += int(before[ones == 0].sum())
        rank = rank[np.argsort(rank >> bit, kind="stable")]
    return found


def running_median(v: Floats, width: int) -> Floats:
    """Medians of all windows of `width` values in a row; shape (n − width + 1,). Values must be finite.

    Short rows are sorted much faster than they are partitioned, and block by block the windows of
    a million values never stand in memory at once.
    """
    windows, half = sliding_window_view(v, width), width // 2
    medians = np.empty(windows.shape[0])
    for first in range(0, medians.size, _BLOCK):
        part = np.sort(windows[first : first + _BLOCK], axis=1)
        middle = part[:, half] if width % 2 else (part[:, half - 1] + part[:, half]) / 2.0
        medians[first : first + _BLOCK] = middle
    return medians


def trend(x: ArrayLike, y: ArrayLike, n_out: int = 200, span: float = 0.2, *, width: float | None = None) -> Trend:
    """Robust local-linear trend (LOWESS with Tukey's bisquare) and its band, for display alone.

    `span` is a share of the x-range, so that the same setting means the same thing for 300 and
    for 30,000 points; a window that holds too few points is widened to the nearest five. With `width`
    the window is fixed in units of x instead: the trend over the first half of a run is then that of
    the whole, and a hole wider than the window stays a hole (`doneness.curves.windowed`).

    Args:
        x: positions; shape (n,).
        y: values; shape (n,). Non-finite values are left out.
        n_out: points to draw at most.
        span: full width of the window as a share of the range.
        width: full width of the window in units of x; `n_out` and `span` then have no say.

    Returns:
        The trend; empty with fewer than three usable points.

    Source: Cleveland 1979, doi:10.1080/01621459.1979.10481038.
    """
    u, v = _finite(x, y)
    order = np.argsort(u, kind="stable")
    if width is not None:
        at, mid, half = windowed(u[order], v[order], width)
        return Trend(at, mid, mid - half, mid + half)
    u, v, weight = _binned(u[order], v[order])
    if u.size < 3 or u[-1] <= u[0]:
        empty = np.zeros(0)
        return Trend(empty, empty, empty, empty)
    at = np.linspace(u[0], u[-1], n_out) if u.size >= 4 else u
    kernel = _kernel(u, at, span) * weight
    # A running median starts it off: a spike must not bend the first fit that is to judge it.
    # Where most points lie on the curve exactly, a thousandth of their spread still counts as on it.
    least = 1e-3 * float(np.median(np.abs(v - np.median(v))))
    trust = _bisquare(v - _smoothed(v), least)
    for _ in range(3):
        fitted, _ = _local_lines(u, v, _kernel(u, u, span) * weight * trust, u)
        trust = _bisquare(v - fitted, least)
    mid, leverage = _local_lines(u, v, kernel * trust, at)
    residual = (v - fitted) ** 2 * trust * weight
    local = kernel * trust
    count = (local > 0).sum(axis=1)
    # Residuals of a local line are too small by about its two parameters.
    variance = (kernel @ residual) / np.maximum((kernel * trust).sum(axis=1), 1e-300)
    variance *= count / np.maximum(count - 2, 1)
    half = 1.96 * np.sqrt(np.maximum(variance * leverage, 0.0))
    return Trend(at, mid, mid - half, mid + half)


def _finite(x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
    u, v = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if u.shape != v.shape or u.ndim != 1:
        raise ValueError(f"x and y must be vectors of one length, got {u.shape} and {v.shape}")
    keep = np.isfinite(u) & np.isfinite(v)
    return u[keep], v[keep]


def _binned(u: Floats, v: Floats) -> tuple[Floats, Floats, Floats]:
    """Medians of equal-count bins where there are more points than anyone can see."""
    if u.size <= _BINS:
        return u, v, np.ones_like(u)
    edges = np.linspace(0, u.size, _BINS + 1).astype(np.int64)
    spans = list(pairwise(edges))
    centre = np.array([u[a:b].mean() for a, b in spans])
    value = np.array([np.median(v[a:b]) for a, b in spans])
    return centre, value, np.ones(_BINS)


def _kernel(u: Floats, at: Floats, span: float) -> Floats:
    """Tricube weights; shape (points drawn, points)."""
    distance = np.abs(at[:, None] - u[None, :])
    nearest = np.sort(distance, axis=1)[:, min(5, u.size - 1)]
    width = np.maximum(span / 2.0 * (u[-1] - u[0]), nearest * 1.001)[:, None]
    weights: Floats = np.clip(1.0 - (distance / np.maximum(width, 1e-300)) ** 3, 0.0, None) ** 3
    return weights


def _local_lines(u: Floats, v: Floats, weights: Floats, at: Floats) -> tuple[Floats, Floats]:
    """Weighted line around each position: its value there, and Σl² (variance per unit noise)."""
    total = np.maximum(weights.sum(axis=1), 1e-300)
    centre = weights @ u / total
    level = weights @ v / total
    offset = u[None, :] - centre[:, None]
    spread = (weights * offset**2).sum(axis=1)
    floor = 1e-9 * (u[-1] - u[0]) ** 2
    steep = np.where(spread > floor, (weights * offset) @ v / np.maximum(spread, 1e-300), 0.0)
    reach = np.where(spread > floor, (at - centre) / np.maximum(spread, 1e-300), 0.0)
    smoother = weights * (1.0 / total[:, None] + reach[:, None] * offset)
    return level + steep * (at - centre), (smoother**2).sum(axis=1)


def _smoothed(v: Floats) -> Floats:
    reach = min(3, (v.size - 1) // 2)
    padded = np.pad(v, reach, mode="edge")
    return running_median(padded, 2 * reach + 1)


def _bisquare(residual: Floats, least: float) -> Floats:
    scale = max(6.0 * float(np.median(np.abs(residual))), least)
    if scale <= 0:
        return np.ones_like(residual)
    weights: Floats = np.clip(1.0 - (residual / scale) ** 2, 0.0, None) ** 2
    return np.maximum(weights, 1e-6)
