"""CV03: overfitting, seen in the course of the mean evaluation losses.

What it finds: a run whose evaluation loss has turned upwards.

How: at two looks in a row the best convex curve through the evaluations fits better than the best one
that only falls, by more standard errors than chance gives in 4 % of flat or settling curves (of all
looks together, where a run is watched); the middle one of the last three evaluations lies above the
best by the smallest gain that matters; and the Theil–Sen slope of the last five does not point
down: a rise that falls again is not overfitting. Where there are per-example losses the latest must
surely be worse than the best on the same examples as well (cross-fitted as in CV02, at 0.3 %): the mean of
few rows wanders, and the curve of that walk turns. Three to five evaluations
show only a fall and a rise without a break: two rises of 5 % each, or two to 4 % after two falls, or three to 3 %
(twice that where a run is watched, and over a tenth of its plan or of an epoch), after the first epoch where that is
known; fewer show nothing.

Source: convex regression (curves/turning.py); critical values by simulation, docs/design/log.md.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import Noise, Turn, critical_turn, theil_sen, turning
from doneness.diagnose.case import Case

CODE = "CV03"
_TURN, _TAIL, _LEAST = 6, 5, 3
_PLAIN = ((2, 0.04), (3, 0.03))  # evaluations that rise one after the other, and how far
_PLAIN_WATCHED = ((2, 0.08), (3, 0.06))
_STEEP, _RISES = 0.05, 3  # each of two rises, or so many of any size
_SURE, _Z = 0.003, 1.645
_HASTY = 0.1  # of the plan, or of an epoch where that is shorter

Floats = NDArray[np.float64]


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.loss.size else say("diagnose.missing.evals")


def _judge(case: Case) -> Finding:
    loss, n = case.loss, int(case.loss.size)
    best = int(np.argmin(loss))
    rise = float(loss[-1] - loss[best])
    scale = abs(float(loss[best])) or 1.0  # a loss of exactly zero has no shares
    shared = {"share": rise / scale, "step": int(case.step[best]), "evals": n}
    where = Where(step=int(case.step[best]))
    if n < _TURN:
        if n >= _LEAST and _plain(loss, best, case.params.watched) and not _hasty(case, best):
            plain, limit = say("diagnose.cv03.plain", **shared), _PLAIN[-1][1] * scale
            return Finding(CODE, Status.FAIL, plain, rise, None, limit, n, where, say("diagnose.cv02.advice"))
        message = say("diagnose.cv03.few", needed=_TURN, **shared)
        return Finding(CODE, Status.UNSURE, message, rise, None, None, n, where)
    looks = [turn for count in (n - 1, n) if (turn := turning(case.step[:count], loss[:count])) is not None]
    return _turned(case, looks, scale, where)


def _turned(case: Case, looks: list[Turn], scale: float, where: Where) -> Finding:
    loss, n, turn = case.loss, int(case.loss.size), looks[-1]
    critical = critical_turn(n, case.params.watched)
    # What a straight rise over half of the evaluations would have to reach to stand out.
    margin = critical * case.noise * math.sqrt(24.0 / n)
    tail = int((case.step >= case.step[0] + turn.low_at * (case.step[-1] - case.step[0])).sum())
    half = _Z * case.noise * math.sqrt(12.0 / max(tail, 3))
    high = float(np.median(loss[-3:])) > float(loss.min()) + case.epsilon and _differ(case)
    status, key = Status.PASS, "fine"
    if turn.strength > critical and high:
        status, key = Status.WARN, "once"
        if _receding(case):
            key = "receding"
        elif looks[0].strength > critical_turn(n, case.params.watched, earlier=True):
            status, key = Status.FAIL, "overfitting"
    else:
        # A rise larger than what noise hides has failed the test for another reason: the curve's shape.
        far = float(loss[-1] - loss.min()) > margin and turn.strength <= critical
        if margin > 4.0 * case.epsilon and not case.tabled:
            status, key = Status.UNSURE, "unproven" if far else "noisy"
        elif far:
            key = "unproven"
    numbers = {
        "climb": turn.rise / scale,
        "margin": margin / scale,
        "strength": turn.strength,
        "critical": critical,
        "share": float(loss[-1] - loss.min()) / scale,
        "step": int(case.step[int(np.argmin(loss))]),
        "evals": n,
    }
    evidence = {"noise": case.noise, "strength": turn.strength, "critical": critical}
    interval = (turn.rise - half, turn.rise + half)
    advice = say("diagnose.cv02.advice") if status is Status.FAIL else None
    message = say(f"diagnose.cv03.{key}", **numbers)
    return Finding(CODE, status, message, turn.rise, interval, case.epsilon, n, where, advice, evidence)


def _differ(case: Case) -> bool:
    """Whether the rise since the best holds beyond these very examples, where they are known."""
    if not case.tabled or case.table is None:
        return True
    table = case.table
    last = len(table.step) - 1
    return int(np.argmin(table.mean)) < last and table.look(last, Noise(0.0)).p < _SURE


def _receding(case: Case) -> bool:
    """Whether the last evaluations are on their way down again."""
    step, loss = case.step[-_TAIL:], case.loss[-_TAIL:]
    slope = theil_sen(step, loss)
    if slope is None:
        return True
    fall = -slope.slope * float(step[-1] - step[0])
    return slope.high < 0.0 or fall > 2.0 * case.noise


def _hasty(case: Case, best: int) -> bool:
    """Whether it is too soon: one batch or two may be all there is to it, or all rows were seen but once.

    Nobody learns by heart what was never seen before; a rise by a few evaluations of unknown noise is something else.
    """
    if case.steps_per_epoch is not None and float(case.step[-1]) < case.steps_per_epoch:
        return True
    known = [span for span in (case.planned, case.steps_per_epoch) if span]
    since = float(case.step[-1] - case.step[best])
    return case.params.watched and bool(known) and since < _HASTY * min(known)


def _plain(loss: Floats, best: int, watched: bool) -> bool:
    """Whether the loss fell without a break to its best, has risen without a break since, and far."""
    since = np.diff(loss[best:])
    rise = float(loss[-1] - loss[best]) / (abs(float(loss[best])) or 1.0)
    if not ((np.diff(loss[: best + 1]) < 0).all() and (since > 0).all()):
        return False
    if since.size == 2 and (since > _STEEP * np.abs(loss[best:-1])).all():
        return True
    # So few evaluations do not tell the noise: only a whole fall and a whole rise are no chance.
    steps = _PLAIN_WATCHED if watched else _PLAIN
    whole = since.size >= _RISES or (best >= 2 and since.size >= 2)
    return whole and any(since.size >= count and rise >= far for count, far in steps)


CHECK: Check[Case] = Check(CODE, _judge, _missing)
