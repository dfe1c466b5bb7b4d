"""A preference run without accuracies (KTO): its held-out loss, with the margin of chosen over rejected rewards.

KTO's loss is a mean over single answers of how little each is preferred as its label says, between 0 and 1. It
is the measure that KTO has: still falling, settled, or risen. Risen together with a falling margin is overfitting.
"""

from __future__ import annotations

import numpy as np

from doneness.core import Finding, Status, Where, say
from doneness.curves import LossForecast, forecast
from doneness.diagnose.case import Case
from doneness.diagnose.gain import last_third
from doneness.diagnose.pair_columns import also, margin
from doneness.diagnose.pair_loss import Rise, risen
from doneness.runs import Series

LEAST = 6  # evaluations: the forecast's five, at two looks in a row
_FLOOR = 5e-4  # of the loss: evaluations that are all alike are no proof of a fall
_LEVEL = 0.9  # two-sided: its upper end is a one-sided 95 % bound


def told(case: Case) -> bool:
    """Whether there are held-out losses with the rewards that they come from."""
    return case.loss.size > 0 and margin(case, "eval") is not None


def judge(code: str, case: Case) -> Finding:
    """The finding on such a run."""
    n = int(case.loss.size)
    if n < LEAST:
        few = say("diagnose.pf01.few_losses", evals=n, needed=LEAST)
        return Finding(code, Status.UNSURE, few, n=n)
    rise = risen(case)
    if rise is not None:
        return _risen(code, case, rise)
    looks = _looks(case)
    gain = last_third(Series.of(case.step, case.loss), _FLOOR * abs(case.level))
    low, high = looks[-1].interval(_LEVEL) if looks else (-np.inf, np.inf)
    ripe = case.run.last_step >= case.params.min_steps and not case.warming_up
    settled = ripe and len(looks) == 2 and all(look.interval(_LEVEL)[1] < case.epsilon for look in looks)
    status, key = Status.UNSURE, "loss_unsure"
    if settled:
        status, key = Status.WARN, "loss_settled"
    elif gain is not None and gain.high < 0.0:
        status, key = Status.PASS, "loss_falls"
    elif looks and looks[-1].interval(_LEVEL)[1] < case.epsilon:
        key = "loss_early"
    level = abs(case.level) or 1.0
    expected = looks[-1].gain if looks else 0.0
    numbers = {"loss": case.level, "gain": expected / level, "most": max(high, 0.0) / level, "wanted": case.wanted[1]}
    if key == "loss_early":
        numbers["steps"] = case.params.min_steps
    message = say(f"diagnose.pf01.{key}", horizon=case.horizon[1], evals=n, **numbers)
    interval = (low, high) if looks else None
    return Finding(code, status, message, expected, interval, case.epsilon, n, Where(step=int(case.step[-1])))


def _risen(code: str, case: Case, rise: Rise) -> Finding:
    beside = also(case, rise, None)
    shared = {"share": rise.share, "best": rise.step, "how": rise.words}
    where = Where(step=rise.step)
    if beside is None:
        alone = say("diagnose.pf01.confident_loss", **shared)
        return Finding(code, Status.WARN, alone, rise.share, n=int(case.loss.size), where=where)
    message, advice = say("diagnose.pf01.overfit", also=beside, **shared), say("diagnose.pf01.keep", step=rise.step)
    return Finding(code, Status.FAIL, message, rise.share, n=int(case.loss.size), where=where, advice=advice)


def _looks(case: Case) -> list[LossForecast]:
    """The forecasts of the last two evaluations, to the same step."""
    now, end = case.outlook, case.horizon[0]
    before = forecast(case.step[:-1], case.loss[:-1], end, case.rate)
    return [each for each in (before, now) if each is not None] if now is not None else []
