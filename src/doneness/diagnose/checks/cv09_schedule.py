"""CV09: the schedule's end is not convergence, and stopping early is not a shorter run.

What it finds: a loss that went flat only because the learning rate has gone to nearly zero; a run that
was cut, or a step to keep, well before the planned end of a rate that decays.

How: (a) the rate stands at 5 % of its peak or less, the loss fell by a gain that matters, for certain
(Theil–Sen, 90 %), over the latter half of the evaluations made above a fifth of the peak, at a pace that
would have brought more than that gain again since, and the evaluations below it show no such pace; not of
a cooldown, which was begun because the loss was flat. (b) The rate decays to a planned end, less than 95 %
of it is done, and the rate is still above a fifth of its peak: a run planned for so many steps would have
decayed its rate by then. The same holds of the step to keep where that lies before four fifths of the plan.
A warning here forbids no verdict.

Source: intermediate checkpoints of a cosine run are not final models, arXiv 2405.18392; the shares are ours.
"""

from __future__ import annotations

import numpy as np

from doneness.core import Check, Finding, Message, Status, Where, say
from doneness.curves import Rate, theil_sen
from doneness.diagnose.case import Case
from doneness.diagnose.sweet_spot import recommend

CODE = "CV09"
_SPENT, _HIGH = 0.05, 0.2  # of the peak rate
_DONE, _EARLY = 0.95, 0.8  # of the planned steps
_LEAST = 3
_DECAYS = ("linear", "cosine")


def _missing(case: Case) -> Message | None:
    if case.preference:
        return say("diagnose.missing.likelihood")
    return None if case.rate is not None else say("diagnose.missing.rate")


def _judge(case: Case) -> Finding:
    rate = case.rate
    assert rate is not None
    step = case.run.last_step
    share = float(rate.at(float(step)))
    spent = _spent(case, rate, share)
    if spent is not None:
        return spent
    planned = case.run.number("planned_steps")
    numbers = {"step": step, "rate": share}
    if planned is not None and planned > 0 and rate.shape in _DECAYS and step < _DONE * planned and share > _HIGH:
        told = {"planned": round(planned), "part": step / planned, **numbers}
        status = Status.WARN if _over(case) else Status.PASS
        message = say(f"diagnose.cv09.{'cut' if status is Status.WARN else 'under_way'}", **told)
        advice = say("diagnose.cv09.advice", step=step) if status is Status.WARN else None
        return Finding(CODE, status, message, share, None, _HIGH, _logged(case), Where(step=step), advice)
    early = _early(case, rate, planned)
    if early is not None:
        return early
    if share <= _SPENT and case.loss.size < case.params.min_evals:
        few = say("diagnose.cv09.few", evals=int(case.loss.size), needed=case.params.min_evals, **numbers)
        return Finding(CODE, Status.UNSURE, few, share, None, _SPENT, int(case.loss.size))
    return Finding(CODE, Status.PASS, say("diagnose.cv09.fine", **numbers), share, None, _HIGH, _logged(case))


def _logged(case: Case) -> int:
    """Rates that the log holds; between them the schedule is interpolated."""
    return len(case.run.series["learning_rate"]) if "learning_rate" in case.run.series else 0


def _over(case: Case) -> bool:
    """Whether the log says that the training has ended; a run still going has been cut by nobody.

    `Run.until` takes away what only the end tells, so a look at an earlier step finds a run under way.
    """
    told = [e.kind for e in case.run.events if e.kind in ("start", "resume", "end")]
    return case.run.number("train_seconds") is not None or bool(told and told[-1] == "end")


def _early(case: Case, rate: Rate, planned: float | None) -> Finding | None:
    """The step to keep lies where the rate was still high."""
    evals = case.run.evals
    whole = evals is not None and len(evals) == case.loss.size >= case.params.min_evals
    kept = recommend(case) if whole else None
    if kept is None or kept.step is None or kept.step == 0:
        return None
    end = planned if planned is not None else float(case.run.last_step)
    share = float(rate.at(float(kept.step)))
    decayed = float(rate.share[-1]) <= _HIGH
    if not decayed or kept.step >= _EARLY * end or share <= _HIGH:
        return None
    numbers = {"step": kept.step, "rate": share, "planned": round(end), "part": kept.step / end}
    advice = say("diagnose.cv09.advice", step=kept.step)
    message = say("diagnose.cv09.early", **numbers)
    where = Where(step=kept.step)
    return Finding(CODE, Status.WARN, message, share, None, _HIGH, int(case.loss.size), where, advice)


def _spent(case: Case, rate: Rate, share: float) -> Finding | None:
    """The loss is flat at a rate of nearly zero, and was not before."""
    # A rate that was lowered on purpose, because the loss was flat before, explains nothing away.
    cooled = case.run.number("cooldown_step") is not None
    if share > _SPENT or case.loss.size < case.params.min_evals or cooled:
        return None
    high = np.flatnonzero(rate.at(case.step) > _HIGH)
    low = np.flatnonzero(rate.at(case.step) <= _HIGH)
    before = high[high.size // 2 :]
    if before.size < _LEAST or low.size < 2 or low[0] < high[-1]:
        return None
    fell = theil_sen(case.step[before], case.loss[before])
    since = theil_sen(case.step[low], case.loss[low]) if low.size >= _LEAST else None
    reach = float(case.step[low[-1]] - case.step[high[-1]])
    if fell is None or fell.high >= 0.0 or -fell.slope * reach <= case.epsilon:
        return None
    fall = float(case.loss[high[-1]] - case.loss[low[-1]]) if since is None else -since.slope * reach
    if fall > 0.5 * -fell.slope * reach or fall > case.epsilon:
        return None
    message = say("diagnose.cv09.spent", rate=share, step=int(case.step[high[-1]]))
    where = Where(step=int(case.step[high[-1]]))
    advice = say("diagnose.cv09.spent_advice")
    return Finding(CODE, Status.WARN, message, share, None, _SPENT, int(low.size), where, advice)


CHECK: Check[Case] = Check(CODE, _judge, _missing)
