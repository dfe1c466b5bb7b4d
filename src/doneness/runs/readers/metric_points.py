"""Rows out of metrics that were stored one by one, each with its own steps and times."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from doneness.runs.readers.rows import Row

_FEW = 2


@dataclass
class Points:
    """The points of one metric in the order written: steps, values, and times in seconds."""

    step: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    time: list[float] = field(default_factory=list)

    def append(self, step: int, value: float, time: float) -> None:
        """Add a point."""
        self.step.append(step)
        self.value.append(value)
        self.time.append(time)


@dataclass(frozen=True)
class Joined:
    """Metrics put together.

    Attributes:
        rows: one for each step as it was logged.
        counted: a metric had no steps; its points were counted.
        moved: metrics that counted epochs, put at the steps done when they were logged.
    """

    rows: list[Row]
    counted: bool
    moved: list[str]


def joined(metrics: Mapping[str, Points]) -> Joined:
    """One row for each step, out of metrics that each have their own.

    Where no metric ever goes back, rows are ordered by step; else by time, so that a resume stays one.
    A metric that was logged without steps stands at step 0 throughout; its points are counted.
    """
    axes = {name: metric.step for name, metric in metrics.items()}
    bare = [name for name, steps in axes.items() if len(steps) > 1 and not any(steps)]
    axes |= {name: list(range(1, len(axes[name]) + 1)) for name in bare}
    moved = _moved(metrics, axes)
    axes |= moved
    going_back = any(b < a for steps in axes.values() for a, b in pairwise(steps))
    begun = min((t for p in metrics.values() for t in p.time if math.isfinite(t)), default=0.0)
    points: list[tuple[float, int, str, float]] = []
    for name, metric in metrics.items():
        points += zip(
            (t - begun for t in metric.time), axes[name], [name] * len(metric.step), metric.value, strict=True
        )
    points.sort(key=(lambda p: (p[0], p[1])) if going_back else (lambda p: (p[1], p[0])))
    rows: list[Row] = []
    for at, step, name, value in points:
        if not rows or rows[-1]["step"] != step or name in rows[-1]:
            rows.append({"step": step, "elapsed": at})
        if name not in ("step", "elapsed"):
            rows[-1][name] = value
    return Joined(rows, bool(bare), sorted(moved))


def _moved(metrics: Mapping[str, Points], axes: Mapping[str, list[int]]) -> dict[str, list[int]]:
    """New steps for metrics whose own count epochs while another one counts steps, told by the clock."""
    longest = max(axes, key=lambda name: (max(axes[name], default=0), len(axes[name])), default=None)
    if longest is None:
        return {}
    clock, done = metrics[longest].time, axes[longest]
    if any(b < a for a, b in pairwise(clock)) or any(b < a for a, b in pairwise(done)):
        return {}
    found = {}
    for name, steps in axes.items():
        if len(steps) < _FEW or steps[0] not in (0, 1) or any(b != a + 1 for a, b in pairwise(steps)):
            continue
        places = [bisect_right(clock, t) - 1 for t in metrics[name].time]
        if min(places) < 0:
            continue
        then = [done[place] for place in places]
        # A step counter is never half of another one; an epoch counter stays far behind.
        if all(step >= 2 * own + 2 for step, own in zip(then, steps, strict=True)):
            found[name] = then
    return found
