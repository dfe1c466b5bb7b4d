"""What a run is for, where that is more than the lowest evaluation loss: fidelity, or a stated target.

Fidelity: the reference answers are to be met closely (strict legal or medical wording). A flat evaluation loss is
then no reason to stop while the train loss still falls, as long as nothing shows memorising or overfitting.
Target: a stated loss, or a measured behaviour, is enough, whatever more could be had, and however high the loss is.
"""

from __future__ import annotations

import math

import numpy as np

from doneness.config.target import Target
from doneness.core import Diagnosis, Message, Status, say
from doneness.curves import t_quantile, theil_sen
from doneness.diagnose import Case, Params
from doneness.runs import Run, of_span

_SURE = 0.95  # one-sided
_LATE = 2.0 / 3.0  # of the steps done


def still_closing(run: Run, found: Diagnosis) -> Message | None:
    """Why to train on towards the reference answers; None where that is no longer the case.

    The train loss falls when its slope over the last third of the steps is below zero for certain (Theil–Sen,
    90 % interval).
    """
    memorising = any(f.code == "CV07" and f.status in (Status.WARN, Status.FAIL) for f in found.findings)
    if memorising or run.train is None:
        return None
    step, loss = run.train.step, run.train.value
    late = np.isfinite(loss) & (step > _LATE * run.last_step)
    slope = theil_sen(step[late], loss[late])
    if slope is None or slope.high >= 0.0:
        return None
    level = abs(float(np.median(loss[late]))) or 1.0
    return say("stopping.goal.closing", fall=-slope.slope * 100.0 / level, rows=int(late.sum()))


def met(run: Run, target: Target) -> Message | None:
    """That a measured behaviour is there at two evaluations in a row; None where it is not, or was never measured.

    Args:
        run: the run so far.
        target: which metric, and where it is to come.
    """
    series, evals = run.series.get(f"eval/{target.name}"), run.evals
    if series is None or evals is None or series.step.size < 2:
        return None
    # Measured at the last evaluation; what the base model can do is no goal reached by training.
    if series.step[-1] != evals.step[-1] or series.step[-2] == 0:
        return None
    before, now = (float(value) for value in series.value[-2:])
    if not (target.met(before) and target.met(now)):
        return None
    key = "rising" if target.rising else "falling"
    return say(f"stopping.goal.met_{key}", name=target.name, value=now, before=before, target=target.value)


def reached(run: Run, params: Params, span: str, target: float) -> Message | None:
    """That the deciding loss is surely below `target`; None where it is not.

    Surely means by the one-sided 95 % bound of the last evaluation: over its examples where they are known,
    and in any case with trajectory noise.

    Args:
        run: the run so far.
        params: of the diagnosis.
        span: the tokens that decide; "" means all.
        target: nats per target token.
    """
    case = Case(of_span(run, span) if span else run, params)
    if not case.loss.size or case.step[-1] == 0:
        return None  # what the base model can do is no goal reached by training
    loss, table = float(case.loss[-1]), case.table
    if table is not None and int(table.step[-1]) == int(case.step[-1]):
        # Its loss against none at all: the mean of the examples and its error.
        nll, tokens = table.nll[-1], table.tokens
        units = int(nll.size)
        left = nll - loss * tokens
        spread = math.sqrt(units / (units - 1) * float((left**2).sum())) / float(tokens.sum())
        bound = loss + t_quantile(_SURE, float(units - 1)) * math.hypot(spread, case.noise)
    else:
        units = 0
        bound = loss + t_quantile(_SURE, float(max(case.loss.size - 1, 1))) * case.noise
    if not bound < target:
        return None
    key = "examples" if units else "means"
    return say(f"stopping.goal.reached_{key}", loss=loss, bound=bound, target=target, n=units, sure=_SURE)
