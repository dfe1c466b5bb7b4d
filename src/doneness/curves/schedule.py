"""The learning rate over a run: what was logged, and what the schedule will do next."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
# Rows after the peak, the share the rate must have fallen below, and the largest misfit that still tells a plan.
_PLAN_ROWS, _PLAN_FALL, _PLAN_ERROR = 5, 0.97, 0.02
_ANCHORS = 65  # rows that are enough to tell that a plain schedule cannot be the one
_SLACK = 1e-9  # of the peak rate: more than rounding
_MEMORY = 0.1  # share of the steps done over which an anneal takes effect [H]


@dataclass(frozen=True, slots=True)
class Rate:
    """A learning rate relative to its peak, known up to `now` and continued after it.

    Attributes:
        step: grid of steps, ascending, from 0.
        share: rate over peak rate at each of them, 0 to 1.
        now: the last logged step; what comes later is the schedule continued.
        shape: "constant", "linear", "cosine" or "held" (no planned end is known).
    """

    step: Floats
    share: Floats
    now: float
    shape: str

    def at(self, step: ArrayLike) -> Floats:
        """Relative rate at `step`."""
        found: Floats = np.interp(np.asarray(step, dtype=np.float64), self.step, self.share)
        return found

    def travelled(self, step: ArrayLike) -> Floats:
        """S1: the sum of relative rates up to `step`, in steps at peak rate."""
        area = np.concatenate(([0.0], np.cumsum(np.diff(self.step) * 0.5 * (self.share[1:] + self.share[:-1]))))
        found: Floats = np.interp(np.asarray(step, dtype=np.float64), self.step, area)
        return found

    def annealed(self, step: ArrayLike) -> Floats:
        """S2: how far the rate has come down from its peak and been felt, 0 to 1.

        A fall of the rate takes effect over a tenth of the steps done (the momentum λ of the
        law, scaled to the run); warm-up is no annealing.

        Source: arXiv 2408.11029, with S2 divided by its time constant.
        """
        top = np.maximum.accumulate(self.share)
        fallen = np.where(top > 0, (top - self.share) / np.maximum(top, 1e-12), 0.0)
        tau = max(_MEMORY * self.now, 1.0)
        keep = np.exp(-np.diff(self.step) / tau)
        comes = (1.0 - keep) * 0.5 * (fallen[1:] + fallen[:-1])
        felt = [0.0]
        # Plain floats: a recurrence is ten times slower on numpy's.
        for kept, new in zip(keep.tolist(), comes.tolist(), strict=True):
            felt.append(kept * felt[-1] + new)
        found: Floats = np.interp(np.asarray(step, dtype=np.float64), self.step, felt)
        return found


def read_rate(
    step: ArrayLike, rate: ArrayLike, planned: float | None, grid: int = 400, shape: str | None = None
) -> Rate | None:
    """Read a logged learning rate and continue it to the planned end.

    Args:
        step: steps at which the rate was logged; shape (n,).
        rate: the rate in any unit; shape (n,). Non-finite values are left out.
        planned: the planned last step, where known.
        grid: number of grid steps.
        shape: "constant", "linear" or "cosine" where it is known how the rate goes on; else it is read off the log.

    Returns:
        The rate, or None with fewer than two values or none above zero.
    """
    x, y = np.asarray(step, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    keep = np.isfinite(x) & np.isfinite(y) & (y >= 0)
    x, y = x[keep], y[keep]
    if x.size < 2 or y.max() <= 0:
        return None
    y = y / y.max()
    now = float(x[-1])
    past = np.unique(np.concatenate((np.linspace(0.0, now, grid), [now])))
    share = np.interp(past, x, y)
    if planned is None or planned <= now:
        return Rate(past, share, now, "held")
    found, future = _continue(x, y, float(planned), grid, shape)
    return Rate(np.concatenate((past, future[0])), np.concatenate((share, future[1])), now, found)


def _continue(x: Floats, y: Floats, planned: float, grid: int, known: str | None) -> tuple[str, tuple[Floats, Floats]]:
    """The plain schedule that is known or fits the log best, carried on from the last logged rate."""
    start = x[int(np.argmax(y))]
    fit = x >= start
    ahead = np.linspace(x[-1], planned, grid)[1:]
    shapes: dict[str, Callable[[Floats], Floats]] = {
        "constant": lambda s: np.ones_like(s),
        "linear": lambda s: np.clip((planned - s) / max(planned - start, 1.0), 0.0, 1.0),
        "cosine": lambda s: 0.5 + 0.5 * np.cos(np.pi * np.clip((s - start) / max(planned - start, 1.0), 0.0, 1.0)),
    }
    name, error = (known, 0.0) if known else _nearest(x[fit], y[fit], shapes)
    if error > 0.05:
        # A schedule of its own kind: a straight line from where it stands to zero.
        name, shapes[name] = "linear", shapes["linear"]
    shape = shapes[name]
    last = float(shape(x[-1:])[0])
    scale = y[-1] / last if last > 1e-9 else 0.0
    return name, (ahead, np.clip(shape(ahead) * scale, 0.0, 1.0))


def _nearest(x: Floats, y: Floats, shapes: Mapping[str, Callable[[Floats], Floats]]) -> tuple[str, float]:
    """The shape with the smallest largest error, and that error; of equal ones the first."""
    some = _anchors(x.size)
    least = {name: float(np.abs(f(x[some]) - y[some]).max()) for name, f in shapes.items()}
    errors: dict[str, float] = {}
    for name in sorted(shapes, key=least.__getitem__):
        # The error over all rows is no smaller than that over some.
        if least[name] <= min(errors.values(), default=math.inf):
            errors[name] = float(np.abs(shapes[name](x) - y).max())
    name = min((name for name in shapes if name in errors), key=errors.__getitem__)
    return name, errors[name]


def _anchors(count: int) -> NDArray[np.int64]:
    """Some of `count` rows, evenly spaced, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, _ANCHORS).astype(np.int64))


def told_end(step: ArrayLike, rate: ArrayLike) -> float | None:
    """The planned last step that a decaying learning rate gives away; None where it shows no plan.

    A rate that falls along a line or a cosine to zero (or, for a cosine, to a tenth of its peak) says
    where it will arrive.

    Args:
        step: steps at which the rate was logged; shape (n,).
        rate: the rate in any unit; shape (n,).
    """
    x, y = np.asarray(step, dtype=np.float64), np.asarray(rate, dtype=np.float64)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    if x.size < _PLAN_ROWS or y.max() <= 0:
        return None
    y = y / y.max()
    peak = y.size - 1 - int(np.argmax(y[::-1]))
    x, y = x[peak:], y[peak:]
    if x.size < _PLAN_ROWS or y[-1] > _PLAN_FALL or x[-1] <= x[0]:
        return None
    some = _anchors(x.size)
    columns = np.column_stack((np.ones_like(x), x - x[0]))
    found: list[tuple[float, float]] = []
    for floor in (None, 0.0, 0.1):
        best = min((error for error, _ in found), default=_PLAN_ERROR)
        if _misfit(x[some], _unbent(y[some], floor)) > min(best, _PLAN_ERROR) + _SLACK:
            continue
        way = _unbent(y, floor)
        coef = np.linalg.lstsq(columns, way, rcond=None)[0]
        if coef[1] < 0:
            found.append((float(np.abs(columns @ coef - way).max()), float(x[0] - coef[0] / coef[1])))
    error, end = min(found, default=(np.inf, 0.0))
    return end if error < _PLAN_ERROR and end > x[-1] else None


def _unbent(y: Floats, floor: float | None) -> Floats:
    """A rate that falls along a cosine to `floor`, as the line that it would be; None: it is one already."""
    if floor is None:
        return y
    share = np.clip((y - floor) / (1.0 - floor), 0.0, 1.0)
    return 1.0 - np.arccos(np.clip(2.0 * share - 1.0, -1.0, 1.0)) / np.pi


def _misfit(x: Floats, y: Floats) -> float:
    """What the largest error of any straight line through all rows is at least.

    Three rows of which the middle one lies off the line of the others by d leave an error of d/2 at one of them.
    """
    line = y[0] + (y[-1] - y[0]) * (x - x[0]) / (x[-1] - x[0])
    return float(np.abs(y - line).max()) / 2.0
