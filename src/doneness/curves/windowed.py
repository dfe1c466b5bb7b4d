"""A robust local line over a window of fixed width: what it draws at a place depends on what lies near it alone.

A window that is a share of the run means something else each time the run grows. Here the places, the
bins, the weights and the spread that judges outliers are all local and counted from the first
point, so that the trend over the first half of a run is that of the whole run, up to a few windows
from the cut.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_PARTS = 16  # bins in a window, and places to draw in half of one
_LEAST = 4  # bins in a window under which nothing is drawn
_BLOCK = 8192
_PADDED = 4  # times the rows: a table of bins that would be larger holds mostly nothing
_ROUNDS = 2
_OPENING = 64  # rows from the start that settle the width
_NARROWEST, _WIDEST = 13, 49  # rows in a window
_FEWEST = 12  # rows under which a log has no trend
_SHARE = 3  # a window holds at most one row in three, or it would draw a line through a bend
_ERROR = 0.02  # of the loss: the standard error of the trend that the width aims at
_TRICUBE = 1.417  # variance of a tricube mean of m rows is 1.417 σ²/m (∫K² over its window)


class Window(NamedTuple):
    """The width of a window in units of x, and about how many rows it holds."""

    width: float
    rows: int


class _Bins(NamedTuple):
    """Mean place, median value, number of points, lowest and highest value of every bin that holds any."""

    x: Floats
    y: Floats
    rows: Floats
    low: Floats
    high: Floats


def usual_window(x: ArrayLike, y: ArrayLike) -> Window | None:
    """The width that makes the trend about as sure as 2 % of the loss, between 13 and 49 rows.

    A short log, of fewer rows than three such windows, narrows it to a third of its rows. Noise and distance of
    the rows are read off the first 64 usable ones (their second differences, so that the fall of the loss is no
    noise), and nothing later: a run that grows beyond three windows keeps its width. A longer window would draw
    a noisy loss smoother and lie about where it bends.

    Args:
        x: positions, ascending; shape (n,).
        y: values; shape (n,). Non-finite values are left out.

    Returns:
        None with fewer than twelve usable points, or where all lie at one place.
    """
    u, v = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    usable = np.flatnonzero(np.isfinite(u) & np.isfinite(v))
    keep = usable[:_OPENING]
    u, v = u[keep], v[keep]
    gaps = np.diff(u)
    if usable.size < _FEWEST or not (gaps > 0).any():
        return None
    # Var(y₋₁ − 2y₀ + y₁) = 6σ²; a median absolute deviation is σ/1.4826.
    sigma = 1.4826 * float(np.median(np.abs(np.diff(v, 2)))) / np.sqrt(6.0)
    level = float(np.median(np.abs(v)))
    error = _ERROR * level  # of the least numbers there are, a share may be none
    wanted = _TRICUBE * (sigma / error) ** 2 if error > 0 else float(_NARROWEST)
    rows = min(int(np.clip(round(wanted), _NARROWEST, _WIDEST)), usable.size // _SHARE)
    return Window(_rounded(rows * float(np.median(gaps[gaps > 0]))), rows)


def windowed(u: Floats, v: Floats, width: float) -> tuple[Floats, Floats, Floats]:
    """Local lines at every thirty-second of the window, from the first point to the last.

    Args:
        u: finite positions, ascending; shape (n,).
        v: finite values; shape (n,).
        width: full width of the window, in units of `u`.

    Returns:
        Places, values and half-widths of the 95 % band. Where a window holds fewer than four points
        there is no place: a gap in the data stays a gap.

    Source: Cleveland 1979, doi:10.1080/01621459.1979.10481038, with the spread of residuals taken locally.
    """
    empty = np.zeros(0)
    if u.size < _LEAST or not width > 0 or u[-1] <= u[0]:
        return empty, empty, empty
    bins = _binned(u, v, width / _PARTS)
    trust = _trust(bins, _near_medians(bins, width), width)
    for _ in range(_ROUNDS):
        fitted, _ = _lines(bins, trust, bins.x, width)
        trust = _trust(bins, fitted, width)
    fitted, _ = _lines(bins, trust, bins.x, width)
    at = _places(u, bins.x, width)
    mid, half = _lines(bins, trust, at, width, (bins.y - fitted) ** 2)
    # At the ends, and beside a steep fall whose rows were taken for outliers, a line may leave the data it is
    # fitted to: the trend never shows a loss that none of its window came near.
    mid = np.clip(mid, *_range(bins, at, width))
    drawn = np.isfinite(mid)
    return at[drawn], mid[drawn], half[drawn]


def _rounded(value: float) -> float:
    """Two significant digits, so that a legend can name it."""
    return float(f"{value:.1e}")


def _places(u: Floats, x: Floats, width: float) -> Floats:
    """Grid places counted from the first point that have a bin within half a window, and the last point."""
    step = width / (2 * _PARTS)
    # Only around the bins: a damaged log may jump a billion steps, and a grid over that would not end.
    cell = np.unique(np.round((x - u[0]) / step))
    near = np.unique((cell[:, None] + np.arange(-_PARTS, _PARTS + 1)).ravel()) if cell.size < 4096 else cell
    at = u[0] + step * near
    at = at[(at >= u[0]) & (at < u[-1])]
    return np.append(at, u[-1])


def _binned(u: Floats, v: Floats, size: float) -> _Bins:
    bin_of = np.floor((u - u[0]) / size)
    first = np.flatnonzero(np.append(True, bin_of[1:] != bin_of[:-1]))
    count = np.diff(np.append(first, u.size))
    value = _sorted(v, bin_of, first, count)
    middle = (value[first + (count - 1) // 2] + value[first + count // 2]) / 2.0
    x = np.add.reduceat(u, first) / count
    return _Bins(x, middle, count.astype(np.float64), value[first], value[first + count - 1])


def _sorted(v: Floats, bin_of: Floats, first: Ints, count: Ints) -> Floats:
    """Values in the order of their bins, ascending in each."""
    widest = int(count.max())
    if widest * count.size > _PADDED * v.size:
        order = np.lexsort((v, bin_of))
        return v[order]
    # Bins of about as many rows each are sorted much sooner side by side.
    there = np.arange(widest) < count[:, None]
    table = np.full(there.shape, np.inf)
    table[there] = v
    table.sort(axis=1)
    return table[there]


def _neighbours(x: Floats, at: Floats, width: float) -> tuple[Ints, NDArray[np.bool_]]:
    """Indices of the bins in each window, as a padded table and what of it counts; shape (places, most bins)."""
    first = np.searchsorted(x, at - width / 2.0, side="left")
    last = np.searchsorted(x, at + width / 2.0, side="right")
    table = first[:, None] + np.arange(int((last - first).max(initial=1)))
    return np.minimum(table, x.size - 1), table < last[:, None]


def _near_medians(bins: _Bins, width: float) -> Floats:
    """Medians over a third of the window: a spike must not bend the first fit that is to judge it."""
    parts = [_medians(bins.y, *_neighbours(bins.x, part, width / 3.0)) for part in _blocks(bins.x)]
    return np.concatenate(parts)


def _range(bins: _Bins, at: Floats, width: float) -> tuple[Floats, Floats]:
    """Lowest and highest value in the window around each place; ±∞ where it holds none."""
    low, high = [], []
    for part in _blocks(at):
        table, there = _neighbours(bins.x, part, width)
        low.append(np.where(there, bins.low[table], np.inf).min(axis=1, initial=np.inf))
        high.append(np.where(there, bins.high[table], -np.inf).max(axis=1, initial=-np.inf))
    lowest, highest = np.concatenate(low), np.concatenate(high)
    held = highest >= lowest
    return np.where(held, lowest, -np.inf), np.where(held, highest, np.inf)


def _trust(bins: _Bins, fitted: Floats, width: float) -> Floats:
    """Tukey's bisquare weights, each against the residuals of its own window; 1 where nothing was fitted."""
    away = np.abs(bins.y - np.where(np.isfinite(fitted), fitted, bins.y))
    scale = np.concatenate([_medians(away, *_neighbours(bins.x, part, width)) for part in _blocks(bins.x)])
    # Where most points lie on the line exactly, a thousandth of the local loss still counts as on it.
    scale = np.maximum(6.0 * scale, 1e-3 * np.abs(bins.y))
    weights = (1.0 - np.minimum(away / np.maximum(scale, 1e-300), 1.0) ** 2) ** 2
    return np.where(scale > 0, np.maximum(weights, 1e-6), 1.0)


def _medians(y: Floats, table: Ints, there: NDArray[np.bool_]) -> Floats:
    rows = np.sort(np.where(there, y[table], np.inf), axis=1)
    count = there.sum(axis=1)
    line = np.arange(count.size)
    medians: Floats = (rows[line, (count - 1) // 2] + rows[line, count // 2]) / 2.0
    return medians


def _lines(
    bins: _Bins, trust: Floats, at: Floats, width: float, squares: Floats | None = None
) -> tuple[Floats, Floats]:
    """The weighted line at each place, NaN where the window holds too few bins; half of its 95 % band."""
    parts = [_lines_of(bins, trust, part, width, squares) for part in _blocks(at)]
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def _lines_of(bins: _Bins, trust: Floats, at: Floats, width: float, squares: Floats | None) -> tuple[Floats, Floats]:
    table, there = _neighbours(bins.x, at, width)
    offset = (bins.x[table] - at[:, None]) * there
    kernel = np.clip(1.0 - np.abs(offset / (width / 2.0)) ** 3, 0.0, None) ** 3 * there * trust[table]
    number, y = bins.rows[table], bins.y[table]
    local = kernel * number
    total = np.maximum(local.sum(axis=1), 1e-300)
    centre = (local * offset).sum(axis=1) / total
    moved = (offset - centre[:, None]) * there
    spread = (local * moved**2).sum(axis=1)
    tilted = spread > 1e-9 * total * width**2
    reach = np.where(tilted, -centre / np.where(tilted, spread, 1.0), 0.0)
    smoother = local * (1.0 / total[:, None] + reach[:, None] * moved)
    bins_in = there.sum(axis=1)
    value = np.where(bins_in >= _LEAST, (smoother * y).sum(axis=1), np.nan)
    if squares is None:
        return value, np.full(value.shape, np.nan)
    # The median of m points is about as sure as σ²/m says; residuals of a local line are too small
    # by about its two parameters.
    variance = (local * squares[table]).sum(axis=1) / np.maximum(kernel.sum(axis=1), 1e-300)
    variance *= bins_in / np.maximum(bins_in - 2, 1)
    return value, 1.96 * np.sqrt(np.maximum(variance * (smoother**2 / number).sum(axis=1), 0.0))


def _blocks(at: Floats) -> list[Floats]:
    return [at[i : i + _BLOCK] for i in range(0, at.size, _BLOCK)]
