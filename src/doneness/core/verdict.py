"""Verdict, Diagnosis and StopDecision: what is said of a whole run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from doneness.core.catalogue import Message
from doneness.core.finding import Finding


class Verdict(StrEnum):
    """The one headline of a diagnosis."""

    BROKEN = "broken"
    DIVERGED = "diverged"
    LEARNING = "learning"
    CONVERGED = "converged"
    OVERFITTING = "overfitting"
    MEMORISING = "memorising"
    UNDECIDED = "undecided"


class Action(StrEnum):
    """What a stopping rule asks of the trainer."""

    CONTINUE = "continue"
    STOP = "stop"
    COOLDOWN = "cooldown"


@dataclass(frozen=True, slots=True)
class SweetSpot:
    """The interval of steps that holds every checkpoint statistically tied with the best."""

    first: int
    last: int
    steps: tuple[int, ...]
    best: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What going on would buy.

    Attributes:
        horizon: the step forecast to.
        gain: expected fall of the evaluation loss by then, in nats per target token.
        interval: interval of `gain`, nominally 90 %; its measured coverage is in docs/design/log.md.
        level: the latest smoothed loss, against which `gain` is a share.
        steps, mean, low, high: the fan to draw, same length.
        method: the law that was fitted, in words for the evidence table.
        seconds, tokens: what getting there costs, where the log tells.
    """

    horizon: int
    gain: float
    interval: tuple[float, float]
    level: float
    steps: tuple[int, ...] = ()
    mean: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    method: str = ""
    seconds: float | None = None
    tokens: float | None = None


@dataclass(frozen=True, slots=True)
class SpanVerdict:
    """The verdict on one span of the evaluation's target tokens (the label, the end, …).

    Attributes:
        name: as in the log.
        verdict, headline: as of a whole run.
        loss: at the last evaluation, nats per token of the span.
        best, best_step: the lowest evaluation.
        change: last evaluation minus the first, nats per token.
        interval: 95 % interval of `change`, trajectory noise included; None without per-example losses.
        n: examples (or conversations) with a token of the span.
        tokens: tokens of the span in the last evaluation.
        per_row: mean summed loss of an example with a token of the span, nats.
        baseline: what always guessing by frequency would cost instead, nats; None where that means nothing.
    """

    name: str
    verdict: Verdict
    headline: Message
    loss: float
    best: float
    best_step: int
    change: float
    interval: tuple[float, float] | None
    n: int
    tokens: int
    per_row: float
    baseline: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON form."""
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "headline": self.headline.text(),
            "loss": self.loss,
            "best": self.best,
            "best_step": self.best_step,
            "change": self.change,
            "interval": list(self.interval) if self.interval else None,
            "n": self.n,
            "tokens": self.tokens,
            "per_row": self.per_row,
            "baseline": self.baseline,
        }


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The verdict on one run, and everything it rests on; `readings` are context that no verdict rests on.

    `span` names the target tokens that the verdict rests on, "" all of them; `spans` has a verdict for each span.
    """

    run: str
    verdict: Verdict
    headline: Message
    action: Action
    findings: tuple[Finding, ...]
    advice: Message | None = None
    sweet_spot: SweetSpot | None = None
    recommended_step: int | None = None
    recommended_checkpoint: str | None = None
    forecast: Forecast | None = None
    last_step: int | None = None
    readings: tuple[Message, ...] = ()
    span: str = ""
    spans: tuple[SpanVerdict, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """A JSON form of the whole diagnosis."""
        spot, cast = self.sweet_spot, self.forecast
        return {
            "run": self.run,
            "verdict": self.verdict.value,
            "headline": self.headline.text(),
            "action": self.action.value,
            "span": self.span or None,
            "spans": [each.to_dict() for each in self.spans],
            "advice": self.advice.text() if self.advice else None,
            "last_step": self.last_step,
            "recommended_step": self.recommended_step,
            "recommended_checkpoint": self.recommended_checkpoint,
            "sweet_spot": None
            if spot is None
            else {"first": spot.first, "last": spot.last, "steps": list(spot.steps), "best": spot.best},
            "forecast": None
            if cast is None
            else {
                "horizon": cast.horizon,
                "gain": cast.gain,
                "interval": list(cast.interval),
                "gain_share": cast.gain / cast.level if cast.level else None,
                "method": cast.method,
                "seconds": cast.seconds,
                "tokens": cast.tokens,
            },
            "findings": [finding.to_dict() for finding in self.findings],
            "readings": [{"text": reading.text(), **reading.to_dict()} for reading in self.readings],
        }


@dataclass(frozen=True, slots=True)
class StopDecision:
    """What a rule decided at one step, and why; a decision to go on has its reasons too."""

    action: Action
    verdict: Verdict
    reason: Message
    findings: tuple[Finding, ...] = ()
    step: int | None = None
    recommended_step: int | None = None

    def __str__(self) -> str:
        """The action and its reason, in the reader's language."""
        return f"{self.action.value}: {self.reason.text()}"

    def to_dict(self) -> dict[str, Any]:
        """The journal's form of a decision."""
        return {
            "action": self.action.value,
            "verdict": self.verdict.value,
            "reason": self.reason.to_dict(),
            "findings": [finding.to_dict() for finding in self.findings],
            "step": self.step,
            "recommended_step": self.recommended_step,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> StopDecision:
        """Restore what `to_dict` wrote."""
        return cls(
            action=Action(data["action"]),
            verdict=Verdict(data["verdict"]),
            reason=Message.from_dict(data["reason"]),
            findings=tuple(Finding.from_dict(item) for item in data["findings"]),
            step=data.get("step"),
            recommended_step=data.get("recommended_step"),
        )
