"""The rule by which the goal and the loss together pick a checkpoint, on as many sets of values at once as are given.

The earliest of those as good as the best that is tied in loss; else the earliest of those near the best that is; else
the earliest of those as good as the best. `probe.choice` applies it to the table and puts it into words; what is
foreseen and what is reported of a pick (`probe.foresight`, `probe.standing`) has to be of the same rule.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HALF = 0.5  # of the margin: what a checkpoint may be worse than the best by and still count as good as it
_ALPHA = 0.05


def picked(gains: Floats, apart: Floats, margin: float, tied: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Which checkpoint is picked in each set of values; shape (…,), −1 for none.

    Args:
        gains: over base, in the direction of the better; shape (…, k), −∞ for one that cannot be picked.
        apart: standard errors of the differences of two checkpoints; shape (k, k).
        margin: harm that still counts as the same.
        tied: whether each is tied in loss; shape (k,).
    """
    top = gains.max(axis=-1, keepdims=True)
    there = np.isfinite(gains)
    equal = there & (gains >= top - HALF * margin)
    pairs = max(1, gains.shape[-1] * (gains.shape[-1] - 1) // 2)
    behind = np.where(np.isfinite(top), top, 0.0) - gains
    told = behind > NormalDist().inv_cdf(1 - _ALPHA / 2 / pairs) * apart[gains.argmax(axis=-1)]
    near = there & (gains >= top - margin) & ~told
    both, lenient = equal & tied, near & tied
    some, more = both.any(axis=-1, keepdims=True), lenient.any(axis=-1, keepdims=True)
    pool = np.where(some, both, np.where(more, lenient, equal))
    return np.asarray(np.where(pool.any(axis=-1), pool.argmax(axis=-1), -1))
