"""CV10: whether anything was learnt at all.

What it finds: a run whose losses stand where they began. Flat is then not finished: the learning rate is
too low, the adapter is frozen or not attached, the labels are masked, or the model knew it all before.

How: the median train loss of the first three rows, and of the first fifth, against that of the last fifth,
with the noise between neighbouring rows, and the first evaluation against the best one. PASS when one fell
by a hundredth of the loss, train loss beyond its noise. WARN when neither did and the log begins early enough
to have shown a fall (its first row lies in the first tenth of the steps) and not at zero; without evaluations
only where the noise could not hide twice that. Without train losses the first evaluation may come after the
fall: UNSURE.

Source: ours; five of 250 public logs are such runs (docs/design/log.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.diagnose.case import Case

CODE = "CV10"
_MATTERS = 0.01  # of the loss
_EARLY = 0.1  # of the steps
_SPENT = 0.01  # nats: a loss that begins there has nowhere to fall
_LEAST_ROWS, _LEAST_EVALS, _LEAST_PART, _FIRST = 20, 3, 5, 3
_SURE = 1.645


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.loss.size or case.train[1].size else say("diagnose.missing.loss")


def _judge(case: Case) -> Finding:
    step, value = case.train
    evals = _eval_fall(case)
    if value.size < _LEAST_ROWS:
        return _without_train(case, evals)
    start = _fall(value, _FIRST)
    slow = _fall(value, max(_LEAST_PART, value.size // 5))
    fall = start if start.low > slow.low else slow
    where, n = Where(step=int(step[-1])), int(value.size)
    half = fall.share - fall.low
    numbers = {"first": fall.first, "last": fall.last, "fall": fall.share, "half": half, "rows": n}
    numbers["step"] = int(step[-1])
    if evals is not None and evals >= _MATTERS:
        return _without_train(case, evals)
    status, key = Status.UNSURE, "unclear"
    if fall.share >= _MATTERS and fall.low > 0.0:
        status, key = Status.PASS, "learnt"
    elif step[0] <= _EARLY * step[-1] and abs(fall.first) > _SPENT:
        # Not so where it rose for certain, nor where the noise could hide a fall and no evaluation speaks.
        still = max(start.high, slow.high) > 0.0 and (evals is not None or slow.high < 2.0 * _MATTERS)
        status, key = (Status.WARN, "unmoved") if still else (status, key)
    advice = say("diagnose.cv10.advice") if status is Status.WARN else None
    interval, message = (fall.low, fall.high), say(f"diagnose.cv10.{key}", **numbers)
    return Finding(CODE, status, message, fall.share, interval, _MATTERS, n, where, advice)


@dataclass(frozen=True, slots=True)
class _Fall:
    """From the median of the first rows to that of the last fifth, as a share of the former, with its bounds."""

    first: float
    last: float
    share: float
    low: float
    high: float


def _fall(value: NDArray[np.float64], rows: int) -> _Fall:
    part = max(_LEAST_PART, value.size // 5)
    first, last = float(np.median(value[:rows])), float(np.median(value[-part:]))
    scale = abs(first) or 1.0
    # The standard error of a median, from what neighbouring rows differ by.
    spread = 1.4826 * float(np.median(np.abs(np.diff(value)))) / math.sqrt(2.0)
    half = _SURE * 1.2533 * spread * math.sqrt(1.0 / rows + 1.0 / part) / scale
    share = (first - last) / scale
    return _Fall(first, last, share, share - half, share + half)


def _eval_fall(case: Case) -> float | None:
    """How far the best evaluation lies below the first, as a share of it; None with fewer than three."""
    if case.loss.size < _LEAST_EVALS:
        return None
    return float(case.loss[0] - case.loss.min()) / (abs(float(case.loss[0])) or 1.0)


def _without_train(case: Case, fall: float | None) -> Finding:
    n = int(case.loss.size)
    if fall is None:
        few = say("diagnose.cv10.few", rows=int(case.train[1].size), evals=n, needed=_LEAST_ROWS)
        return Finding(CODE, Status.UNSURE, few, n=n)
    if fall < _MATTERS:
        message = say("diagnose.cv10.flat_evals", fall=fall, evals=n)
        return Finding(CODE, Status.UNSURE, message, fall, None, _MATTERS, n)
    return Finding(CODE, Status.PASS, say("diagnose.cv10.evals", fall=fall, evals=n), fall, None, _MATTERS, n)


CHECK: Check[Case] = Check(CODE, _judge, _missing)
