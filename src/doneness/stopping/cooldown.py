"""A cooldown: the learning rate falls along a line to zero, and the run ends there.

At a high rate a flat loss is not the end: most of what is left comes while the rate falls. What a cooldown
is (where it began, where it ends) stands in the journal alone, so that a resumed run goes on with it exactly.

Source: constant rate and cooldown equal a cosine of the right length, arXiv 2405.18392.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from doneness.core import Action, StopDecision, Verdict, say

LEAST_STEPS = 10
SHARE = 0.15  # of the steps done
_AT_ONCE = (Verdict.BROKEN, Verdict.DIVERGED)


@dataclass(frozen=True, slots=True)
class Cooldown:
    """The rate falls from what it was after `start` steps to zero at `end`, the last step."""

    start: int
    end: int

    @property
    def looks(self) -> tuple[int, int]:
        """Where to evaluate besides the planned steps: half-way, and at the end."""
        return (self.start + self.end) // 2, self.end

    def factor(self, step: int) -> float:
        """What is left of the rate after `step` steps: 1 up to the start, 0 from the end on."""
        return min(1.0, max(0, self.end - step) / (self.end - self.start))

    def lowered(self, planned: Callable[[int], float]) -> Callable[[int], float]:
        """`planned`, a rate relative to its peak by steps done, with this cooldown; never above `planned`."""

        def factor(step: int) -> float:
            return planned(step) if step <= self.start else min(planned(step), planned(self.start) * self.factor(step))

        return factor

    def govern(self, decision: StopDecision) -> StopDecision:
        """What is done about a decision during the cooldown: broken and diverged end it, nothing else does.

        At the end of the cooldown the run stops, whatever the rule says.
        """
        step = decision.step or 0
        if decision.verdict in _AT_ONCE and decision.action is Action.STOP:
            return decision
        # What the rule said, without its "going on": what is done is another matter now.
        why = (
            decision.reason.args.get("why", decision.reason) if decision.action is Action.CONTINUE else decision.reason
        )
        if step >= self.end:
            return replace(decision, action=Action.STOP, reason=say("train.cooled", step=step, why=why))
        reason = say("train.cooling", step=step, end=self.end, why=why)
        return replace(decision, action=Action.CONTINUE, reason=reason)


def plan_cooldown(step: int, share: float, last: int) -> Cooldown | None:
    """A cooldown over `share` of the `step` steps done, ten steps at least, and never beyond the `last` one.

    None where no step is left.
    """
    end = min(step + max(LEAST_STEPS, round(share * step)), last)
    return Cooldown(step, end) if end > step else None


def cooldown_of(records: Sequence[Mapping[str, Any]]) -> Cooldown | None:
    """The cooldown that the records in force tell of."""
    last = next((r for r in reversed(records) if r["kind"] == "cooldown"), None)
    if last is None or last["end"] <= last["step"]:
        return None
    return Cooldown(int(last["step"]), int(last["end"]))


def ends_at_once(decision: StopDecision) -> bool:
    """Whether it ends a cooldown, too."""
    return decision.action is Action.STOP and decision.verdict in _AT_ONCE
