"""The diagnosis: all checks, one verdict, and what to do next.

Order: broken, diverged, then what losses on held-out rows do not judge (preference, reinforcement, an
evaluation on training data, memorising), overfitting, converged, learning, undecided. A verdict of
health needs every required check to pass, and a crashed check never adds up to one.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

from doneness.core import Action, Check, Diagnosis, Finding, Status, Verdict, healthy, run_checks
from doneness.diagnose import phrases, spans, special
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
from doneness.diagnose.sweet_spot import recommend
from doneness.runs import Run, of_span

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


# What is judged anew on the tokens of one span; that a run is broken or diverged is a matter of all of them.
_BY_SPAN = frozenset(("CV02", "CV03", "CV04", "CV05", "CV06", "CV09"))


@dataclass(frozen=True, slots=True)
class _Outcome:
    verdict: Verdict
    action: Action


def diagnose(
    run: Run,
    params: Params | None = None,
    until: int | None = None,
    barred: Collection[int] = (),
    span: str | None = None,
    every_span: bool = True,
    chosen: int | None = None,
) -> Diagnosis:
    """Judge a run by what it has logged.

    Args:
        run: any run, finished or not.
        params: what gain matters and how sure to be.
        until: judge the run as it was at this step; nothing later is looked at.
        barred: steps not to recommend, whatever their loss: the probes showed harm.
        span: judge these target tokens, "all" or one of `doneness.runs.span_names(run)`; by default those
            that `params` names.
        every_span: judge also the spans that do not decide, for `spans`; whoever only acts on the verdict
            need not wait for them.
        chosen: the step that the answers chose, to be kept in place of the loss's.

    Returns:
        The verdict with its findings, the sweet spot and the forecast; absent parts are None. Where the run
        records losses by span, `spans` holds a verdict for each.

    Raises:
        DonenessError: the run records no such span.
    """
    params = params or Params()
    run = run if until is None else run.until(until)
    ruled = frozenset(barred)
    whole = _talk(Case(run, params, ruled, chosen))
    name, talks = "", dict[str, phrases.Talk]()
    if all(finding.status is not Status.ERROR for finding in whole.found.values()):
        name = spans.deciding(run, params.span) if span is None else "" if span == spans.ALL else span
        talks = {
            each: _talk(Case(of_span(run, each), params, ruled, chosen), whole)
            for each in spans.judged(run, name, every_span)
        }
    talk = talks[name] if name else whole
    # What a run that is to be stopped for harm would come to is not the question.
    foreseeable = _sound(talk) and talk.verdict not in (Verdict.DIVERGED, Verdict.OVERFITTING)
    kept = talk.kept
    return Diagnosis(
        run=run.name,
        verdict=talk.verdict,
        headline=spans.headline(talk, name, talks.get("label") if not name else whole),
        action=talk.action,
        findings=tuple(talk.found.values()),
        advice=phrases.advice(talk),
        sweet_spot=kept.spot if kept else None,
        recommended_step=kept.step if kept else None,
        recommended_checkpoint=kept.checkpoint if kept else None,
        forecast=public(talk.case) if foreseeable else None,
        last_step=run.last_step,
        readings=(*(spans.readings(run) if "label" in talks else ()), *readings(whole.case)),
        span=name,
        spans=spans.verdicts(run, talks),
    )


def _talk(case: Case, whole: phrases.Talk | None = None) -> phrases.Talk:
    """Findings and verdict on `case`; for a span those findings that are not its own come from the `whole`."""
    checks = [c for c in CHECKS if suits(c.code, case) and (whole is None or c.code in _BY_SPAN)]
    found = {} if whole is None else dict(whole.found)
    found |= {finding.code: finding for finding in run_checks(checks, case)}
    outcome = _decide(case, found, tuple(found.values()))
    talk = phrases.Talk(case, found, outcome.verdict, outcome.action, None)
    return replace(talk, kept=recommend(case)) if _sound(talk) else talk


def _sound(talk: phrases.Talk) -> bool:
    """Whether the losses can name a best checkpoint.

    A preference loss or a broken log knows none; train loss alone never names one. What crashed a check
    (unreadable losses) would crash the rest as well.
    """
    case, found = talk.case, talk.found
    sound = talk.verdict is not Verdict.BROKEN and all(f.status is not Status.ERROR for f in found.values())
    return sound and not case.preference and case.loss.size > 0 and found["CV08"].status is not Status.FAIL


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
        # At a high rate that nobody plans to lower, most of what is left comes when it is lowered.
        done = Action.COOLDOWN if found["CV04"].message.key == "diagnose.cv04.plateau" else Action.STOP
        # Where it falls for certain, and yet what is left brings nothing that matters, it is learning still.
        return _Outcome(Verdict.LEARNING if status["CV05"] is Status.PASS else Verdict.CONVERGED, done)
    # A fall that only makes up for a rise is a recovery: whether it goes below the best nobody knows.
    sure = Status.WARN not in (status["CV02"], status["CV03"]) and not case.recovering
    falling = status["CV05"] is Status.PASS or status["CV04"] is Status.WARN
    if sure and falling and status["CV04"] is not Status.PASS:
        return _Outcome(Verdict.LEARNING, Action.CONTINUE)
    return _Outcome(Verdict.UNDECIDED, Action.CONTINUE)
