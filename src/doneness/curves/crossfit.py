"""Is the current checkpoint worse than the best so far? Answered without the winner's curse."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.curves.noise import Noise
from doneness.curves.paired import PairedEffect, paired_effect
from doneness.curves.student import t_cdf, t_quantile, z_quantile

Floats = NDArray[np.float64]
# The whole expected luck would be right for a curve that is flat throughout; most have one low place.
# 0.6 keeps false alarms under 5 % on flat curves in simulation.
_LUCK = 0.6


@dataclass(frozen=True, slots=True)
class CrossFit:
    """Current minus best so far, the best chosen on the other half of the examples.

    Attributes:
        diff: nats per target token; positive means that the current checkpoint is worse.
        se: standard error with trajectory noise, sqrt(SE² + 2σ_t²).
        p: one-sided p-value of diff > 0; 1 where nothing can be said.
        best: rows (evaluations) chosen as best on either half.
        n: examples.
    """

    diff: float
    se: float
    p: float
    best: tuple[int, int]
    n: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Two-sided interval of `diff`."""
        if self.n < 4 or not math.isfinite(self.se):
            return -math.inf, math.inf
        half = t_quantile(0.5 + level / 2.0, self.n - 2) * self.se
        return self.diff - half, self.diff + half


def half_of(ids: Sequence[str]) -> NDArray[np.bool_]:
    """Which half each example belongs to, by a hash of its id: neither order nor later rows matter."""
    # The order of the hashes, not one bit of each, so that the halves differ by one example at most.
    keys = [hashlib.blake2b(str(i).encode(), digest_size=8).digest() for i in ids]
    half = np.zeros(len(keys), dtype=bool)
    half[np.asarray(sorted(range(len(keys)), key=keys.__getitem__)[::2], dtype=np.int64)] = True
    return half


def worse_than_best(nll: Floats, tokens: Floats, half: NDArray[np.bool_], noise: Noise | None = None) -> CrossFit:
    """Test the last row of `nll` against the best row.

    The best is chosen on half A and compared on half B, then the other way round; the two
    estimates are pooled by target tokens. Choosing and testing on the same examples would
    call a flat curve worse sooner or later. Trajectory noise is common to both halves, so that
    cross-fitting cannot remove its part of the winner's curse: most of the expected luck of the
    best of k checkpoints, 0.6 · σ_t · E[max of k normals], is taken off before the test.

    Args:
        nll: summed losses, one row per evaluation in order; shape (k, n).
        tokens: target tokens of each example; shape (n,).
        half: True for half A, from `half_of`; shape (n,).
        noise: trajectory noise; none is assumed without it.

    Returns:
        The pooled test; p = 1 with fewer than two evaluations or four examples.
    """
    k, n = nll.shape
    noise = noise or Noise()
    if k < 2 or n < 4:
        return CrossFit(math.nan, math.inf, 1.0, (0, 0), n)
    best, effects, weights = [], [], []
    for chooser in (half, ~half):
        tester = ~chooser
        means = nll[:, chooser].sum(axis=1) / tokens[chooser].sum()
        pick = int(np.nanargmin(means))
        best.append(pick)
        effects.append(paired_effect(nll[-1, tester], nll[pick, tester], tokens[tester]))
        weights.append(float(tokens[tester].sum()))
    diff, sampling, wander = _pool(effects, weights, noise.sigma, [pick == k - 1 for pick in best])
    pair = (best[0], best[1])
    variance = sampling + wander
    if not math.isfinite(variance):
        return CrossFit(diff, math.inf, 1.0, pair, n)
    if variance == 0.0:
        return CrossFit(diff, 0.0, float(diff <= 0), pair, n)
    # Welch–Satterthwaite: the noise's own uncertainty widens the tail.
    df = variance**2 / (sampling**2 / (n - 2) + (wander**2 / noise.df if wander else 0.0))
    luck = _LUCK * z_quantile((k - 0.375) / (k + 0.25)) * math.sqrt(wander / 2.0)
    se = math.sqrt(variance)
    return CrossFit(diff, se, 1.0 - t_cdf((diff - luck) / se, df), pair, n)


def _pool(
    effects: Sequence[PairedEffect], weights: Sequence[float], sigma: float, is_best: Sequence[bool]
) -> tuple[float, float, float]:
    """Pooled difference, its sampling variance and its trajectory variance."""
    total = sum(weights)
    shares = [w / total for w in weights]
    diff = sum(share * e.diff for share, e in zip(shares, effects, strict=True))
    variance = sum((share * e.se) ** 2 for share, e in zip(shares, effects, strict=True))
    # A checkpoint held against itself carries no noise; both halves share that of one pair.
    away = sum(share for share, same in zip(shares, is_best, strict=True) if not same)
    return diff, variance, 2.0 * (away * sigma) ** 2
