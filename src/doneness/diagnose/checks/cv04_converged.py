"""CV04: the run has converged, so that going on is futile.

What it finds: whether going on to the planned end, or for one more epoch, could still bring the
evaluation loss below its best by the smallest gain that matters, or by what was asked for each hour of it.

How: the forecast (learning-rate-aware law with a rise, averaged over its exponents) gives the lowest
loss to be met on the way and how unsure that is; its one-sided bound is held against that gain. The
best so far is put up by half the noise, since the least of several is lucky. An interval that reaches to
a tenth of the loss knows too little: no run is called converged on it, whatever its middle says. A
plateau at a learning rate above a fifth of its peak that nobody plans to lower asks for a cooldown, not a
stop. No answer during warm-up, before 100 steps, or with fewer than five evaluations. PASS says
converged, WARN says that gain is left, UNSURE that the forecast cannot tell.

Source: arXiv 2408.11029 for the law; widths and confidence were chosen on public logs
(docs/design/log.md). A forecast alone never stops a run whose evaluation set is too small (CV06).
"""

from __future__ import annotations

import math

from doneness.core import Check, Finding, Message, Status, Where, say
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
    params, (_, name) = case.params, case.horizon
    high = case.rate_now is not None and case.rate_now > params.high_rate and _stays(case)
    upper, gain = found.to_gain(params.sure), found.to_gain()
    (eps, wanted), level = case.wanted, abs(found.level) or 1.0  # a loss of exactly zero has no shares
    low, top = found.interval(params.forecast_level)
    numbers = {
        "horizon": name,
        "gain": found.gain / level,
        "low": low / level,
        "high": top / level,
        "upper": max(upper, 0.0) / level,
        "sure": params.sure,
        # Rounded up, and never nothing: a forecast rules nothing out.
        "chance": max(math.ceil(100.0 * found.chance(eps)) / 100.0, 0.01),
        "wanted": wanted,
    }
    if high and case.rate_now is not None:
        numbers["rate"] = case.rate_now
    status, key, advice = _outcome(gain, low, upper, eps, high)
    if status is Status.PASS and top >= params.wide * level:
        status, key, advice = Status.UNSURE, "diagnose.cv04.open", None
    evidence = {"method": found.method, "anneal": found.anneal, "noise": found.noise, "rate": case.rate_now}
    where, n = Where(step=found.horizon), found.points
    return Finding(CODE, status, say(key, **numbers), found.gain, (low, top), eps, n, where, advice, evidence)


def _stays(case: Case) -> bool:
    """Whether the learning rate is going to stay where it is, as far as is known."""
    return case.rate is not None and case.rate.shape in ("constant", "held")


def _outcome(gain: float, low: float, upper: float, eps: float, high: bool) -> tuple[Status, str, Message | None]:
    if upper < eps:
        if high:
            return Status.PASS, "diagnose.cv04.plateau", say("diagnose.cv04.cooldown_advice")
        return Status.PASS, f"diagnose.cv04.{'converged' if upper > 0 else 'spent'}", None
    if low > eps and gain > eps:
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
