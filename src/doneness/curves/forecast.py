"""What going on would buy: the law of the curve (law.py) carried on to a later step.

The interval of a change has four parts: what the fit leaves open, the curve's scatter growing with the
logarithm of the distance, a quarter of the expected change, because no law is the truth, and a
factor for heavy tails, which stretches the whole so that nine in ten of 66 public runs ended inside a
nominal 90 % interval; for few evaluations it is wider. Measured errors and coverage: docs/design/log.md.

Source: law.py. The widths are ours, calibrated on public logs.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doneness.curves.law import Law, Place, fit_law, widening
from doneness.curves.schedule import Rate

Floats = NDArray[np.float64]

MIN_POINTS = 4
_WANDER, _DOUBT, _HEAVY = 3.0, 0.25, 1.3
_MISFIT = 0.002  # of the loss: no curve follows a law more closely
_FAN = 24


@dataclass(frozen=True)
class LossForecast:
    """Forecast of the loss from now to `horizon`, in nats.

    Attributes:
        horizon: the step forecast to.
        level: loss now.
        best: the least loss so far, put up by half the trajectory noise: the least of several is lucky.
        steps: from now to the horizon; shape (h,).
        mean, sd: expected loss at each of them and the standard deviation of its change from now.
        anneal: expected part of the fall that annealing brings.
        noise: trajectory noise, which a single evaluation at the horizon has on top.
        method: "lr-law" or "power law".
        points: evaluations behind it.
    """

    horizon: int
    level: float
    best: float
    steps: Floats
    mean: Floats
    sd: Floats
    anneal: float
    noise: float
    method: str
    points: int

    @property
    def gain(self) -> float:
        """Expected fall of the loss from now to the horizon; negative where a rise is expected."""
        return float(self.level - self.mean[-1])

    def interval(self, level: float = 0.9) -> tuple[float, float]:
        """Two-sided interval of `gain`."""
        z = NormalDist().inv_cdf(0.5 + level / 2.0)
        low, high = self.gain - z * float(self.sd[-1]), self.gain + z * float(self.sd[-1])
        # A likelihood's loss cannot fall below zero; a loss that has been there may.
        return low, min(high, self.level) if self.level > 0 else high

    def fan(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Bounds of a single evaluation at each step, the noise of the last one included; not below zero."""
        z = NormalDist().inv_cdf(0.5 + level / 2.0)
        # Nothing is uncertain about what has been seen: the noise comes in with the distance.
        share = (self.steps - self.steps[0]) / max(float(self.steps[-1] - self.steps[0]), 1e-9)
        half = z * np.sqrt(self.sd**2 + share * (_HEAVY * self.noise) ** 2)
        low = self.mean - half
        return np.maximum(low, 0.0) if self.level > 0 else low, self.mean + half

    def to_gain(self, sure: float | None = None) -> float:
        """How far below the best so far the loss may come on the way; negative where it stays above.

        Args:
            sure: one-sided confidence of the bound; None for the expected course.
        """
        z = 0.0 if sure is None else NormalDist().inv_cdf(sure)
        lowest = self.mean - z * self.sd
        if self.level > 0:
            lowest = np.maximum(lowest, 0.0)
        return float((self.best - lowest)[1:].max())

    def chance(self, gain: float) -> float:
        """Chance that the loss comes below the best so far by more than `gain`, at the likeliest step on the way."""
        sd = np.maximum(self.sd[1:], 1e-300)
        z = (self.best - gain - self.mean[1:]) / sd
        return NormalDist().cdf(float(z.max()))


def forecast(step: ArrayLike, loss: ArrayLike, horizon: float, rate: Rate | None = None) -> LossForecast | None:
    """Forecast the loss at `horizon` from evaluations so far.

    Args:
        step: steps of the evaluations, ascending, unevenly spaced if they are; shape (n,).
        loss: their mean losses in nats; shape (n,). Non-finite values are left out.
        horizon: a later step. Beyond the schedule's end the law goes on at the mean rate so far,
            as if the run had been planned longer.
        rate: the learning rate, where logged.

    Returns:
        The forecast, or None with fewer than four usable evaluations or nothing ahead.
    """
    x, y = np.asarray(step, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    if x.size < MIN_POINTS or horizon <= x[-1] or x[-1] <= 0:
        return None
    law = fit_law(x, y, rate)
    ahead = np.linspace(x[-1], horizon, _FAN)
    mean, sd = _course(law, law.clock.places(ahead), ahead, int(x.size))
    there = law.clock.places(ahead[-1:])
    as_was = (there[0], law.clock.now[1], there[2])
    least = 0.0 if law.level > 0 else -np.inf
    return LossForecast(
        horizon=round(horizon),
        level=law.level,
        best=float(y.min()) + 0.5 * law.noise,
        steps=ahead,
        mean=np.maximum(mean, least),
        sd=sd,
        anneal=float(law.change(as_was)[0][0] - (mean[-1] - law.level)),
        noise=law.noise,
        method="lr-law" if rate is not None else "power law",
        points=int(x.size),
    )


def _course(law: Law, at: Place, ahead: Floats, points: int) -> tuple[Floats, Floats]:
    """Expected loss at each place and the standard deviation of its change."""
    change, spread = law.change(at)
    distance = np.log(ahead / ahead[0])
    misfit = (_MISFIT * law.level) ** 2 + (_WANDER * law.sigma) ** 2
    sd = np.sqrt(spread**2 + misfit * distance + (_DOUBT * change) ** 2)
    return law.level + change, _HEAVY * widening(points) * sd
