"""Loss spikes: a step whose training loss stands far above the steps before it.

The rule, by losses before the step alone: the loss is expected at the median of the last eight. How far losses
usually lie from where they were expected is the scale: 1.4826 × the median absolute deviation (MAD) of the last 64
such differences, which spikes do not move and a falling curve does not widen. A loss more than seven scales above
its expectation is a spike. The scale is taken as at least 1 % of the expected loss and 0.01 nats, so that a flat log
does not flag its own rounding. Seven is the mark of the spike score of OLMo 2 (arXiv 2501.00656), which counts
losses seven standard deviations above a rolling mean.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

NEAR = 8  # losses whose median is what is expected
WINDOW = 64  # differences that tell the scale
LEAST = 12  # of them that a judgement takes
DEVIATIONS = 7.0
MOST_ROWS = 256  # of a spike's batch that are named
IN_A_ROW = 3  # more than this are a new level, not a spike
_MAD = 1.4826
_FLOOR = 0.01
_SMALLEST = 0.01  # nats


@dataclass(frozen=True)
class Spike:
    """A loss that was not to be expected.

    Attributes:
        loss: the step's training loss, in nats per target token; NaN or infinite where that is the matter.
        expected: the median of the losses just before it.
        deviations: how many scales lie between them; infinite for no number.
    """

    loss: float
    expected: float
    deviations: float


class SpikeRule:
    """Judges each loss by those before it alone."""

    def __init__(self, before: Iterable[float] = ()) -> None:
        """Begin after the losses `before`, in order; those of a resumed run."""
        self._near: deque[float] = deque(maxlen=NEAR)
        self._off: deque[float] = deque(maxlen=WINDOW)
        self._in_a_row = 0
        for loss in before:
            self.judge(loss)

    def judge(self, loss: float) -> Spike | None:
        """The spike that `loss` is, or None; from now on it is one of the losses before."""
        found = None
        if len(self._near) == NEAR:
            expected = median(self._near)
            found = self._found(loss, expected)
            if math.isfinite(loss):
                self._off.append(loss - expected)
        if math.isfinite(loss):
            self._near.append(loss)
        self._in_a_row = self._in_a_row + 1 if found is not None else 0
        # After a jump to a new level several losses are far from the old one; three say so.
        return found if self._in_a_row <= IN_A_ROW else None

    def _found(self, loss: float, expected: float) -> Spike | None:
        if len(self._off) < LEAST:
            return None
        if not math.isfinite(loss):
            return Spike(loss, expected, math.inf)
        usual = median(self._off)
        scale = _MAD * median(abs(each - usual) for each in self._off)
        away = (loss - expected) / max(scale, _FLOOR * abs(expected), _SMALLEST)
        return Spike(loss, expected, away) if away > DEVIATIONS else None


def spike_record(spike: Spike, first: int, rows: Sequence[Any] | Callable[[], Sequence[Any]] | None) -> dict[str, Any]:
    """The fields of a `spike` record.

    Args:
        spike: what was found.
        first: the first step whose batch is in the loss; a loss may be logged over several steps.
        rows: names of the rows of those batches, or what gives them; None where nobody knows.
    """
    data: dict[str, Any] = {"loss": spike.loss, "expected": spike.expected, "first": first}
    if math.isfinite(spike.deviations):
        data["deviations"] = round(spike.deviations, 2)
    if rows is None:
        return data
    names = [str(each) for each in (rows() if callable(rows) else rows)]
    return data | {"count": len(names), "rows": names[:MOST_ROWS]}
