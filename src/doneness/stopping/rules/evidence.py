"""EvidenceRule: the diagnosis, asked at every evaluation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from doneness.core import Action, Diagnosis, Finding, Message, Status, StopDecision, say
from doneness.diagnose import Params, diagnose
from doneness.runs import Run


@dataclass(frozen=True, slots=True)
class EvidenceRule:
    """Stops a run that is broken, diverged, overfitting or converged; cools down one that settled at a high rate.

    It keeps no state: everything is computed from the run so far, so a resumed run decides as the
    uninterrupted one would have.

    Attributes:
        params: thresholds of the diagnosis.
    """

    params: Params = field(default_factory=Params)
    name: str = "evidence"

    def decide(self, run: Run) -> StopDecision:
        """Diagnose the run so far and act on the verdict."""
        # It is asked at every evaluation: false alarms are to be rare over all of them.
        found = diagnose(run, replace(self.params, watched=True))
        if found.action is Action.CONTINUE:
            reason = say("stopping.go_on", step=run.last_step, why=_why_not(found))
        else:
            reason = say("stopping.stop", headline=found.headline)
        return StopDecision(
            action=found.action,
            verdict=found.verdict,
            reason=reason,
            findings=found.findings,
            step=run.last_step,
            recommended_step=found.recommended_step,
        )


def _why_not(found: Diagnosis) -> Message:
    """Why none of the other verdicts was given."""
    by_code = {finding.code: finding for finding in found.findings}
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
