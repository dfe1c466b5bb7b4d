"""A decision as numbers, for trackers that draw nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doneness.core import StopDecision, Verdict

GAIN_LEFT, VERDICT_CODE = "doneness/gain_left", "doneness/verdict_code"

# Never renumbered: a dashboard of last year must read as it did.
CODES: Mapping[Verdict, int] = {
    Verdict.UNDECIDED: 0,
    Verdict.LEARNING: 1,
    Verdict.CONVERGED: 2,
    Verdict.OVERFITTING: 3,
    Verdict.MEMORISING: 4,
    Verdict.DIVERGED: 5,
    Verdict.BROKEN: 6,
}
_FORECAST = "CV04"


def of_decision(decision: StopDecision | None) -> dict[str, float]:
    """The verdict by its code, and the forecast gain, nats per target token, where there is one."""
    if decision is None:
        return {}
    gain = next((f.value for f in decision.findings if f.code == _FORECAST), None)
    return {VERDICT_CODE: float(CODES[decision.verdict])} | ({} if gain is None else {GAIN_LEFT: float(gain)})


def of_evaluation(record: Mapping[str, Any]) -> dict[str, float]:
    """The losses of one evaluation by the names that the Trainer gives its own: eval_loss, eval_<span>_loss."""
    found = {"eval_loss": record.get("loss")}
    spans = record.get("spans")
    for name, each in spans.items() if isinstance(spans, Mapping) else ():
        found[f"eval_{name}_loss"] = each.get("loss")
    return {name: float(value) for name, value in found.items() if isinstance(value, (int, float))}
