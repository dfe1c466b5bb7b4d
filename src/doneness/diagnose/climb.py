"""What going on would still bring to an accuracy: a line through its later half, carried on to the end, and its bound.

Accuracies that settle are concave: the line of their later half, carried on, promises more than is to come, so
that its upper bound errs to the side of going on. A line needs no knowledge of how often somebody evaluated: more
evaluations make it surer, not shorter.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.curves import t_quantile
from doneness.curves.student import z_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
LEAST = 4  # evaluations that a line is put through
_LATER = 0.5  # of the steps done
_FLIPS = 0.05  # share of the pairs assumed to change sides over those evaluations, where nobody recorded them
_TURNED = 3.0  # pairs that are taken to have changed sides where none was seen to
_FLOOR = 0.005  # of accuracy, over those evaluations, where the number of pairs is unknown


@dataclass(frozen=True)
class Scores:
    """Accuracies over steps, and what is known of the pairs behind them.

    Attributes:
        step: steps of the evaluations, ascending; shape (k,).
        value: shares of the pairs that were ranked rightly; shape (k,), finite.
        pairs: how many; None where unknown.
        drawn: whether every evaluation has pairs of its own, so that their scatter says it all.
        right: each pair's outcomes (0 or 1) where recorded; shape (k, pairs).
    """

    step: Ints
    value: Floats
    pairs: float | None = None
    drawn: bool = False
    right: Floats | None = None

    def until(self, count: int) -> Scores:
        """The first `count` evaluations."""
        right = None if self.right is None else self.right[:count]
        return Scores(self.step[:count], self.value[:count], self.pairs, self.drawn, right)


@dataclass(frozen=True, slots=True)
class Climb:
    """The gain to be had from now to a later step.

    Attributes:
        gain: expected, in shares of the pairs.
        half: what it may be more, one-sided at the confidence asked for.
        rows: evaluations behind it.
    """

    gain: float
    half: float
    rows: int

    @property
    def most(self) -> float:
        """Upper bound of the gain. A fall is not carried on: it promises nothing, but takes nothing off either."""
        return max(self.gain, 0.0) + self.half


def climb(scores: Scores, end: float, alpha: float) -> Climb | None:
    """The gain from the last evaluation to the step `end`; None with too few evaluations.

    Args:
        scores: evaluations so far.
        end: later than the last of them.
        alpha: one-sided chance that the true gain of the line is larger than its bound.
    """
    keep = scores.step >= _LATER * scores.step[-1] if scores.step.size else np.zeros(0, dtype=bool)
    step, value = scores.step[keep].astype(np.float64), scores.value[keep]
    if step.size < LEAST or step[-1] <= step[0]:
        return None
    away = step - step.mean()
    square = float((away**2).sum())
    weight = away / square
    slope = float(weight @ value)
    left = value - value.mean() - slope * away
    df = step.size - 2.0
    scatter = math.sqrt(float((left**2).sum()) / df / square * _worth(left))
    ahead, width = end - float(step[-1]), float(step[-1] - step[0])
    wander = t_quantile(1.0 - alpha, df) * scatter
    half = math.hypot(wander, z_quantile(1.0 - alpha) * _sampling(scores, keep, weight, width))
    return Climb(slope * ahead, half * ahead, int(step.size))


def _worth(left: Floats) -> float:
    """How much neighbours that stray to the same side widen the error."""
    total = float((left**2).sum())
    if left.size < 20 or total == 0.0:
        return 1.0
    alike = min(max(float((left[1:] * left[:-1]).sum()) / total, 0.0), 0.9)
    return (1.0 + alike) / (1.0 - alike)


def _sampling(scores: Scores, keep: NDArray[np.bool_], weight: Floats, width: float) -> float:
    """Standard error of the slope by which pairs were asked: the same ones each time, of many that might have been."""
    if scores.drawn:
        return 0.0
    if scores.right is not None:
        slopes = weight @ scores.right[keep]
        n = slopes.size
        return max(float(slopes.std(ddof=1)) / math.sqrt(n), math.sqrt(_TURNED) / n / width)
    return (_FLOOR if not scores.pairs else math.sqrt(_FLIPS / scores.pairs)) / width


def looks(step: Ints, planned: float | None, watched: bool) -> Iterator[int]:
    """Numbers of evaluations after which is looked: a twentieth of the way apart, however often was evaluated.

    Args:
        step: steps of the evaluations; shape (k,).
        planned: the last step of the plan; see `end_of`.
        watched: from the first evaluation on; else the last two such looks alone.
    """
    if not watched:
        before = [k for k in range(1, step.size) if step[-1] - step[k - 1] >= _apart(step[-1], planned)]
        yield from (*before[-1:], int(step.size))
        return
    last = 0.0
    for k in range(1, step.size + 1):
        if step[k - 1] - last >= _apart(step[k - 1], planned):
            last = float(step[k - 1])
            yield k


def _apart(now: float, planned: float | None) -> float:
    return 0.05 * end_of(now, planned) * (1.0 - 1e-9)


def end_of(now: float, planned: float | None) -> float:
    """Where a run is heading: its planned end while a twentieth is left; half as many steps more where that is reached.

    Without a plan as many steps again.
    """
    if planned is None:
        return 2.0 * now
    return planned if planned >= 1.05 * now else 1.5 * now
