"""Where a run stands by the records in force: steps reached, the newest decision, the cooldown, the clock."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from doneness.core import StopDecision
from doneness.health import SpikeRule
from doneness.runs.journal import number
from doneness.stopping.cooldown import Cooldown, cooldown_of


class Standing:
    """Kept beside a journal, so that nothing is looked for in it at every step of a loop.

    Attributes:
        ended: whether the run has come to an end.
        cooling: the cooldown in force.
        spikes: judges the training losses.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]] = ()) -> None:
        """Stand where the records in force stand."""
        self.ended = False
        self.cooling: Cooldown | None = None
        self._reached: dict[str, int] = {}
        self._decision: StopDecision | None = None
        self._decided: dict[str, Any] | None = None
        self._longest = 0.0
        records = list(records)
        for record in records:
            self.note(record["kind"], record["step"], record)
        # Seconds of training, pauses between sessions apart.
        self._before, self._begun = self._longest, time.monotonic()
        self.spikes = SpikeRule(number(r.get("loss")) for r in records if r["kind"] == "train")

    def note(self, kind: str, step: int, data: Mapping[str, Any]) -> None:
        """A record was written."""
        if kind == "decision":
            self._decision, self._decided = None, {"step": step, **data}
        if kind == "cooldown":
            self.cooling = cooldown_of([{"kind": kind, "step": step, **data}])
        if kind in ("start", "resume", "end"):
            self.ended = kind == "end"
        if kind in ("train", "eval", "checkpoint"):
            self.ended = False
            self._reached[_column(kind, data.get("name"))] = step
            self._longest = max(self._longest, data.get("time") or 0.0)

    @property
    def decision(self) -> StopDecision | None:
        """The newest decision in force; None before the first."""
        if self._decision is None and self._decided is not None:
            self._decision = StopDecision.from_dict(self._decided)
        return self._decision

    @property
    def last_step(self) -> int:
        """The last step that a record in force speaks of; 0 for a new run."""
        return max(self._reached.values(), default=0)

    def reached(self, kind: str, name: str | None = None) -> int:
        """The last step of a kind of record, of evaluations by the name of their set."""
        return self._reached.get(_column(kind, name), 0)

    @property
    def seconds(self) -> float:
        """Seconds of training so far."""
        return round(self._before + time.monotonic() - self._begun, 3)


def _column(kind: str, name: Any) -> str:
    return f"eval:{name}" if kind == "eval" else kind
