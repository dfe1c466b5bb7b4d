"""The gradient noise scale: beyond which batch size more rows buy little.

McCandlish et al. 2018 (arXiv 1812.06162), "simple" noise scale B = tr(Σ) / |G|²: G is the true gradient, Σ the
covariance of one row's gradient. At a batch of B rows noise and signal are equal; a batch far below learns
nearly as much from every row, a batch far above learns hardly more from a step.

Both are estimated without bias from two sizes of batch (their appendix A.1): the micro-batches, and what they
add up to. With a loss that is summed over target tokens and divided by those of the whole batch, micro-batch i
of weight w_i (its share of the target tokens, all together 1) adds g_i ≈ w_i·(G + its own noise) to the batch's
gradient g = Σ g_i. Products of different micro-batches have no noise in common, so

    |G|² ≈ (|g|² − Σ|g_i|²) / (1 − Σ w_i²),        tr(Σ) ≈ rows · (|g|² − |G|²).

With equal weights this is their formula; where targets are not known (no labels), weights are taken as equal.
A single estimate is worth little and may be negative: numerator and denominator are averaged apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

DECAY = 0.95  # of the moving means, per measured step


@dataclass(frozen=True)
class Shares:
    """How a batch was put together.

    Attributes:
        rows: rows in the whole batch.
        targets: target tokens of each micro-batch; None where they are not known.
    """

    rows: int
    targets: Sequence[float] | None


def raw_noise(whole: float, parts: float, count: int, shares: Shares) -> tuple[float, float] | None:
    """One estimate of |G|² and of tr(Σ) per row; None where it takes more micro-batches.

    Args:
        whole: squared norm of the batch's gradient, before clipping.
        parts: sum of the squared norms of what each micro-batch added to it.
        count: micro-batches.
        shares: rows, and what each micro-batch weighs.
    """
    if count < 2 or shares.rows < 2:
        return None
    told = shares.targets if shares.targets is not None and len(shares.targets) == count else [1.0] * count
    total = float(sum(told))
    if total <= 0:
        return None
    left = 1.0 - sum((each / total) ** 2 for each in told)
    if left <= 0:
        return None
    signal = (whole - parts) / left
    return signal, shares.rows * (whole - signal)


@dataclass(frozen=True)
class NoiseScale:
    """Moving means of both estimates; the weights of the means sum to one from the first estimate on.

    Attributes:
        signal: mean estimate of |G|².
        spread: mean estimate of tr(Σ), per row.
        n: estimates so far.
    """

    signal: float = 0.0
    spread: float = 0.0
    n: int = 0

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> NoiseScale:
        """What the last record in force knew; a fresh one where it knew nothing."""
        told = record.get("noise") if record is not None else None
        try:
            return cls(float(told["signal_mean"]), float(told["spread_mean"]), int(told["n"])) if told else cls()
        except (KeyError, TypeError, ValueError):
            return cls()

    def with_one(self, signal: float, spread: float) -> NoiseScale:
        """With one more estimate."""
        n = self.n + 1
        weight = (1.0 - DECAY) / (1.0 - DECAY**n)
        # Held as it is recorded, so that a resumed run goes on from the same numbers.
        return NoiseScale(
            signal=short(self.signal + weight * (signal - self.signal)),
            spread=short(self.spread + weight * (spread - self.spread)),
            n=n,
        )

    @property
    def rows(self) -> float | None:
        """The noise scale in rows; None where no signal stands out of the noise."""
        return self.spread / self.signal if self.signal > 0 and self.spread >= 0 else None


def short(value: float) -> float:
    """A number in seven digits, which is what float32 holds."""
    return float(f"{value:.7g}")
