"""Finding: what every check, rule and probe returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from doneness.core.catalogue import Message


class Status(StrEnum):
    """How a check ended. Only the runner makes SKIPPED (an input is missing) and ERROR (it raised)."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNSURE = "unsure"
    SKIPPED = "skipped"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Where:
    """The place a finding speaks of; what does not apply is None."""

    step: int | None = None
    rows: tuple[int, ...] = ()
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One claim with its evidence.

    Attributes:
        code: stable for ever, such as "CV03".
        status: how the check ended; too little evidence is UNSURE, never PASS.
        message: one sentence with its numbers, from the catalogue.
        value: the number the claim rests on.
        interval: its confidence interval; never of zero width from a single sample.
        threshold: what `value` was held against.
        n: size of the evidence (examples, points, rows).
        where: step, rows or checkpoint.
        advice: what to do about it.
        evidence: anything else a reader may want, as JSON.
    """

    code: str
    status: Status
    message: Message
    value: float | None = None
    interval: tuple[float, float] | None = None
    threshold: float | None = None
    n: int = 0
    where: Where | None = None
    advice: Message | None = None
    evidence: Mapping[str, Any] = field(default_factory=dict)

    @property
    def summary(self) -> str:
        """The sentence in the reader's language."""
        return self.message.text()

    def to_dict(self) -> dict[str, Any]:
        """A JSON form: the numbers, and the sentence as it reads now."""
        return {
            "code": self.code,
            "status": self.status.value,
            "summary": self.summary,
            "message": self.message.to_dict(),
            "value": self.value,
            "interval": list(self.interval) if self.interval else None,
            "threshold": self.threshold,
            "n": self.n,
            "where": None
            if self.where is None
            else {"step": self.where.step, "rows": list(self.where.rows), "checkpoint": self.where.checkpoint},
            "advice": self.advice.to_dict() if self.advice else None,
            "evidence": dict(self.evidence),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Finding:
        """Restore what `to_dict` wrote."""
        where = data.get("where")
        interval = data.get("interval")
        return cls(
            code=data["code"],
            status=Status(data["status"]),
            message=Message.from_dict(data["message"]),
            value=data.get("value"),
            interval=(interval[0], interval[1]) if interval else None,
            threshold=data.get("threshold"),
            n=data.get("n", 0),
            where=Where(where["step"], tuple(where["rows"]), where["checkpoint"]) if where else None,
            advice=Message.from_dict(data["advice"]) if data.get("advice") else None,
            evidence=data.get("evidence") or {},
        )
