"""L = L∞ + A · rows^(−β): how the held-out loss goes with the number of rows, and how surely that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_BETA = np.linspace(0.05, 1.5, 59)
# Exponents between a tenth and a half are what published laws of data have; others count less.
_USUAL, _WIDE = math.log(0.3), 0.8
_Z90 = 1.6449
_DRAWS = 400


@dataclass(frozen=True, slots=True)
class Power:
    """The fit as draws from what is plausible.

    Attributes:
        floor, size, beta: L∞, A and β of each draw; shape (d,).
        weight: of each, summing to one; shape (d,).
    """

    floor: Floats
    size: Floats
    beta: Floats
    weight: Floats

    def at(self, rows: float) -> tuple[float, float, float]:
        """The loss at so many rows: median, and 90 % interval; nats per target token."""
        return self._quantiles(self.floor + self.size * np.power(rows, -self.beta))

    def gain(self, rows: float, more: float) -> tuple[float, float, float]:
        """What going from `rows` to `more` would bring: median and 90 % interval; nats per target token."""
        return self._quantiles(self.size * (np.power(rows, -self.beta) - np.power(more, -self.beta)))

    @property
    def exponent(self) -> tuple[float, float, float]:
        """β: median and 90 % interval."""
        return self._quantiles(self.beta)

    def _quantiles(self, values: Floats) -> tuple[float, float, float]:
        order = np.argsort(values)
        reached = np.cumsum(self.weight[order])
        median, low, high = (float(values[order][np.searchsorted(reached, q).clip(max=values.size - 1)])
                             for q in (0.5, 0.05, 0.95))  # fmt: skip
        return median, low, high


def fit_power(rows: Floats, loss: Floats, noise: float, seed: int = 0) -> Power | None:
    """Fit the law to rungs; None with fewer than three different sizes.

    For each exponent of a grid L∞ ≥ 0 and A ≥ 0 follow by least squares, and are drawn with the error that the noise
    leaves them; the grid is weighted by how well it fits.

    Args:
        rows: of each run; shape (n,).
        loss: held-out, nats per target token; shape (n,).
        noise: standard deviation of one run's loss by seed and draw of rows, nats per target token.
        seed: of the draws.
    """
    if np.unique(rows).size < 3:
        return None
    sigma, rng = max(noise, 1e-4), np.random.default_rng(seed)
    floor, size, beta, weight = [], [], [], []
    for each in _BETA:
        # Counted from the geometric middle, so that the two coefficients are of one size.
        middle = math.exp(float(np.mean(np.log(rows))))
        design = np.column_stack([np.ones_like(rows), np.power(rows / middle, -each)])
        normal = design.T @ design + np.diag([1e-12, 1e-12])
        coef = np.linalg.solve(normal, design.T @ loss)
        spread = sigma**2 * np.linalg.inv(normal)
        chi2 = float(((loss - design @ coef) ** 2).sum()) / sigma**2
        prior = ((math.log(each) - _USUAL) / _WIDE) ** 2
        drawn = rng.multivariate_normal(coef, spread, _DRAWS)
        able = (drawn[:, 0] >= 0.0) & (drawn[:, 1] >= 0.0)
        floor.append(drawn[able, 0])
        size.append(drawn[able, 1] * middle**each)
        beta.append(np.full(int(able.sum()), each))
        weight.append(np.full(int(able.sum()), -0.5 * (chi2 + prior)))
    logs = np.concatenate(weight)
    if not logs.size:
        return None
    share = np.exp(logs - logs.max())
    return Power(np.concatenate(floor), np.concatenate(size), np.concatenate(beta), share / share.sum())
