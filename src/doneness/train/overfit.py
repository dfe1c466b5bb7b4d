"""The rule that ends a sanity run: as soon as it is decided that the rows are learnt by heart, or cannot be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.core import Action, StopDecision, Verdict, say
from doneness.runs import Run
from doneness.sanity import Floor, Outcome, Trace, outcome

_VERDICT = {"learnt": Verdict.CONVERGED, "diverged": Verdict.DIVERGED}


@dataclass(frozen=True)
class OverfitRule:
    """Stops a run on few rows by its loss on them and by the answers given word for word.

    Attributes:
        floor: of the rows.
        planned: steps planned.
    """

    floor: Floor
    planned: int
    name: str = "sanity"

    def decide(self, run: Run) -> StopDecision:
        """Stop once it is decided either way; see `sanity.outcome`."""
        step, trace = run.last_step, trace_of(run, self.planned)
        # The evaluation before the first step is the base model's.
        base = float(trace.level[0]) if trace.level.size else math.nan
        found = outcome(trace, base, self.floor)
        if found is None:
            return StopDecision(Action.CONTINUE, Verdict.UNDECIDED, say("sanity.decision.early", step=step), step=step)
        numbers, texts = _numbers(found, self.floor, base, trace.judged), "_texts" if found.exact is None else ""
        if not found.decided:
            reason = say(f"sanity.decision.go_on{texts}", **numbers)
            return StopDecision(Action.CONTINUE, Verdict.LEARNING, reason, step=step)
        verdict = _VERDICT.get(found.word, Verdict.UNDECIDED)
        word = found.word + (texts if found.word == "learnt" else "")
        return StopDecision(Action.STOP, verdict, say(f"sanity.decision.{word}", **numbers), step=step)


def trace_of(run: Run, planned: int) -> Trace:
    """What a sanity run has done so far."""
    none = np.zeros(0)
    train, evals, exact = run.train, run.evals, run.series.get("eval/exact")
    grad, update = run.series.get("train/grad_norm"), run.series.get("health/update/all")
    steps = train.step.astype(np.float64) if train is not None else none
    looks = evals.step.astype(np.float64) if evals is not None else none
    said = np.full(looks.size, np.nan)
    if exact is not None and len(exact) and looks.size:
        at = np.isin(looks, exact.step)
        said[at] = exact.value[np.isin(exact.step, looks)]
    spread, judged = 0.0, 0
    if looks.size and run.example_source is not None and int(looks[-1]) in run.example_steps:
        last = run.example_source(int(looks[-1]))
        judged = int(last.nll.size)
        left = last.nll - last.mean * last.tokens
        if judged > 1:
            spread = math.sqrt(judged / (judged - 1) * float(left @ left)) / float(last.tokens.sum())
    moved = update.value[np.isfinite(update.value)] if update is not None else none
    return Trace(
        planned=planned,
        step=steps,
        loss=train.value if train is not None else none,
        grad=grad.value if grad is not None else none,
        looks=looks,
        level=evals.value if evals is not None else none,
        exact=said,
        spread=spread if math.isfinite(spread) else math.inf,
        judged=judged,
        update=float(np.median(moved)) if moved.size else math.nan,
    )


def _numbers(found: Outcome, floor: Floor, base: float, judged: int) -> dict[str, Any]:
    return {
        "loss": found.excess + floor.loss,
        "bound": found.bound + floor.loss,
        "near": found.near + floor.loss,
        "exact": found.exact or 0.0,
        "n": judged,
        "base": base,
    }
