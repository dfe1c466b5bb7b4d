"""PatienceRule: Hugging Face's EarlyStoppingCallback, to compare with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.core import Action, StopDecision, Verdict, say
from doneness.runs import Run


@dataclass(frozen=True, slots=True)
class PatienceRule:
    """Stops after `patience` evaluations in a row without a gain above `threshold`.

    Exactly as transformers' EarlyStoppingCallback with `metric_for_best_model="eval_loss"`: the
    counter returns to zero only if the loss is below the best by more than the threshold, while the
    best follows every gain. Many gains below the threshold therefore stop a run that improves.

    Attributes:
        patience: evaluations, at least 1.
        threshold: nats, at least 0.
        start: whether an evaluation before the first step counts, as with transformers' `eval_on_start`.
    """

    patience: int = 3
    threshold: float = 0.0
    start: bool = True

    def __post_init__(self) -> None:
        if self.patience < 1 or self.threshold < 0:
            raise ValueError(f"patience ≥ 1 and threshold ≥ 0 are needed, got {self.patience} and {self.threshold}")

    @property
    def name(self) -> str:
        """Its name with its settings."""
        return f"patience {self.patience}" + (f", threshold {self.threshold:g}" if self.threshold else "")

    def decide(self, run: Run) -> StopDecision:
        """Count again from the run's first evaluation."""
        evals = run.evals
        step = run.last_step
        looks: list[tuple[int, float]] = []
        if evals is not None:
            found = zip(evals.step.tolist(), evals.value.tolist(), strict=True)
            looks = [(int(at), loss) for at, loss in found if at > 0 or self.start]
        if not looks:
            return StopDecision(Action.CONTINUE, Verdict.UNDECIDED, say("stopping.none_yet", step=step), step=step)
        best: float | None = None
        best_step, count = 0, 0
        for at, loss in looks:
            # NaN compares false with everything, so it counts as no gain, as in the callback.
            better = best is None or bool(np.less(loss, best))
            if best is None or (better and abs(loss - best) > self.threshold):
                count = 0
            else:
                count += 1
            if better:
                best, best_step = loss, at
            if count >= self.patience:
                break
        assert best is not None
        numbers = {"best": best, "count": count, "threshold": self.threshold}
        if count >= self.patience:
            reason = say("stopping.patience.stop", **numbers)
            return StopDecision(Action.STOP, Verdict.CONVERGED, reason, (), step, best_step)
        reason = say("stopping.patience.go_on", patience=self.patience, **numbers)
        return StopDecision(Action.CONTINUE, Verdict.UNDECIDED, reason, (), step, best_step)
