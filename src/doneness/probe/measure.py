"""Measure: one behaviour as a function of a question and its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

Score = Callable[[Probe, Answer], float | None]
Against = Callable[[Probe, Answer, Answer], float | None]
Row = Callable[[Probe, Answer], tuple[float, ...] | None]
Statistic = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True, slots=True)
class Measure:
    """One behaviour.

    Attributes:
        behaviour: its row in the table.
        score: the value of one answer, None where the question does not bear on it; 0 or 1 for a share.
        binary: scores are 0 or 1, so intervals are those of shares.
        against: the value of one answer in the light of the base model's to the same question (probe, answer,
            base's answer), for what is only said of the two together, such as known facts lost. It replaces `score`,
            for the base model too, which is then held against itself.
        row: what one answer adds to `statistic`, k numbers, or None. Needed where the behaviour is no mean over
            answers: calibration error, AUROC, macro-F1, distinct n-grams. `score` is then not asked.
        statistic: rows, shape (n, k) → the value; NaN where these rows have none. Checkpoints are compared by
            drawing clusters of questions anew, so it is called some thousand times and should be quick.
        needs: what must have been asked of a probe for it to count: names from `Probe.asks`.
    """

    behaviour: Behaviour
    score: Score
    binary: bool = True
    against: Against | None = None
    row: Row | None = None
    statistic: Statistic | None = None
    needs: tuple[str, ...] = ("answer",)
