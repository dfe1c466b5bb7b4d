"""Two checkpoints on the same examples: their difference, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from doneness.curves.student import t_cdf, t_quantile, z_quantile


@dataclass(frozen=True, slots=True)
class PairedEffect:
    """A paired difference of two losses.

    Attributes:
        diff: current minus reference, nats per target token; NaN without examples.
        se: its standard error over examples (or clusters); infinite where one example is all there is.
        n: number of examples (or clusters) behind it.
    """

    diff: float
    se: float
    n: int

    def interval(self, level: float = 0.95, noise: float = 0.0) -> tuple[float, float]:
        """Two-sided interval of `diff` at confidence `level`.

        Args:
            level: between 0 and 1.
            noise: trajectory noise σ_t in nats; both checkpoints carry it, so 2σ_t² is added.
        """
        half = t_quantile(0.5 + level / 2.0, self._df) * self.total_se(noise) if self.n > 1 else math.inf
        return self.diff - half, self.diff + half

    def p_worse(self, margin: float = 0.0, noise: float = 0.0) -> float:
        """One-sided p-value of "current is worse than reference by more than `margin`"; 1 when unknowable."""
        return self._p(self.diff - margin, noise)

    def p_better(self, margin: float = 0.0, noise: float = 0.0) -> float:
        """One-sided p-value of "current is better than reference by more than `margin`"; 1 when unknowable."""
        return self._p(-self.diff - margin, noise)

    def total_se(self, noise: float = 0.0) -> float:
        """Standard error with the trajectory noise of both checkpoints: sqrt(se² + 2σ_t²)."""
        return math.sqrt(self.se**2 + 2.0 * noise**2) if math.isfinite(self.se) else self.se

    @property
    def _df(self) -> float:
        return float(max(self.n - 1, 0))

    def _p(self, excess: float, noise: float) -> float:
        se = self.total_se(noise)
        if self.n < 2 or not math.isfinite(se) or not math.isfinite(excess):
            return 1.0
        if se == 0.0:
            return 0.0 if excess > 0 else 1.0
        return 1.0 - t_cdf(excess / se, self._df)


def paired_effect(
    nll_cur: ArrayLike, nll_ref: ArrayLike, tokens: ArrayLike, clusters: Sequence[Any] | None = None
) -> PairedEffect:
    """Difference of two checkpoints on the same examples, as a ratio estimate.

    D = Σ(S_cur − S_ref) / ΣT, SE = sqrt(n/(n−1) · Σ(ΔS_i − D·T_i)²) / ΣT. Examples with a
    non-finite loss or without target tokens are left out.

    Args:
        nll_cur: summed negative log-likelihood of each example under the current checkpoint; shape (n,).
        nll_ref: the same under the reference; shape (n,).
        tokens: target tokens of each example; shape (n,).
        clusters: the conversation or document of each example; sums are taken inside a cluster first.

    Returns:
        The effect in nats per target token. Fewer than two units give an infinite standard error.

    Raises:
        ValueError: the shapes differ.

    Source: Cochran, Sampling Techniques, §6.4; pairing as in arXiv 2411.00640.
    """
    delta = np.asarray(nll_cur, dtype=np.float64) - np.asarray(nll_ref, dtype=np.float64)
    weight = np.asarray(tokens, dtype=np.float64)
    if delta.shape != weight.shape or delta.ndim != 1:
        raise ValueError(f"losses and tokens must be vectors of one length, got {delta.shape} and {weight.shape}")
    keep = np.isfinite(delta) & (weight > 0)
    delta, weight = delta[keep], weight[keep]
    if clusters is not None:
        _, index = np.unique(np.asarray(clusters)[keep], return_inverse=True)
        delta = np.bincount(index, weights=delta).astype(np.float64)
        weight = np.bincount(index, weights=weight).astype(np.float64)
    n, total = int(delta.size), float(weight.sum())
    if n == 0:
        return PairedEffect(math.nan, math.inf, 0)
    diff = float(delta.sum()) / total
    if n < 2:
        return PairedEffect(diff, math.inf, n)
    residual = delta - diff * weight
    se = math.sqrt(n / (n - 1) * float(residual @ residual)) / total
    return PairedEffect(diff, se, n)


def minimum_detectable(effect: PairedEffect, power: float = 0.8, alpha: float = 0.05) -> float:
    """The smallest difference that a two-sided test on so many examples finds with `power`, in nats.

    (z_{1−α/2} + z_power) · SE; infinite where the standard error is unknown.
    """
    if effect.n < 2 or not math.isfinite(effect.se):
        return math.inf
    return (z_quantile(1.0 - alpha / 2.0) + z_quantile(power)) * effect.se


def rows_needed(effect: PairedEffect, target: float, power: float = 0.8, alpha: float = 0.05) -> int | None:
    """Examples it would take to detect a difference of `target` nats: n · (MDE / target)².

    None where the present examples say nothing about their spread.
    """
    smallest = minimum_detectable(effect, power, alpha)
    if not math.isfinite(smallest) or not target > 0:
        return None
    return max(2, math.ceil(effect.n * (smallest / target) ** 2))
