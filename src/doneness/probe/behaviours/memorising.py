"""Repeats what it was trained on, and not what it was not.

What it finds: a search engine in place of a model. How: mean share of the reference repeated in one piece on
training questions − the same on held-out ones (paraphrases of them, or rows of the same kind). A model that has
understood answers both alike; 0 is no memorising.
Source: counterfactual memorisation (Zhang et al., NeurIPS 2023).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doneness.probe.behaviours.recited import repeats
from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

_LEAST = 5  # questions on either side


def _row(probe: Probe, answer: Answer) -> tuple[float, ...] | None:
    share = repeats(probe, answer)
    return None if share is None else (float(probe.sort == "recite"), share)


def gap(rows: NDArray[np.float64]) -> float:
    """Of rows (was trained on, share repeated); NaN with fewer than five on either side."""
    trained = rows[:, 0] > 0.5
    n = int(trained.sum())
    if n < _LEAST or len(rows) - n < _LEAST:
        return float("nan")
    return float(rows[trained, 1].mean() - rows[~trained, 1].mean())


MEASURE = Measure(
    Behaviour("memorising", "lower", "ratio", 0.1, guard=False, group="memory"),
    lambda probe, answer: None,
    binary=False,
    row=_row,
    statistic=gap,
)
