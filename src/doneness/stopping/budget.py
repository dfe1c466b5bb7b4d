"""What a run may cost: tokens, hours, money."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.core import Message, say
from doneness.runs import Run

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits of a run; 0 sets none.

    Attributes:
        target_tokens: tokens that carry loss.
        tokens: all tokens, padding apart.
        hours: of training, evaluations included, pauses apart.
        cost: in the money of `cost_per_hour`.
        cost_per_hour: of training.
    """

    target_tokens: int = 0
    tokens: int = 0
    hours: float = 0.0
    cost: float = 0.0
    cost_per_hour: float = 0.0

    def __bool__(self) -> bool:
        return any((self.target_tokens, self.tokens, self.hours, self.cost))

    def spent(self, targets: float, tokens: float, seconds: float) -> Message | None:
        """Which limit is reached, the first of target tokens, tokens, hours and money; None where none is.

        Args:
            targets, tokens, seconds: so far; NaN where unknown, which reaches no limit.
        """
        hours = seconds / _HOUR
        cost = hours * self.cost_per_hour
        # What each limit is held against, in the order in which they are named.
        against = (
            ("target_tokens", targets, self.target_tokens),
            ("tokens", tokens, self.tokens),
            ("hours", hours, self.hours),
            ("cost", cost, self.cost),
        )
        for name, used, limit in against:
            if limit and used >= limit:
                return say(f"stopping.budget.{name}", used=used, limit=limit)
        return None

    def spent_by(self, run: Run) -> Message | None:
        """Which limit the run has reached, by its train log; None where none is, or the log does not tell."""
        if not self or run.train is None:
            return None
        return self.spent(*(_last(run.train.axis(name)) for name in ("targets", "tokens", "time")))


def _last(column: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    known = column[np.isfinite(column)]
    return float(known[-1]) if known.size else float("nan")
