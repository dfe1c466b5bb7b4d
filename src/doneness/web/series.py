"""A stretch of some columns with as many points as a figure can show, extremes kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core.extras import optional
from doneness.web.columns import Columns, Track

LEAST, MOST = 16, 20_000


def series(
    columns: Columns, names: Iterable[str], axis: str, window: tuple[float | None, float | None], points: int
) -> dict[str, Any]:
    """What a figure draws.

    Args:
        columns: of the run.
        names: which; those that are not there are left out.
        axis: "step", "tokens", "targets", "epoch" or "time".
        window: from and to on that axis; None is open.
        points: at most about so many of each.

    Raises:
        KeyError: the run has no such axis.
    """
    low = None if window[0] is None else columns.step_at(axis, window[0])
    high = None if window[1] is None else columns.step_at(axis, window[1])
    found: dict[str, Any] = {}
    of: dict[str, int] = {}
    for name in names:
        track = columns.tracks.get(name)
        if track is None or not track.size:
            continue
        begin = 0 if low is None else int(np.searchsorted(track.step, np.ceil(low)))
        end = track.size if high is None else int(np.searchsorted(track.step, np.floor(high), side="right"))
        # A line goes on to the next point outside of the window.
        begin, end = max(0, begin - 1 if low is not None else begin), min(track.size, end + (high is not None))
        of[name] = max(0, end - begin)
        found[name] = _drawn(columns, track, axis, begin, end, points)
    return {"axis": axis, "series": found, "of": of}


def _drawn(columns: Columns, track: Track, axis: str, begin: int, end: int, points: int) -> dict[str, Any]:
    pick = chosen(track.step[begin:end], track.value[begin:end], points) + begin
    steps = track.step[pick]
    x = steps.tolist() if axis == "step" else _short(columns.place(axis, steps), 9)
    drawn = {"x": x, "y": _short(track.value[pick], 6)}
    if track.low is not None and track.high is not None:
        drawn |= {"low": _short(track.low[pick], 6), "high": _short(track.high[pick], 6)}
    return drawn


def chosen(step: NDArray[np.int64], value: NDArray[np.float32], points: int) -> NDArray[np.int64]:
    """Which points to draw: the shape's, by MinMaxLTTB, and one of each stretch that holds no number.

    Source: Van Der Donckt and others, "MinMaxLTTB", arXiv 2305.00332.
    """
    size = int(step.size)
    if size <= points:
        return np.arange(size, dtype=np.int64)
    good = np.isfinite(value)
    whole = bool(good.all())
    at = np.arange(size, dtype=np.int64) if whole else np.flatnonzero(good)
    if at.size > points:
        sampler = optional("tsdownsample", "web").MinMaxLTTBDownsampler()
        x, y = (step, value) if whole else (step[at], value[at])
        at = at[sampler.downsample(np.ascontiguousarray(x), np.ascontiguousarray(y), n_out=points).astype(np.int64)]
    if whole:
        return at
    # A hole is shown where it begins, so that no line is drawn over it.
    holes = np.flatnonzero(~good & np.concatenate([[True], good[:-1]]))
    if holes.size > points // 4:
        holes = holes[np.linspace(0, holes.size - 1, points // 4).astype(np.int64)]
    return np.union1d(at, holes)


def _short(values: NDArray[Any], digits: int) -> list[float | None]:
    """Numbers with as many digits as can be seen; what is no number is None."""
    shape = f".{digits}g"
    return [float(format(v, shape)) if np.isfinite(v) else None for v in values.tolist()]
