"""What probing may cost, "5m" or "20k tokens" (new ones), and a meter that stops before it is passed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from doneness.probe.asking import WRITTEN, Job

_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|min|k|M|)\s*(tokens?|)", re.ASCII)
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "": 1.0}
_TOKENS = {"": 1.0, "k": 1e3, "M": 1e6}
_LARGEST = 1e12


@dataclass(frozen=True)
class Budget:
    """A limit in seconds or in new tokens; neither is no limit."""

    seconds: float | None = None
    tokens: int | None = None

    @classmethod
    def of(cls, text: str) -> Budget:
        """From "90s", "5m", "2h", "20000 tokens" or "20k tokens".

        Raises:
            ValueError: it is none of these.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise ValueError(text)
        number, unit, tokens = float(found[1]), found[2], found[3]
        scale = (_TOKENS if tokens else _SECONDS).get(unit)
        if scale is None or not 0 < number * scale < _LARGEST:
            raise ValueError(text)
        return cls(tokens=max(1, int(number * scale))) if tokens else cls(seconds=number * scale)

    def __bool__(self) -> bool:
        return self.seconds is not None or self.tokens is not None


class Meter:
    """Says before each job whether it may still be begun.

    A job is taken to cost what jobs of its kind have cost so far for each question, and of answers that are written at
    most their limit in tokens; of a kind that was never asked nothing is known, so it is begun while anything is left.

    Args:
        budget: what may be spent.
        clock: seconds; another one in tests.
    """

    def __init__(self, budget: Budget, clock: Callable[[], float] = time.monotonic) -> None:
        self.budget, self._clock = budget, clock
        self._begun = clock()
        self._tokens = 0
        self._cost: dict[str, tuple[float, int]] = {}  # seconds and questions by kind
        self._open: tuple[Job, float] | None = None
        self.stopped = False

    @property
    def seconds(self) -> float:
        """Since the meter was made."""
        return self._clock() - self._begun

    @property
    def tokens(self) -> int:
        """New tokens so far."""
        return self._tokens

    def enough(self, job: Job, written: int = 0) -> bool:
        """Whether the budget ends before this job would.

        Args:
            job: about to be begun; the one before it is then done.
            written: new tokens so far, which the caller counts.
        """
        self.close(written)
        if not self.budget:
            return False
        self.stopped = self.stopped or self._beyond(job)
        if not self.stopped:
            self._open = job, self._clock()
        return self.stopped

    def close(self, written: int = 0) -> None:
        """The job that was begun is done."""
        self._tokens = max(self._tokens, written)
        if self._open is None:
            return
        job, begun = self._open
        seconds, asked = self._cost.get(job.ask, (0.0, 0))
        self._cost[job.ask] = seconds + self._clock() - begun, asked + len(job.probes)
        self._open = None

    def _beyond(self, job: Job) -> bool:
        if self.budget.tokens is not None:
            new = len(job.probes) * job.limit * max(1, job.probes[0].samples if job.ask == "samples" else 1)
            return job.ask in WRITTEN and self._tokens + new > self.budget.tokens
        assert self.budget.seconds is not None
        left = self.budget.seconds - self.seconds
        seconds, asked = self._cost.get(job.ask, (0.0, 0))
        return left <= 0 or (asked > 0 and seconds / asked * len(job.probes) > left)
