"""When a log that used to move counts as silent: by its own pace, as far as that was seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.runs import EVAL_LOSS, Run

PAUSES = 10.0  # times the longest pause so far
LEAST = 600.0  # seconds
UNSEEN = 3600.0  # seconds, where no evaluation came under our eyes: one may take long, and be under way


@dataclass
class Pace:
    """How long a log pauses between two changes.

    Attributes:
        longest: seconds of the longest pause known, seen or told by the log's own clock; 0 where none is.
        evaluated: whether pauses with an evaluation in them are among those known.
        told: whether the present silence was told of.
    """

    longest: float = 0.0
    evaluated: bool = False
    told: bool = False

    def moved(self, pause: float) -> None:
        """The log changed after `pause` seconds."""
        self.longest = max(self.longest, pause)
        self.told = False

    def read(self, before: Run | None, run: Run) -> None:
        """Learn from a look and the one before."""
        if before is not None and _evaluations(run) > _evaluations(before):
            self.evaluated = True
        clock = np.concatenate([np.empty(0), *(series.time for series in run.series.values())])
        clock = np.unique(clock[np.isfinite(clock)])
        if clock.size > 2:
            self.longest = max(self.longest, float(np.diff(clock).max()))
            self.evaluated = self.evaluated or _evaluations(run) > 1

    @property
    def patience(self) -> float:
        """Seconds of silence after which nothing more is expected."""
        return max(PAUSES * self.longest, LEAST if self.evaluated else UNSEEN)


def _evaluations(run: Run) -> int:
    return len(run.series.get(EVAL_LOSS) or ())
