"""A decision as numbers, for trackers that draw nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from doneness.core import StopDecision, Verdict
from doneness.runs import ExampleLosses

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


def of_spans(name: str, losses: ExampleLosses | None, spans: Collection[str]) -> dict[str, float]:
    """The losses of those of `spans` that have a token, by the names that the Trainer gives what it measures.

    Args:
        name: of the evaluation set; "eval" where there is one alone.
        losses: of its rows, where they are known.
        spans: names of the spans to tell of.
    """
    before = "eval" if name == "eval" else f"eval_{name}"
    found = {} if losses is None else {span: losses.spans[span] for span in spans if span in losses.spans}
    return {f"{before}_{span}_loss": each.mean for span, each in found.items() if each.tokens.sum()}
