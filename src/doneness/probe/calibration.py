"""Confidence beside being right: what an answer shows, and what many answers add up to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doneness.probe.hedges import hedges
from doneness.probe.options import chosen, probabilities
from doneness.probe.refusal import refuses
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer

BINS = 10
_LEAST = 20  # answers below which a calibration error is all bias
_FACTS = ("knowledge", "general")


def free_confidence(probe: Probe, answer: Answer) -> tuple[float, float] | None:
    """(confidence, right) of a free answer to a factual question; None for any other, and for a refusal."""
    if probe.sort not in _FACTS or not probe.contains or "answer" not in probe.asks:
        return None
    right = probe.right(answer.text)
    return None if not right and refuses(answer.text) else (answer.confidence, float(right))


def choice_confidence(probe: Probe, answer: Answer) -> tuple[float, float] | None:
    """(probability of the option chosen, right) of a multiple-choice question; None for any other."""
    if not answer.options or probe.correct is None or probe.sort == "classify":
        return None
    return max(probabilities(answer)), float(chosen(answer) == probe.correct)


def hedged(probe: Probe, answer: Answer) -> tuple[float, float] | None:
    """(right, hedges) of a free answer to a factual question; None for any other, and for a refusal."""
    found = free_confidence(probe, answer)
    return None if found is None else (found[1], float(hedges(answer.text)))


def calibration_error(rows: NDArray[np.float64]) -> float:
    """Expected calibration error over ten bins of equal mass; NaN below twenty answers.

    Args:
        rows: (confidence, right), shape (n, 2).
    """
    n = len(rows)
    if n < _LEAST:
        return float("nan")
    apart = rows[np.argsort(rows[:, 0], kind="stable")]
    edges = np.linspace(0, n, BINS + 1).astype(int)
    gaps = np.add.reduceat(apart[:, 1] - apart[:, 0], edges[:-1])
    return float(np.abs(gaps).sum() / n)


def discrimination(rows: NDArray[np.float64]) -> float:
    """AUROC of confidence for being right, ties counting half; NaN below five right or five wrong answers.

    Args:
        rows: (confidence, right), shape (n, 2).
    """
    right = rows[:, 1] > 0.5
    n = int(right.sum())
    if min(n, len(rows) - n) < 5:
        return float("nan")
    _, place, count = np.unique(rows[:, 0], return_inverse=True, return_counts=True)
    # Mean rank of every distinct confidence, from 1.
    ranks = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((ranks[right].sum() - n * (n + 1) / 2) / (n * (len(rows) - n)))
