"""Whether a reward accuracy has settled: at two looks in a row no gain that matters is left on the way ahead."""

from __future__ import annotations

import math
from dataclasses import dataclass

from doneness.core import Message, say
from doneness.diagnose.case import Case
from doneness.diagnose.climb import Climb, Scores, climb, end_of, looks

POINTS = 0.02  # of accuracy: the smallest gain that matters
ONCE = 0.05  # one-sided, where a run is looked at once
_LAST = 3  # evaluations whose mean is the level


@dataclass(frozen=True, slots=True)
class Settling:
    """What going on would bring, and whether that is nothing that matters.

    Attributes:
        settled: 2 points or more were ruled out at the last two looks, and the line does not surely rise.
        ahead: the gain to the horizon, with its one-sided 95 % bound.
        most: that bound, or what is missing to every pair where that is less.
        horizon: the step looked forward to, in words.
    """

    settled: bool
    ahead: Climb
    most: float
    horizon: Message

    @property
    def rising(self) -> bool:
        """Whether the line surely rises."""
        return self.ahead.gain > self.ahead.half


def settling(case: Case, scores: Scores) -> Settling | None:
    """Judge accuracies; None with too few evaluations."""
    if not scores.step.size or scores.step[-1] <= 0:
        return None
    now = float(scores.step[-1])
    end = end_of(now, case.planned)
    ahead = climb(scores, end, ONCE)
    if ahead is None:
        return None
    planned = case.planned is not None and end == case.planned
    horizon = (
        say("diagnose.horizon.planned", step=round(end))
        if planned
        else say("diagnose.horizon.more", steps=max(1, round(end - now)))
    )
    ripe = now >= case.params.min_steps and not case.warming_up
    settled = ripe and ahead.gain <= ahead.half and _ruled_out(case, scores)
    return Settling(settled, ahead, min(ahead.most, _missing(scores)), horizon)


def _ruled_out(case: Case, scores: Scores) -> bool:
    """Whether a gain that matters is ruled out at the last two looks."""
    spent, found = 0, list[bool]()
    for count in looks(scores.step, case.planned, case.params.watched):
        part = scores.until(count)
        now = float(part.step[-1])
        # Only looks that could tell spend anything: the width of a bound, not where it lies, says which.
        alpha = case.params.alpha * 6.0 / (math.pi * (spent + 1)) ** 2 if case.params.watched else ONCE
        ahead = climb(part, end_of(now, case.planned), alpha) if now >= case.params.min_steps else None
        full = _missing(part) < POINTS
        able = ahead is not None and (ahead.half < POINTS or full)
        spent += able
        found.append(able and ahead is not None and (full or ahead.most < POINTS))
    return len(found) >= 2 and all(found[-2:])


def _missing(scores: Scores) -> float:
    """What is missing to every pair ranked rightly."""
    return 1.0 - float(scores.value[-_LAST:].mean())
