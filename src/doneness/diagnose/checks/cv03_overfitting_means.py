"""CV03: overfitting, seen in mean evaluation losses alone.

What it finds: a run without per-example losses whose evaluation loss has turned upwards.

How: at two looks in a row the mean of the latest quarter of the evaluations (three at least, their
least and greatest left out) lies above that of the best such window by more than max(c·σ_t, the
smallest gain that matters), c growing with the number of windows, because the best of many is
lucky; or the last two thirds rise by Mann–Kendall (p < 0.002) and by twice the smallest gain
that matters. The Theil–Sen slope of the last five evaluations may not point down: a rise that falls again
is not overfitting.
Four or five evaluations show only a rise of 5 % at two of them; fewer show nothing.

Source: Sen 1968 (slope), Kendall (trend); the margins are ours, calibrated on synthetic runs.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import mann_kendall, theil_sen
from doneness.diagnose.case import Case

CODE = "CV03"
_LEAST_WINDOW, _TAIL, _LEAST, _PLAIN = 3, 5, 4, 0.05
_SIGMAS, _ROUGH = 2.9, 12.0
_TREND, _TREND_LEAST = 0.002, 6

Floats = NDArray[np.float64]


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    if case.tabled:
        return say("diagnose.missing.means_unneeded")
    return None if case.loss.size else say("diagnose.missing.evals")


def _judge(case: Case) -> Finding:
    loss, n = case.loss, int(case.loss.size)
    best = int(np.argmin(loss))
    rise = float(loss[-1] - loss[best])
    scale = abs(float(loss[best])) or 1.0  # a loss of exactly zero has no shares
    shared = {"share": rise / scale, "step": int(case.step[best]), "evals": n}
    where = Where(step=int(case.step[best]))
    if n < case.params.min_evals:
        if n >= _LEAST and _plain(loss, best):
            plain, limit = say("diagnose.cv03.plain", **shared), _PLAIN * scale
            return Finding(CODE, Status.FAIL, plain, rise, None, limit, n, where, say("diagnose.cv02.advice"))
        message = say("diagnose.cv03.few", needed=case.params.min_evals, **shared)
        return Finding(CODE, Status.UNSURE, message, rise, None, None, n, where)
    looks = [_look(case, count) for count in (n - 1, n)]
    climb, margin = looks[-1]
    evidence = {"noise": case.noise, "climb": climb}
    status, key = Status.PASS, "diagnose.cv03.fine"
    if climb > margin and _receding(case):
        status, key = Status.WARN, "diagnose.cv03.receding"
    elif all(c > m for c, m in looks) or all(_rising(case, count) for count in (n - 1, n)):
        status, key = Status.FAIL, "diagnose.cv03.overfitting"
    elif climb > margin:
        status, key = Status.WARN, "diagnose.cv03.once"
    elif margin > 4.0 * case.epsilon:
        status, key = Status.UNSURE, "diagnose.cv03.noisy"
    numbers = {"climb": climb / scale, "margin": margin / scale, **shared}
    advice = say("diagnose.cv02.advice") if status is Status.FAIL else None
    return Finding(CODE, status, say(key, **numbers), climb, None, margin, n, where, advice, evidence)


def _look(case: Case, count: int) -> tuple[float, float]:
    """How far the latest window of evaluations has climbed above the best one, and the margin for it."""
    loss = case.loss[:count]
    width = max(_LEAST_WINDOW, count // 4)
    centres = _centres(loss, width)
    # The best of many windows is lucky, the more the more there are; and few evaluations tell the
    # noise itself only roughly.
    luck = math.sqrt(2.0 * math.log(count / width))
    sigmas = (_SIGMAS + luck + _ROUGH / count) * math.sqrt(2.0 / width)
    return float(centres[-1] - centres.min()), max(sigmas * case.noise_until(count), case.epsilon)


def _rising(case: Case, count: int) -> bool:
    """Whether the last two thirds of the evaluations rise, by a gain that matters; needs no noise level."""
    first = count // 3
    step, loss = case.step[first:count], case.loss[first:count]
    kendall, slope = mann_kendall(loss), theil_sen(step, loss)
    if kendall is None or slope is None or loss.size < _TREND_LEAST:
        return False
    return kendall.p_up < _TREND and slope.slope * float(step[-1] - step[0]) > 2.0 * case.epsilon


def _centres(loss: Floats, width: int) -> Floats:
    """Mean of every window without its least and greatest value."""
    ordered = np.sort(sliding_window_view(loss, width), axis=1)
    centres: Floats = ordered[:, 1:-1].mean(axis=1)
    return centres


def _receding(case: Case) -> bool:
    """Whether the last evaluations are on their way down again."""
    step, loss = case.step[-_TAIL:], case.loss[-_TAIL:]
    slope = theil_sen(step, loss)
    if slope is None:
        return True
    fall = -slope.slope * float(step[-1] - step[0])
    return slope.high < 0.0 or fall > 2.0 * case.noise


def _plain(loss: Floats, best: int) -> bool:
    last = loss[-2:]
    return best < loss.size - 2 and bool((last > (1.0 + _PLAIN) * loss[best]).all()) and bool(last[1] >= last[0])


CHECK: Check[Case] = Check(CODE, _judge, _missing)
