"""CV04: the run has converged, so that going on is futile.

What it finds: whether going on to the planned end, or for one more epoch, could still lower the
evaluation loss by the smallest gain that matters.

How: the one-sided upper bound of the forecast gain (learning-rate-aware law, averaged over its
exponents) is held against that gain. While the learning rate stands above a fifth of its peak the
question is what going on at that rate would bring: a plateau there asks for a cooldown, not a stop.
No answer during warm-up, before 100 steps, or with fewer than six evaluations. PASS says converged,
WARN says that gain is left, UNSURE that the forecast cannot tell.

Source: arXiv 2408.11029 for the law; a forecast alone never stops a run whose evaluation set is too
small (CV06).
"""

from __future__ import annotations

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import LossForecast
from doneness.diagnose.case import Case

CODE = "CV04"


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.loss.size else say("diagnose.missing.evals")


def _judge(case: Case) -> Finding:
    early = _too_early(case)
    if early is not None:
        return Finding(CODE, Status.UNSURE, early, n=int(case.loss.size))
    found = case.outlook
    if found is None:
        needed = case.params.min_evals
        message = say("diagnose.cv04.few", evals=int(case.loss.size), needed=needed)
        return Finding(CODE, Status.UNSURE, message, n=int(case.loss.size))
    high = case.rate_now is not None and case.rate_now > case.params.high_rate
    upper = found.plateau if high else found.upper
    _, name = case.horizon
    eps, level = case.epsilon, abs(found.level)
    numbers = {
        "horizon": name,
        "gain": found.gain / level,
        "low": found.low / level,
        "high": found.high / level,
        "upper": max(upper, 0.0) / level,
        "wanted": eps / level,
    }
    if high and case.rate_now is not None:
        numbers["rate"] = case.rate_now
    status, key, advice = _outcome(found, upper, eps, high)
    evidence = {"method": found.method, "anneal": found.anneal, "noise": case.noise, "rate": case.rate_now}
    where = Where(step=found.horizon)
    interval = (found.low, found.high)
    return Finding(CODE, status, say(key, **numbers), found.gain, interval, eps, found.points, where, advice, evidence)


def _outcome(found: LossForecast, upper: float, eps: float, high: bool) -> tuple[Status, str, Message | None]:
    if upper < eps:
        if high:
            return Status.PASS, "diagnose.cv04.plateau", say("diagnose.cv04.cooldown_advice")
        return Status.PASS, "diagnose.cv04.converged", None
    if found.low > eps:
        return Status.WARN, "diagnose.cv04.left", None
    return Status.UNSURE, "diagnose.cv04.wide", None


def _too_early(case: Case) -> Message | None:
    last, params = int(case.step[-1]), case.params
    if case.warming_up:
        return say("diagnose.cv04.warmup", step=last)
    if last < params.min_steps:
        return say("diagnose.cv04.early", step=last, needed=params.min_steps)
    if case.loss.size < params.min_evals:
        return say("diagnose.cv04.few", evals=int(case.loss.size), needed=params.min_evals)
    return None


CHECK: Check[Case] = Check(CODE, _judge, _missing)
