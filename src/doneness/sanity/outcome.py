"""How a sanity run ended: learnt, not learnt, or not decided; the same judgement that ends it early."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from doneness.curves.robust import theil_sen
from doneness.curves.shares import wilson
from doneness.curves.student import t_quantile
from doneness.sanity.floor import Floor
from doneness.sanity.measured import Measured, Trace

NEAR_NATS, NEAR_SHARE = 0.1, 0.05  # nats over the floor, or this share of the way down to it
REPRODUCED = 0.75  # of the answers that can be reproduced at all
_PACE = 2.0  # may be kept up, at the steepest seen, and still not be enough
_HALF, _LATE, _SURE = 0.5, 2.0 / 3.0, 0.95


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where the run stands.

    Attributes:
        word: learnt, failed, diverged, closing (falling, not there yet) or early (nothing to be said yet).
        excess: loss over the floor, nats per target token, and its upper 95 % bound.
        near: what `excess` has to come under.
        gone: share of the way from the base loss to the floor.
        exact: share of answers given word for word and its 95 % interval; None where rows are no answers.
    """

    word: str
    excess: float
    bound: float
    near: float
    gone: float
    exact: float | None
    interval: tuple[float, float]

    @property
    def decided(self) -> bool:
        """Whether going on would change nothing."""
        return self.word in ("learnt", "failed", "diverged")


def near_of(base: float, floor: float) -> float:
    """What the loss over the floor has to come under, nats per target token."""
    way = base - floor
    return max(NEAR_NATS, NEAR_SHARE * way) if math.isfinite(way) else NEAR_NATS


def outcome_of(measured: Measured) -> Outcome | None:
    """How the run ended; None where nothing was trained."""
    if measured.trace is None:
        return None
    found = outcome(measured.trace, measured.levels.base, measured.levels.floor)
    # At its end a run that was not decided before has either come most of the way or not.
    return found if found is None or found.word != "early" else _worded(found, "failed")


def outcome(trace: Trace, base: float, floor: Floor) -> Outcome | None:
    """Where a run stands, from what it has done so far; None before its first evaluation.

    Args:
        trace: so far.
        base: loss of the untrained model, nats per target token.
        floor: of the rows.
    """
    if not trace.level.size:
        return None
    at, level = float(trace.looks[-1]), float(trace.level[-1])
    near, way = near_of(base, floor.loss), base - floor.loss
    excess = level - floor.loss
    bound = excess + t_quantile(_SURE, max(trace.judged - 1, 1)) * trace.spread
    share = float(trace.exact[-1])
    exact = None if math.isnan(share) else share
    interval = wilson(round(share * trace.judged), trace.judged) if exact is not None else (0.0, 1.0)
    gone = max((base - level) / way, -1.0) if way > 0 and math.isfinite(level) else 0.0
    now = Outcome("early", excess, bound, near, gone, exact, interval)
    if not math.isfinite(level) or _diverged(trace, base):
        return _worded(now, "diverged")
    reproduced = exact is None or _of_attainable(share, floor.attainable, trace.judged) >= REPRODUCED
    if at > 0 and bound <= near and reproduced:
        return _worded(now, "learnt")
    if at < _HALF * trace.planned:
        return now
    if gone > _HALF and falling(trace):
        return _worded(now, "closing")
    return _worded(now, "failed") if _out_of_reach(trace, excess, near) else now


def falling(trace: Trace) -> bool:
    """Whether the train loss still falls for certain over the last third of the steps (Theil–Sen, 90 % interval)."""
    late = np.isfinite(trace.loss) & (trace.step > _LATE * trace.step[-1]) if trace.step.size else np.zeros(0, bool)
    slope = theil_sen(trace.step[late], trace.loss[late]) if late.sum() > 3 else None
    return slope is not None and slope.high < 0.0


def straightness(trace: Trace) -> float:
    """What the second half of the run gained for each nat of the first: one for a straight line, zero for a plateau."""
    if trace.level.size < 3:
        return math.nan
    middle = float(np.interp(trace.looks[-1] / 2.0, trace.looks, trace.level))
    first, second = float(trace.level[0]) - middle, middle - float(trace.level[-1])
    return second / first if first > 0 else math.inf if second > 0 else 0.0


def _of_attainable(exact: float, attainable: float, n: int) -> float:
    """Lower end of the interval of the share that is reproduced of the answers that can be."""
    can = round(attainable * n)
    return wilson(min(round(exact * n), can), can)[0]


def _diverged(trace: Trace, base: float) -> bool:
    """No number any more, or two evaluations in a row clearly above where it began."""
    if trace.loss.size and not np.isfinite(trace.loss[-1]):
        return True
    worse = trace.level > base + max(0.5, 0.1 * abs(base))
    return bool(trace.level.size > 2 and worse[-1] and worse[-2])


def _out_of_reach(trace: Trace, excess: float, near: float) -> bool:
    """Whether the steps left are too few even at twice the steepest pace of the second half so far."""
    late = trace.looks >= trace.looks[-1] / 2.0
    if late.sum() < 3:
        return False
    pace = float(np.max(-np.diff(trace.level[late]) / np.diff(trace.looks[late])))
    left = trace.planned - float(trace.looks[-1])
    return excess - _PACE * max(pace, 0.0) * left > near


def _worded(found: Outcome, word: str) -> Outcome:
    return Outcome(word, found.excess, found.bound, found.near, found.gone, found.exact, found.interval)
