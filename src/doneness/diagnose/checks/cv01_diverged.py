"""CV01: the run has diverged.

What it finds: a loss that climbed well above where it had been and stays there, or gradients
that do.

How: medians of windows of 20 logged losses (a quarter of a short log, three at least). The last
two windows must both lie above the best window by more than max(0.5 nats, 6 MAD; in a short log that of
second differences as well), or the last 20 gradient norms above 10 times the median of those before.
A latter half that lies wholly one nat above the first loss has diverged at once. Without train losses, two
evaluations in a row by that margin above both the best and the first. Train loss that rises for certain
(Theil–Sen, 90 %) since the best evaluation by a twentieth of the loss and half as much as evaluations that CV03
calls overfitting, at no higher learning rate: overfitting lowers train loss, so this is none. A rise that came
back is a warning.

Source: windows and margins are ours, heuristic.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import running_median, theil_sen, turning
from doneness.diagnose.case import Case
from doneness.diagnose.checks import cv03_overfitting_means as means
from doneness.runs import GRAD_NORM

CODE = "CV01"
_WINDOW, _LEAST_WINDOW, _LEAST_ROWS = 20, 3, 8
_CLIMB, _MADS, _GRAD = 0.5, 6.0, 10.0
_TURN, _HALF, _FAR = 6, 0.5, 0.05  # evaluations; of the evaluations' rise; of the loss
_RESTART = 1.1  # of the rate at the best evaluation
_BACK = 0.5  # of the climb: a loss that has come down by half is on its way back
_SHOWN = 0.005  # nats: less would be written as 0.00

Floats = NDArray[np.float64]


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.train[1].size or case.loss.size else say("diagnose.missing.loss")


def _judge(case: Case) -> Finding:
    step, value = case.train
    if value.size >= _LEAST_ROWS:
        return _windows(case, step, value)
    if case.loss.size >= 3:
        return _evals(case)
    n = int(max(value.size, case.loss.size))
    return Finding(CODE, Status.UNSURE, say("diagnose.cv01.few", rows=n, needed=_LEAST_ROWS), n=n)


def _windows(case: Case, step: NDArray[np.int64], value: Floats) -> Finding:
    width = min(_WINDOW, max(_LEAST_WINDOW, value.size // 4))
    medians = running_median(value, width)
    lowest = np.minimum.accumulate(medians)
    place = int(np.argmin(medians))
    best = value[place : place + width]
    spread = 1.4826 * float(np.median(np.abs(best - np.median(best))))
    if width < _WINDOW:
        # Of so few rows the best ones are alike by chance. Second differences say more; a steady climb has none.
        spread = max(spread, 1.4826 * float(np.median(np.abs(np.diff(value, 2)))) / math.sqrt(6.0))
    margin = max(_CLIMB, _MADS * spread)
    climb = medians - lowest
    # Windows cannot see a loss that leapt up within the first of them.
    leap = float(value[value.size // 2 :].min() - value[0])
    top = int(np.argmax(medians))
    if (leap > 2.0 * _CLIMB or climb[-1] > margin) and _returning(case, value, medians):
        numbers = {"top": float(medians[top]), "step": int(step[top + width - 1]), "now": float(medians[-1])}
        message, at = say("diagnose.cv01.returning", **numbers), Where(step=int(step[top + width - 1]))
        lower, height = say("diagnose.cv01.advice_spiked"), max(leap, float(climb[-1]))
        return Finding(CODE, Status.WARN, message, height, None, margin, int(value.size), at, lower)
    if leap > 2.0 * _CLIMB:
        message = say("diagnose.cv01.at_once", climb=leap, first=float(value[0]), rows=int(value.size))
        start, advice = Where(step=int(step[0])), say("diagnose.cv01.advice_at_once")
        return Finding(CODE, Status.FAIL, message, leap, None, 2.0 * _CLIMB, int(value.size), start, advice)
    last, before = float(climb[-1]), float(climb[max(0, medians.size - 1 - width)])
    where = Where(step=int(step[place + width - 1]))
    numbers = {"climb": last, "margin": margin, "step": int(step[place + width - 1]), "width": width}
    if last > margin and (before > margin or value.size < 3 * width or _steadily(medians, width, margin)):
        message = say("diagnose.cv01.diverged", **numbers)
        return Finding(
            CODE, Status.FAIL, message, last, None, margin, int(value.size), where, say("diagnose.cv01.advice")
        )
    grown = _gradients(case)
    if grown is not None:
        return grown
    both = _together(case, step, value)
    if both is not None:
        return both
    if climb.max() > margin:
        top = int(np.argmax(climb))
        message = say("diagnose.cv01.passed", climb=float(climb.max()), step=int(step[top + width - 1]), margin=margin)
        peak = Where(step=int(step[top + width - 1]))
        lower = say("diagnose.cv01.advice_spiked")
        return Finding(CODE, Status.WARN, message, float(climb.max()), None, margin, int(value.size), peak, lower)
    key = "fine" if last >= _SHOWN else "lowest"
    message = say(f"diagnose.cv01.{key}", climb=last, margin=margin, rows=int(value.size))
    return Finding(CODE, Status.PASS, message, last, None, margin, int(value.size))


def _together(case: Case, step: NDArray[np.int64], value: Floats) -> Finding | None:
    """Train and evaluation loss rising together since the best evaluation."""
    n = int(case.loss.size)
    turn = turning(case.step, case.loss) if n >= _TURN else None
    if turn is None or means.CHECK.run(case).status is not Status.FAIL:
        return None
    best = int(case.step[int(np.argmin(case.loss))])
    if case.rate is not None and float(case.rate.at(float(step[-1]))) > _RESTART * float(case.rate.at(float(best))):
        return None
    since = step > best
    slope = theil_sen(step[since], value[since], level=0.9) if since.sum() >= _WINDOW else None
    if slope is None or slope.low <= 0.0:
        return None
    rise = slope.slope * float(step[-1] - best)
    before = value[~since][-_WINDOW:]
    # It has to stand above where it was at the best evaluation as well, not only to come back to it.
    above = float(np.median(value[-_WINDOW:])) - float(np.median(before)) if before.size else rise
    far = _FAR * abs(float(case.loss.min()))
    if turn.rise <= far or min(rise, above) <= max(far, _HALF * turn.rise):
        return None
    message = say("diagnose.cv01.together", step=best, train=rise, evaluation=turn.rise, evals=n)
    where, advice = Where(step=best), say("diagnose.cv01.advice")
    return Finding(CODE, Status.FAIL, message, rise, None, case.epsilon, int(value.size), where, advice)


def _returning(case: Case, value: Floats, medians: Floats) -> bool:
    """Whether a loss that climbed is well on its way down again, and no evaluation says otherwise."""
    base = min(float(value[0]), float(medians.min()))
    # A single value tells the height of a climb that the first window swallows.
    high = max(float(value.max()), float(medians.max()))
    back = float(medians[-1]) - base < _BACK * (high - base)
    return back and (case.loss.size < 2 or float(case.loss[-2:].min()) <= float(case.loss.min()) + _CLIMB)


def _steadily(medians: Floats, width: int, margin: float) -> bool:
    """The last windows rise one after the other, far above the margin: waiting would teach nothing."""
    tail = medians[-width:]
    return bool((np.diff(tail) >= 0).all() and tail[-1] - medians.min() > 3.0 * margin)


def _gradients(case: Case) -> Finding | None:
    column = case.run.series.get(GRAD_NORM)
    if column is None:
        return None
    norm = column.value[np.isfinite(column.value)]
    if norm.size < 3 * _WINDOW:
        return None
    usual = float(np.median(norm[:-_WINDOW]))
    least = float(norm[-_WINDOW:].min())
    if usual <= 0 or least <= _GRAD * usual:
        return None
    step = int(column.step[-_WINDOW])
    message = say("diagnose.cv01.gradients", times=least / usual, rows=_WINDOW, step=step)
    advice = say("diagnose.cv01.advice")
    return Finding(CODE, Status.FAIL, message, least, None, _GRAD * usual, int(norm.size), Where(step=step), advice)


def _evals(case: Case) -> Finding:
    loss, best = case.loss, int(np.argmin(case.loss))
    climb = float(min(loss[-2:]) - max(loss[best], loss[0])) if loss.size - best > 2 else 0.0
    where = Where(step=int(case.step[best]))
    if climb > _CLIMB:
        message = say("diagnose.cv01.eval_diverged", climb=climb, step=int(case.step[best]))
        return Finding(
            CODE, Status.FAIL, message, climb, None, _CLIMB, int(loss.size), where, say("diagnose.cv01.advice")
        )
    message = say("diagnose.cv01.eval_fine", evals=int(loss.size), margin=_CLIMB)
    return Finding(CODE, Status.PASS, message, max(climb, 0.0), None, _CLIMB, int(loss.size))


CHECK: Check[Case] = Check(CODE, _judge, _missing)
