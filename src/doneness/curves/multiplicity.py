"""Many comparisons at once: Holm's correction, and the largest statistic of all pairs of checkpoints (max-T).

Checkpoints of one run answer alike, so their comparisons do too: holding the largest of all pairs against what flipping
the questions' signs makes of it costs less than correcting each pair as if it stood alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FLIPS = 4999
_TIE = 1e-4  # far below the distance of two counts, far above what single precision loses


def holm_adjusted(p_values: Sequence[float]) -> list[float]:
    """p-values after Holm's correction: those at or below α are rejected with an error of α for the family.

    Source: Holm, Scandinavian Journal of Statistics 1979, 6:65. NaN stays NaN, but counts.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(np.where(np.isnan(p), np.inf, p), kind="stable")
    scaled = p[order] * np.arange(p.size, 0, -1)
    known = ~np.isnan(scaled)
    scaled[known] = np.minimum(1.0, np.maximum.accumulate(scaled[known]))
    found = np.empty_like(p)
    found[order] = scaled
    return [float(v) for v in found]


def flipped_pairs(sums: Floats, flips: int = FLIPS, seed: int = 0) -> tuple[Floats, NDArray[np.float32]]:
    """Statistics of comparisons, and what they are when whole clusters change their sign at random.

    Under the hypothesis that a comparison makes no difference, a cluster's sum is as likely to be above zero as below.
    The same flips serve all comparisons, which keeps how they hang together.

    Args:
        sums: sums of paired differences by cluster; shape (p, g).
        flips: how often.
        seed: of the flips.

    Returns:
        Statistics, shape (p,), and flipped ones, shape (flips, p); sum over its root of summed squares. A comparison
        without any difference is 0.
    """
    size = np.sqrt((sums**2).sum(axis=1))
    size = np.where(size > 0, size, 1.0)
    scaled = (sums / size[:, None]).astype(np.float32)
    signs = _signs(sums.shape[1], flips, seed)
    return scaled.sum(axis=1, dtype=np.float64), np.asarray(signs @ np.ascontiguousarray(scaled.T))


def drawn_pairs(values: Floats, draws: Floats, pairs: Sequence[tuple[int, int]]) -> tuple[Floats, Floats]:
    """The same for statistics that are no mean, from clusters drawn anew: differences over their standard errors.

    Args:
        values: the statistic of each checkpoint; shape (k,).
        draws: the same on drawn clusters; shape (b, k).
        pairs: which to compare, first − second.
    """
    first, second = (np.array(side, dtype=np.intp) for side in zip(*pairs, strict=True))
    seen = values[first] - values[second]
    moved = draws[:, first] - draws[:, second]
    error = moved.std(axis=0, ddof=1)
    error = np.where(error > 1e-12, error, np.inf)
    return seen / error, (moved - seen) / error


def step_down(seen: Floats, drawn: Floats | NDArray[np.float32], one_sided: bool = False) -> Floats:
    """p-values adjusted for all comparisons: the largest of those not yet rejected, step by step.

    Source: Westfall & Young 1993, algorithm 4.1 (free step-down); Romano & Wolf, JASA 2005, 100:94.

    Args:
        seen: statistics; shape (p,).
        drawn: of the same under the hypothesis of no difference; shape (b, p).
        one_sided: large ones count alone, else their size.

    Returns:
        Shape (p,); whatever is at most α is rejected with a chance of any error of α.
    """
    if not seen.size:
        return np.zeros(0)
    t, null = (seen, drawn) if one_sided else (np.abs(seen), np.abs(drawn))
    order = np.argsort(-t, kind="stable")
    # The largest among this one and all that are smaller.
    largest = np.maximum.accumulate(null[:, order[::-1]], axis=1)[:, ::-1]
    above = (largest >= t[order] - _TIE).sum(axis=0)
    p = np.maximum.accumulate((above + 1.0) / (null.shape[0] + 1.0))
    found = np.empty(seen.size)
    found[order] = np.minimum(p, 1.0)
    return found


@lru_cache(maxsize=8)
def _signs(g: int, flips: int, seed: int) -> NDArray[np.float32]:
    bits = np.random.default_rng([seed, g]).integers(0, 2, (flips, g), dtype=np.int8)
    return (2 * bits - 1).astype(np.float32)
