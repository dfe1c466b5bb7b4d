"""CV10: whether anything was learnt at all.

What it finds: a run whose losses stand where they began. Flat is then not finished: the learning rate is
too low, the adapter is frozen or not attached, the labels are masked, or the model knew it all before.

How: the median train loss of the first fifth of the rows against that of the last fifth, with the noise
between neighbouring rows, and the first evaluation against the best one. WARN when neither fell by the
share `_MATTERS` of the loss, and the log begins early enough to have shown a fall (its first row lies in
the first `_EARLY` of the steps) and not at zero. Without train losses the first evaluation may come after
the fall: UNSURE.

Source: ours; three of 250 public logs are such runs (docs/design/log.md).
"""

from __future__ import annotations

import math

import numpy as np

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.diagnose.case import Case

CODE = "CV10"
_MATTERS = 0.01  # of the loss
_EARLY = 0.1  # of the steps
_SPENT = 0.01  # nats: a loss that begins there has nowhere to fall
_LEAST_ROWS, _LEAST_EVALS, _LEAST_PART = 20, 3, 5
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
    part = max(_LEAST_PART, value.size // 5)
    first, last = float(np.median(value[:part])), float(np.median(value[-part:]))
    scale = abs(first) or 1.0
    fall = (first - last) / scale
    # The standard error of a median, from what neighbouring rows differ by.
    spread = 1.4826 * float(np.median(np.abs(np.diff(value)))) / math.sqrt(2.0)
    half = _SURE * 1.2533 * spread * math.sqrt(2.0 / part) / scale
    where, n = Where(step=int(step[-1])), int(value.size)
    numbers = {"first": first, "last": last, "fall": fall, "half": half, "rows": n, "step": int(step[-1])}
    interval = (fall - half, fall + half)
    late = step[0] > _EARLY * step[-1]
    status, key = Status.PASS, "learnt"
    if fall < _MATTERS and (evals is None or evals < _MATTERS):
        # A loss that rose is somebody else's business, and a wide interval nobody's.
        told = fall + half < 2.0 * _MATTERS and fall - half > -_MATTERS and abs(first) > _SPENT
        status, key = (Status.WARN, "unmoved") if told and not late else (Status.UNSURE, "unclear")
    advice = say("diagnose.cv10.advice") if status is Status.WARN else None
    return Finding(CODE, status, say(f"diagnose.cv10.{key}", **numbers), fall, interval, _MATTERS, n, where, advice)


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
