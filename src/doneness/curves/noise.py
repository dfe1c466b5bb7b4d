"""Trajectory noise: how far a checkpoint's loss strays from the run's own smooth course."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_POINTS = 5
_NORMAL_MAD = 1.4826
_LATER = 0.55  # share of the points that count
_WILD = 2.5  # deviations are cut here, in units of the median's sd
_ONE_SIDED = 0.05  # share of the squares above the lines below which noise cannot be the cause
_PRIOR = 2.0  # weight of the usual noise, in evaluations


def trajectory_noise(step: ArrayLike, loss: ArrayLike, usual: float | None = None) -> float | None:
    """Standard deviation σ_t of the evaluation losses about their own smooth curve, in nats.

    Each point is held against the line through its two neighbours over log(step + 1), where
    learning curves are nearly straight, so that the bend of the curve does not count as noise.
    Deviations beyond 2.5 robust sds (1.4826 · median|second differences| / sqrt(6) where spacing is
    even) are cut to that. Only the later half of the points counts, at least five: the opening fall
    is not noise. The small-sample factor was found by simulation of white noise.

    Few points over a steep turn all lie under the lines through their neighbours: that is a bend,
    since noise would strike out to both sides. Then only what lies above those lines counts, and
    `usual` stands in for what so few points cannot tell. (Without it nine evaluations never saw
    a loss that rose by a quarter.)

    Args:
        step: steps of the evaluations, ascending; shape (n,).
        loss: mean losses; shape (n,). Non-finite values are left out.
        usual: noise to reckon with where the points show a bend alone, nats; without it a bend is
            counted as noise.

    Returns:
        σ_t, or None with fewer than five usable points.
    """
    x, y = _clean(step, loss)
    if x.size < MIN_POINTS:
        return None
    count = max(MIN_POINTS, math.ceil(_LATER * x.size))
    bend = second_residuals(x[-count:], y[-count:])
    m = bend.size
    above = float((np.clip(bend, 0.0, None) ** 2).mean())
    if usual is not None and above < _ONE_SIDED * float((bend**2).mean()):
        return min(math.sqrt((_PRIOR * usual**2 + m * 2.0 * above) / (_PRIOR + m)), _spread(bend))
    return _spread(bend)


def _spread(bend: NDArray[np.float64]) -> float:
    """Robust standard deviation of second residuals, corrected for few of them."""
    m = bend.size
    if m >= 6:
        # What all triples share is the curve's bend, not noise; with fewer a median would eat half of it.
        centred = bend - np.median(bend)
        bend = centred if np.median(np.abs(centred)) < np.median(np.abs(bend)) else bend
    # The median alone would be robust but rough: half of all estimates from ten points would be off
    # by a third. Cut deviations keep most of its robustness and are steadier.
    cut = _WILD * _NORMAL_MAD * float(np.median(np.abs(bend)))
    spread = math.sqrt(float((np.clip(bend, -cut, cut) ** 2).mean()))
    return float(spread * (1.0 + 0.35 * m**-0.6))


def second_residuals(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each inner point minus the line through its neighbours, scaled to unit noise; shape (n − 2,)."""
    left = (x[2:] - x[1:-1]) / (x[2:] - x[:-2])
    right = 1.0 - left
    gap = y[1:-1] - left * y[:-2] - right * y[2:]
    scaled: NDArray[np.float64] = gap / np.sqrt(1.0 + left**2 + right**2)
    return scaled


def _clean(step: ArrayLike, loss: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = np.asarray(step, dtype=np.float64), np.asarray(loss, dtype=np.float64)
    keep = np.isfinite(x) & np.isfinite(y)
    x, y = np.log1p(x[keep]), y[keep]
    new = np.concatenate(([True], np.diff(x) > 0)) if x.size else np.zeros(0, dtype=bool)
    return x[new], y[new]
