"""The diagnosis: all checks, one verdict, and what to do next.

Order: broken, diverged, then what losses on held-out rows do not judge (preference, reinforcement, an
evaluation on training data, memorising), overfitting, converged, learning, undecided. A verdict of
health needs every required check to pass, and a crashed check never adds up to one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from doneness.core import Action, Check, Diagnosis, Finding, Status, Verdict, healthy, run_checks
from doneness.diagnose import phrases, special
from doneness.diagnose.ahead import public
from doneness.diagnose.case import Case
from doneness.diagnose.checks import (
    cv01_diverged,
    cv02_overfitting,
    cv03_overfitting_means,
    cv04_converged,
    cv05_learning,
    cv06_eval_size,
    cv07_memorising,
    cv08_overlap,
    cv09_schedule,
    cv10_learnt,
    pf01_preference,
    rl01_reward,
    rn01_broken,
    rn02_lost_rows,
)
from doneness.diagnose.kinds import suits
from doneness.diagnose.params import Params
from doneness.diagnose.readings import readings
from doneness.diagnose.sweet_spot import Recommendation, recommend
from doneness.runs import Run

CHECKS: tuple[Check[Case], ...] = (
    rn01_broken.CHECK,
    rn02_lost_rows.CHECK,
    cv01_diverged.CHECK,
    cv02_overfitting.CHECK,
    cv03_overfitting_means.CHECK,
    cv04_converged.CHECK,
    cv05_learning.CHECK,
    cv06_eval_size.CHECK,
    cv07_memorising.CHECK,
    cv08_overlap.CHECK,
    cv09_schedule.CHECK,
    cv10_learnt.CHECK,
    pf01_preference.CHECK,
    rl01_reward.CHECK,
)


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: Verdict
    action: Action


def diagnose(
    run: Run, params: Params | None = None, until: int | None = None, barred: Collection[int] = ()
) -> Diagnosis:
    """Judge a run by what it has logged.

    Args:
        run: any run, finished or not.
        params: what gain matters and how sure to be.
        until: judge the run as it was at this step; nothing later is looked at.
        barred: steps not to recommend, whatever their loss: the probes showed harm.

    Returns:
        The verdict with its findings, the sweet spot and the forecast; absent parts are None.
    """
    case = Case(run if until is None else run.until(until), params or Params())
    findings = run_checks([check for check in CHECKS if suits(check.code, case)], case)
    by_code = {finding.code: finding for finding in findings}
    outcome = _decide(case, by_code, findings)
    # A preference loss or a broken log knows no best checkpoint; train loss alone never names one.
    # What crashed a check (unreadable losses) would crash the rest as well.
    sound = outcome.verdict is not Verdict.BROKEN and all(f.status is not Status.ERROR for f in findings)
    judged = sound and not case.preference and case.loss.size > 0 and by_code["CV08"].status is not Status.FAIL
    kept: Recommendation | None = recommend(case, barred) if judged else None
    # What a run that is to be stopped for harm would come to is not the question.
    foreseeable = judged and outcome.verdict not in (Verdict.DIVERGED, Verdict.OVERFITTING)
    cast = public(case) if foreseeable else None
    talk = phrases.Talk(case, by_code, outcome.verdict, outcome.action, kept)
    return Diagnosis(
        run=case.run.name,
        verdict=outcome.verdict,
        headline=phrases.headline(talk),
        action=outcome.action,
        findings=findings,
        advice=phrases.advice(talk),
        sweet_spot=kept.spot if kept else None,
        recommended_step=kept.step if kept else None,
        recommended_checkpoint=kept.checkpoint if kept else None,
        forecast=cast,
        last_step=case.run.last_step,
        readings=readings(case),
    )


def _decide(case: Case, found: dict[str, Finding], findings: tuple[Finding, ...]) -> _Outcome:
    status = {code: finding.status for code, finding in found.items()}
    if status["RN01"] is Status.FAIL:
        return _Outcome(Verdict.BROKEN, Action.STOP)
    if status["CV01"] is Status.FAIL:
        return _Outcome(Verdict.DIVERGED, Action.STOP)
    if (otherwise := special.outcome(case, found)) is not None:
        return _Outcome(*otherwise)
    if Status.FAIL in (status["CV02"], status["CV03"]):
        return _Outcome(Verdict.OVERFITTING, Action.STOP)
    crashed = any(s is Status.ERROR for s in status.values())
    if crashed or status["RN02"] is Status.FAIL or not healthy(CHECKS, findings):
        return _Outcome(Verdict.UNDECIDED, Action.CONTINUE)
    # A loss that stands above its best, on its way up or down, has settled nowhere.
    risen = Status.WARN in (status["CV02"], status["CV03"])
    if status["CV04"] is Status.PASS and status["CV06"] is not Status.UNSURE and not risen:
        if status["CV10"] is Status.WARN:
            # It stands where it began: nothing more will come, but that is not being done.
            return _Outcome(Verdict.UNDECIDED, Action.STOP)
        if status["CV05"] is Status.PASS:
            # It falls for certain, yet what is left brings nothing that matters.
            return _Outcome(Verdict.LEARNING, Action.STOP)
        plateau = found["CV04"].message.key == "diagnose.cv04.plateau"
        return _Outcome(Verdict.CONVERGED, Action.COOLDOWN if plateau else Action.STOP)
    # A fall that only makes up for a rise is a recovery: whether it goes below the best nobody knows.
    sure = Status.WARN not in (status["CV02"], status["CV03"]) and not case.recovering
    falling = status["CV05"] is Status.PASS or status["CV04"] is Status.WARN
    if sure and falling and status["CV04"] is not Status.PASS:
        return _Outcome(Verdict.LEARNING, Action.CONTINUE)
    return _Outcome(Verdict.UNDECIDED, Action.CONTINUE)
