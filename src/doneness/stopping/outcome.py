"""What a rule would have done on a past run: when it stops, what that loses, what it saves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.core import Action, StopDecision, Verdict
from doneness.runs import Run, Series
from doneness.stopping.protocol import StopRule


@dataclass(frozen=True, slots=True)
class Replayed:
    """One rule on one past run.

    Attributes:
        rule, run: names.
        evaluations: how many the run logged.
        last_step: where the run ended.
        stop_step: where the rule would have stopped it; None where it lets the run go to its end.
        verdict: on what grounds; None without a stop.
        recommended_step: the checkpoint that the rule would have kept; None without a stop.
        cooldown_step: where the rule first asks for a falling rate. No past run shows what that would have
            bought, so the replay goes on.
        best: least evaluation loss of the whole run, nats; None where none is a number.
        reached: least evaluation loss up to the stop.
        saved_seconds: training time after the stop, where the log tells it.
    """

    rule: str
    run: str
    evaluations: int
    last_step: int
    stop_step: int | None
    verdict: Verdict | None
    recommended_step: int | None
    cooldown_step: int | None
    best: float | None
    reached: float | None
    saved_seconds: float | None

    @property
    def share_run(self) -> float:
        """Share of the run's steps that are trained before the stop; 1 without a stop."""
        return 1.0 if self.stop_step is None or not self.last_step else self.stop_step / self.last_step

    @property
    def saved_steps(self) -> int:
        """Steps not trained."""
        return 0 if self.stop_step is None else self.last_step - self.stop_step

    @property
    def forgone(self) -> float | None:
        """Loss forgone: least loss up to the stop minus least loss of the run; nats, never negative."""
        return None if self.best is None or self.reached is None else self.reached - self.best

    @property
    def forgone_share(self) -> float | None:
        """Loss forgone as a share of the run's least loss; None where that is not above zero."""
        return None if self.forgone is None or self.best is None or self.best <= 0 else self.forgone / self.best


def outcome(run: Run, rule: StopRule) -> Replayed:
    """What `rule` would have done on `run`, deciding at every evaluation from the run so far alone."""
    evals = run.evals
    steps = [] if evals is None else [int(step) for step in evals.step]
    stop: StopDecision | None = None
    cooldown: int | None = None
    for step in steps:
        decision = rule.decide(run.until(step))
        if decision.action is Action.COOLDOWN and cooldown is None:
            cooldown = step
        if decision.action is Action.STOP:
            stop = decision
            break
    at = None if stop is None else step
    return Replayed(
        rule=rule.name,
        run=run.name,
        evaluations=len(steps),
        last_step=run.last_step,
        stop_step=at,
        verdict=stop.verdict if stop else None,
        recommended_step=stop.recommended_step if stop else None,
        cooldown_step=cooldown,
        best=_least(evals),
        reached=_least(evals if at is None or evals is None else evals.upto(at)),
        saved_seconds=_seconds_after(run, at),
    )


def _least(evals: Series | None) -> float | None:
    known = np.zeros(0) if evals is None else evals.value[np.isfinite(evals.value)]
    return float(known.min()) if known.size else None


def _seconds_after(run: Run, stop: int | None) -> float | None:
    """Training time from `stop` to the end of the log; None where the log has no clock on both sides."""
    if stop is None:
        return 0.0
    # The training rows are many and reach the end; evaluations may be the only rows with a clock.
    for series in (run.train, run.evals):
        if series is None:
            continue
        known = np.isfinite(series.time)
        step, time = series.step[known], series.time[known]
        if step.size > 1 and step[0] <= stop < step[-1]:
            return max(0.0, float(time[-1] - np.interp(stop, step, time)))
    return None
