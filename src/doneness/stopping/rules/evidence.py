"""EvidenceRule: the diagnosis, asked at every evaluation.

Order: broken, diverged, overfitting, the stated goal, converged, the budget, go on.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from doneness.config.target import Target
from doneness.core import Action, Diagnosis, Finding, Message, Status, StopDecision, Verdict, say
from doneness.diagnose import Params, diagnose
from doneness.diagnose.spans import word
from doneness.runs import Run
from doneness.stopping.budget import Budget
from doneness.stopping.goals import met, reached, still_closing

HARM = (Verdict.BROKEN, Verdict.DIVERGED, Verdict.OVERFITTING)


@dataclass(frozen=True, slots=True)
class EvidenceRule:
    """Stops a run that is broken, diverged, overfitting or converged; cools down one that settled at a high rate.

    Whatever the schedule: one that would have lowered the rate later is lowered now.

    It keeps no state: everything is computed from the run so far, so a resumed run decides as the
    uninterrupted one would have.

    Attributes:
        params: thresholds of the diagnosis.
        goal: "behaviour" stops where nothing that matters is to be gained; "fidelity" goes on while the train loss
            falls and nothing shows memorising; "target" stops at `target`, too.
        target: loss to reach, nats per target token; None for other goals.
        aim: behaviour to reach; None for other goals.
        budget: what the run may cost. That it is spent is no verdict: the decision bears the diagnosis' own.
        cools: whether somebody can lower the rate of a run that is done; else one whose plan lowers it is stopped.
    """

    params: Params = field(default_factory=Params)
    name: str = "evidence"
    goal: str = "behaviour"
    target: float | None = None
    aim: Target | None = None
    budget: Budget = field(default_factory=Budget)
    cools: bool = True

    def decide(self, run: Run) -> StopDecision:
        """Diagnose the run so far and act on the verdict."""
        # It is asked at every evaluation: false alarms are to be rare over all of them.
        return self.of(run, diagnose(run, replace(self.params, watched=True), every_span=False))

    def of(self, run: Run, found: Diagnosis) -> StopDecision:
        """The decision that follows from a diagnosis of the run so far, made with `params` of a watched run."""
        action, verdict, reason = self._outcome(run, found)
        return StopDecision(
            action=action,
            verdict=verdict,
            reason=reason,
            findings=found.findings,
            step=run.last_step,
            recommended_step=found.recommended_step,
        )

    def _outcome(self, run: Run, found: Diagnosis) -> tuple[Action, Verdict, Message]:
        if found.verdict in HARM:
            return found.action, found.verdict, say("stopping.stop", headline=found.headline)
        if self.goal == "target":
            goal = self._reached(run, found)
            if goal is not None:
                reason = say("stopping.goal.stop", step=run.last_step, goal=goal, headline=found.headline)
                return Action.STOP, Verdict.LEARNING, _of_span(found, reason)
        action, reason = found.action, say("stopping.stop", headline=found.headline)
        if action is Action.CONTINUE:
            reason = _of_span(found, say("stopping.go_on", step=run.last_step, why=_why_not(found)))
        elif self.goal == "fidelity" and _sound(found) and (closing := still_closing(run, found)) is not None:
            action = Action.CONTINUE
            reason = say("stopping.goal.fidelity", step=run.last_step, closing=closing, headline=found.headline)
        elif action is Action.STOP and self.cools and (rate := _high_rate(found, self.params)) is not None:
            action = Action.COOLDOWN
            reason = _of_span(found, say("stopping.cool", headline=found.headline, rate=rate))
        # A cooldown would cost what is no longer there.
        spent = None if action is Action.STOP else self.budget.spent_by(run)
        if spent is not None:
            reason = say("stopping.budget.stop", step=run.last_step, spent=spent, headline=found.headline)
            return Action.STOP, found.verdict, reason
        return action, found.verdict, reason

    def _reached(self, run: Run, found: Diagnosis) -> Message | None:
        """What was aimed at, where it is there: a behaviour by itself, a loss where losses can be believed."""
        goal = None if self.aim is None else met(run, self.aim)
        if goal is None and self.target is not None and _sound(found):
            goal = reached(run, self.params, found.span, self.target)
        return goal


def _of_span(found: Diagnosis, reason: Message) -> Message:
    return say("diagnose.span.headline", span=word(found.span), headline=reason) if found.span else reason


def _high_rate(found: Diagnosis, params: Params) -> float | None:
    """The learning rate as a share of its peak, where the run is done but the rate is still high.

    The forecast allows for the fall that is planned, and finds no gain that matters in it. The weights of a high rate
    are no final ones all the same (arXiv 2405.18392), and a short cooldown costs less than the rest of the plan.
    """
    done = next((finding for finding in found.findings if finding.code == "CV04"), None)
    if done is None or done.status is not Status.PASS or found.verdict not in (Verdict.CONVERGED, Verdict.LEARNING):
        return None
    rate = done.evidence.get("rate")
    return rate if isinstance(rate, float) and rate > params.high_rate else None


def _sound(found: Diagnosis) -> bool:
    """Whether the evaluation losses say what the model does on rows that it has not seen."""
    status = {finding.code: finding.status for finding in found.findings}
    told = status.get("CV04", Status.SKIPPED) is not Status.SKIPPED and Status.ERROR not in status.values()
    return told and Status.FAIL not in (status.get("CV08"), status.get("RN02"))


def _why_not(found: Diagnosis) -> Message:
    """Why none of the other verdicts was given."""
    by_code = {finding.code: finding for finding in found.findings}
    # Where the loss says nothing, pairs or rewards do.
    others = (by_code[code] for code in ("PF01", "RL01") if code in by_code)
    pairs = next((other for other in others if other.status is not Status.SKIPPED), None)
    if pairs is not None and by_code["CV04"].status is Status.SKIPPED:
        return say(
            "stopping.not.all_pairs",
            broken=_not("broken", by_code["RN01"]),
            diverged=_not("diverged", by_code["CV01"]),
            pairs=_not("pairs", pairs),
        )
    examples, means = by_code["CV02"], by_code["CV03"]
    overfit = means if examples.status is Status.SKIPPED or means.status is Status.WARN else examples
    return say(
        "stopping.not.all",
        broken=_not("broken", by_code["RN01"]),
        diverged=_not("diverged", by_code["CV01"]),
        overfitting=_not("overfitting", overfit),
        converged=_not_converged(by_code),
    )


def _not(what: str, finding: Finding) -> Message:
    return say(f"stopping.not.{what}", evidence=finding.message)


def _not_converged(by_code: dict[str, Finding]) -> Message:
    """The forecast, or what keeps a flat forecast from being believed."""
    if by_code["CV04"].status is Status.PASS and by_code["CV06"].status is Status.UNSURE:
        return _not("veto", by_code["CV06"])
    return _not("converged", by_code["CV04"])
