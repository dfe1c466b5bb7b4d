"""CV05: the run is still learning.

What it finds: whether the loss has gone down over the latest third of the steps.

How: with per-example losses the last evaluation is paired with the one at two thirds of the way;
with means alone, Mann–Kendall over the last third (p < 0.1) or, with few evaluations, every one
below the one before by more than the smallest gain that matters. Without any evaluation the train
loss counts, in the first epoch only: there every batch is new, so its loss is an honest estimate.
PASS says still learning, WARN says that no such fall is there, UNSURE that it cannot be told.

Source: paired tests as in arXiv 2411.00640; progressive validation for the first epoch.
"""

from __future__ import annotations

import numpy as np

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import mann_kendall, theil_sen
from doneness.diagnose.case import Case, LossTable

CODE = "CV05"
_LEAST_ROWS = 20


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.loss.size or case.train[1].size else say("diagnose.missing.loss")


def _judge(case: Case) -> Finding:
    if case.table is not None:
        return _paired(case, case.table)
    if case.loss.size >= 2:
        return _means(case)
    return _first_epoch(case)


def _reference(step: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> int:
    """Row of the last evaluation at or before two thirds of the way."""
    return max(0, int(np.searchsorted(step, 2.0 / 3.0 * step[-1], side="right")) - 1)


def _paired(case: Case, table: LossTable) -> Finding:
    ref = min(_reference(table.step), len(table.step) - 2)
    effect = table.effect(-1, ref)
    low, high = effect.interval(0.9, case.noise)
    level = abs(float(table.mean[ref])) or 1.0
    eps = case.epsilon
    numbers = {
        "fall": -effect.diff / level,
        "change": effect.diff / level,
        "half": (high - low) / 2.0 / level,
        "step": int(table.step[ref]),
        "n": effect.n,
    }
    if effect.p_better(0.0, case.noise) < 0.05 and -effect.diff > eps / 2.0:
        status, key = Status.PASS, "diagnose.cv05.paired"
    elif -low < eps:
        status, key = Status.WARN, "diagnose.cv05.paired_flat"
    else:
        status, key = Status.UNSURE, "diagnose.cv05.paired_unsure"
    where = Where(step=int(table.step[ref]))
    return Finding(CODE, status, say(key, **numbers), -effect.diff, (-high, -low), eps / 2.0, effect.n, where)


def _means(case: Case) -> Finding:
    step, loss, n = case.step, case.loss, int(case.loss.size)
    ref = min(_reference(step), n - 2)
    eps, level = case.epsilon, max(abs(float(loss[ref])), 1e-12)
    fall = float(loss[ref] - loss[-1])
    numbers = {"fall": fall / level, "change": -fall / level, "step": int(step[ref]), "evals": n}
    status, key = Status.UNSURE, "diagnose.cv05.means_unsure"
    if _falling(case, ref):
        status, key = Status.PASS, "diagnose.cv05.means"
    elif n >= case.params.min_evals:
        fitted = theil_sen(step[max(0, min(ref, n - 5)) :], loss[max(0, min(ref, n - 5)) :])
        steepest = -fitted.low * float(step[-1] - step[ref]) if fitted is not None else np.inf
        if steepest < eps:
            status, key = Status.WARN, "diagnose.cv05.means_flat"
    return Finding(CODE, status, say(key, **numbers), fall, None, eps / 2.0, n, Where(step=int(step[ref])))


def _falling(case: Case, ref: int) -> bool:
    loss, eps, n = case.loss, case.epsilon, int(case.loss.size)
    tail = loss[max(0, min(ref, n - 5)) :]
    kendall = mann_kendall(tail)
    total = float(loss[ref] - loss[-1])
    if kendall is not None and tail.size >= 5:
        sure = kendall.p_down < 0.1 and total > max(eps / 2.0, case.noise)
        return sure or total > max(4.0 * case.noise, 2.0 * eps)
    return n >= 3 and bool((-np.diff(loss[-3:]) > eps).all())


def _first_epoch(case: Case) -> Finding:
    step, value = case.train
    epoch = case.run.train.epoch[-1] if case.run.train is not None and len(case.run.train) else np.nan
    n = int(value.size)
    if np.isfinite(epoch) and epoch > 1.0 + 1e-6:
        return Finding(CODE, Status.UNSURE, say("diagnose.cv05.later_epoch", epoch=float(epoch)), n=n)
    if n < _LEAST_ROWS:
        return Finding(CODE, Status.UNSURE, say("diagnose.cv05.few_rows", rows=n, needed=_LEAST_ROWS), n=n)
    late = step > step[-1] / 2.0
    slope = theil_sen(step[late], value[late], level=0.9)
    level = abs(float(np.median(value[late])))
    if slope is None or level == 0:
        return Finding(CODE, Status.UNSURE, say("diagnose.cv05.few_rows", rows=n, needed=_LEAST_ROWS), n=n)
    reach = float(step[late][-1] - step[late][0])
    fall, interval = -slope.slope * reach, (-slope.high * reach, -slope.low * reach)
    level += max(fall, 0.0) / 2.0  # where the latter half began
    numbers = {"fall": fall / level, "low": interval[0] / level, "high": interval[1] / level, "rows": int(late.sum())}
    status, key = Status.UNSURE, "diagnose.cv05.train_unsure"
    if interval[0] > 0 and fall > case.params.epsilon(level):
        known = bool(np.isfinite(epoch))
        status, key = Status.PASS, "diagnose.cv05.train" if known else "diagnose.cv05.train_unknown_epoch"
        status = status if known else Status.UNSURE
    return Finding(CODE, status, say(key, **numbers), fall, interval, case.params.epsilon(level), n)


CHECK: Check[Case] = Check(CODE, _judge, _missing)
