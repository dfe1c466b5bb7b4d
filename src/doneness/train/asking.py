"""A few questions after each evaluation, within a share of the training time, for the rule to see behaviour too."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from doneness.runs.panels import KIND
from doneness.runs.recorder import Recorder


class Asker(Protocol):
    """Asks the model as it stands; handed in from where questions are known."""

    def ask(self, model: Any, step: int, seconds: float) -> Mapping[str, Any] | None:
        """Put its questions, if it can in that time.

        Args:
            model: in training; left as it was, its weights, its mode and what chance draws next.
            step: optimizer steps done.
            seconds: what it may take.

        Returns:
            What the journal is to keep ("panel", see `runs.panels`, and what else there is to say); None where nothing
            was asked.
        """
        ...


class Sharing:
    """Lets an asker have its share of the time and no more.

    What was not spent is saved up, so that a panel which takes longer than one stretch of training allows is asked
    after several. Only the first panel of all, whose cost nobody knows, may take more than there is; it is paid back.

    Args:
        asker: who asks.
        share: of the training time so far, asking included.
        recorder: keeps what came of it.
        clock: seconds; another one in tests.
    """

    def __init__(
        self, asker: Asker, share: float, recorder: Recorder, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._asker, self._share, self._recorder, self._clock = asker, share, recorder, clock

    @property
    def spent(self) -> float:
        """Seconds of asking so far, those before a resume included."""
        told = [r.get("seconds") for r in self._recorder.records if r["kind"] == KIND and "panel" in r]
        return sum(float(each) for each in told if isinstance(each, (int, float)))

    def __call__(self, model: Any, step: int, seconds: float) -> None:
        """Ask at `step`, once, after so many seconds of training."""
        if any(r["kind"] == KIND and r["step"] == step and "panel" in r for r in self._recorder.records):
            return
        left = self._share * seconds - self.spent
        if left <= 0:
            return
        begun = self._clock()
        noted = self._asker.ask(model, step, left)
        if noted is not None:
            self._recorder.write(KIND, step, **noted, seconds=round(self._clock() - begun, 3))
