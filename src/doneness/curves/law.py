"""The law of a loss curve: a fall, what annealing brings, and a rise; fitted to what has been seen.

    L(s) = L0 + A · (S1(s) + o)^(−α) − C · S2(s) + B · s

S1 is the sum of relative learning rates, S2 how far the rate has been annealed (schedule.py). Falling
slows with the rate; rising, in public runs, goes on by the step, whatever the rate. α and o come from
a grid; A, B, C ≥ 0 by robust least squares, C and B drawn to zero; the members of the grid, each once
without a rise, are weighted by how well they fit. Without a learning rate S1 is the step itself.

Source: arXiv 2408.11029 for the first three terms. The rise B, which lets the curve of a run that
overfits be carried on, the grid, the priors and the weights are ours; they were chosen on public logs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.curves.noise import trajectory_noise
from doneness.curves.schedule import Rate

Floats = NDArray[np.float64]
Place = tuple[Floats, Floats, Floats]  # S1, S2, and steps over the steps done

# Large exponents with a large offset are nearly exponentials: curves that settle for good.
_ALPHA, _OFFSET = (
    np.tile(grid.ravel(), 2)
    for grid in np.meshgrid((0.1, 0.3, 0.7, 1.5, 4.0, 10.0, 30.0), (0.01, 0.1, 0.4, 1.0), indexing="ij")
)  # the offset is a share of the distance travelled
_MAY_RISE = np.arange(_ALPHA.size) >= _ALPHA.size // 2  # each member once without the rise and once with it
_PRICE, _FORBIDDEN = 2.0, 1e4  # in χ², of letting the loss rise
_ANNEAL = 0.005  # prior sd of C as a share of the loss [H]
_RISE = 0.1  # prior sd of B: a loss may rise by a tenth while the way travelled doubles [H]
_FAR = 0.5  # an evaluation this share above the present level counts half
_TEMPER = 0.5  # fits of one curve differ by less than independent points would make believe
_QUIET = 0.3  # residuals are never taken to be smaller than this share of the trajectory noise
_LEVEL, _USUAL, _FEW = 0.5, 0.005, 0.0025


@dataclass(frozen=True)
class Law:
    """A fitted grid of laws.

    Attributes:
        coef: L0 + A, A, C, B of each member, so that A counts from the present; shape (m, 4).
        cov: their covariance; shape (m, 4, 4).
        weight: of each member, summing to one; shape (m,).
        level: the loss now, half fitted and half the median of the last three, nats.
        sigma: scatter of the evaluations about the best fit, nats.
        noise: trajectory noise, nats.
    """

    clock: Clock
    coef: Floats
    cov: Floats
    weight: Floats
    level: float
    sigma: float
    noise: float

    def change(self, at: Place) -> tuple[Floats, Floats]:
        """Mean change of the loss from now to each place, and its standard deviation; nats, shape (h,)."""
        ahead = _design(self.clock, at) - _design(self.clock, self.clock.now)
        each = np.einsum("mhi,mi->mh", ahead, self.coef)
        within = np.einsum("mhi,mij,mhj->mh", ahead, self.cov, ahead)
        mean = self.weight @ each
        spread = np.sqrt(np.maximum(self.weight @ (within + (each - mean) ** 2), 0.0))
        return mean, spread


class Clock:
    """Where past and future steps lie."""

    def __init__(self, step: Floats, rate: Rate | None) -> None:
        self.rate = rate
        self.done = max(float(step[-1]), 1e-9)
        self.past = self.places(step)
        self.now: Place = (self.past[0][-1:], self.past[1][-1:], self.past[2][-1:])
        self.scale = max(float(self.now[0][0]), 1e-9)

    def places(self, step: Floats) -> Place:
        """The places of `step`; past the schedule's end as if the run had been planned longer, at its mean rate."""
        if self.rate is None:
            return step.astype(np.float64), np.zeros(step.shape), step / self.done
        end = float(self.rate.step[-1])
        pace = float(self.rate.travelled(end)) / max(end, 1.0)
        inside = self.rate.travelled(np.minimum(step, end))
        return inside + pace * np.maximum(step - end, 0.0), self.rate.annealed(step), step / self.done


def fit_law(step: Floats, loss: Floats, rate: Rate | None) -> Law:
    """Fit the grid of laws to evaluations.

    Args:
        step: ascending, the last above zero; shape (n,), n ≥ 3.
        loss: finite, nats; shape (n,).
        rate: the learning rate, where logged.
    """
    clock = Clock(step, rate)
    median = float(np.median(loss[-3:]))
    size = abs(median)
    floor = max(1e-4 * size, 1e-12)
    noise = trajectory_noise(step, loss, _USUAL * size) or _FEW * size
    # Early evaluations, and those far above the present level, tell of the fall into the task; late
    # ones of what is left to come.
    far = np.maximum(loss - median, 0.0) / max(_FAR * size, floor)
    trust = np.clip(clock.past[0] / clock.scale, 0.02, 1.0) ** 2 / (1.0 + far**2)
    design = _design(clock, clock.past)
    coef, inverse, weight = _robust(design, loss, trust, (max(noise, floor), floor, size))
    residual = loss - np.einsum("mni,mi->mn", design, coef)
    free = np.maximum(weight.sum(axis=1) - 2.0 - (coef[:, 3] > 0), 1.0)
    rms = np.sqrt((weight * residual**2).sum(axis=1) / free)
    sigma = max(float(rms.min()), floor, _QUIET * noise)
    chi2 = float(trust.sum()) * (np.maximum(rms, floor) / sigma) ** 2
    # A loss that still makes new lows shows no rise, whatever bend of it a rise might mend.
    lower = loss.size > 3 and median <= float(loss[:-3].min())
    chi2 = chi2 + (_FORBIDDEN if lower else _PRICE) * _MAY_RISE
    share = np.exp(-0.5 * _TEMPER * (chi2 - chi2.min()))
    share /= share.sum()
    fitted = float(share @ (_design(clock, clock.now)[:, 0] * coef).sum(axis=1))
    level = _LEVEL * fitted + (1.0 - _LEVEL) * median
    return Law(clock, coef, inverse * sigma**2, share, level, sigma, noise)


def _design(clock: Clock, at: Place) -> Floats:
    """Columns 1, ((u + o)/(1 + o))^(−α) − 1, −S2, s/s_now − 1 with u = S1/S1_now, by member; shape (m, n, 4)."""
    u, s2, done = at[0] / clock.scale, at[1], at[2]
    power = ((u + _OFFSET[:, None]) / (1.0 + _OFFSET[:, None])) ** (-_ALPHA[:, None]) - 1.0
    columns = (np.ones_like(power), power, np.broadcast_to(-s2, power.shape), np.broadcast_to(done - 1.0, power.shape))
    return np.stack(columns, axis=-1)


def _robust(
    design: Floats, loss: Floats, trust: Floats, sizes: tuple[float, float, float]
) -> tuple[Floats, Floats, Floats]:
    """Huber-weighted ridge of every member: coefficients, covariance per unit noise, weights."""
    noise, floor, size = sizes
    scale, huber = np.full(design.shape[0], noise), np.ones(design.shape[:2])
    near = trust > 0.1 if (trust > 0.1).sum() > 3 else np.ones_like(trust, dtype=bool)
    for _ in range(4):
        weight = trust * huber
        coef, inverse = _solve(design, loss, weight, scale / max(size, 1e-12))
        residual = np.abs(loss - np.einsum("mni,mi->mn", design, coef))
        scale = np.maximum(1.4826 * np.median(residual[:, near], axis=1), floor)
        huber = np.minimum(1.0, 2.0 * scale[:, None] / np.maximum(residual, 1e-300))
    return coef, inverse, weight


def _solve(design: Floats, loss: Floats, weight: Floats, scale: Floats) -> tuple[Floats, Floats]:
    """Weighted ridge with A, B, C ≥ 0; `scale` is the noise as a share of the loss."""
    weighted = design * weight[..., None]
    normal = np.einsum("mni,mnj->mij", weighted, design)
    right = np.einsum("mni,n->mi", weighted, loss)
    # The priors' weight in units of the noise: known noise makes the data speak louder.
    pull = np.zeros(right.shape)
    pull[:, 0], pull[:, 1] = 1e-12, 1e-9
    pull[:, 2], pull[:, 3] = (scale / _ANNEAL) ** 2, (scale / _RISE) ** 2
    diagonal = np.arange(4)
    normal[:, diagonal, diagonal] += pull
    closed = np.zeros(right.shape, dtype=bool)
    closed[:, 3] = ~_MAY_RISE
    wall = 1e12 * float(np.abs(normal).max())
    for _ in range(3):
        walled = normal.copy()
        walled[:, diagonal, diagonal] += np.where(closed, wall, 0.0)
        coef: Floats = np.linalg.solve(walled, right[..., None])[..., 0]
        negative = coef < -1e-12
        negative[:, 0] = False
        if not (negative & ~closed).any():
            break
        closed |= negative
    coef = np.where(closed, 0.0, coef)
    return coef, np.asarray(np.linalg.inv(walled), dtype=np.float64)


def widening(points: int) -> float:
    """How much wider an interval from `points` evaluations must be: few of them tell the noise only roughly."""
    return 1.0 + 1.0 / math.pow(max(points - 3, 0.5), 1.4)
