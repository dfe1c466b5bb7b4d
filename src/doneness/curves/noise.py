"""Trajectory noise: how far a checkpoint's loss strays from the run's own smooth course."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

MIN_POINTS = 5
_NORMAL_MAD = 1.4826
_LATER = 0.55  # share of the points that count
_WILD = 2.5  # deviations are cut here, in units of the median's sd
_ONE_SIDED = 0.05  # share of the squares above the lines below which noise cannot be the cause
_PRIOR = 2.0  # weight of the usual noise, in evaluations
_TELLS = 0.5  # degrees of freedom that one second residual is worth: neighbours share two of their three points


@dataclass(frozen=True, slots=True)
class Noise:
    """Trajectory noise as a test needs it.

    Attributes:
        sigma: σ_t, nats.
        df: how many independent deviations it was estimated from; a noise that two or three
            evaluations tell is itself uncertain.
    """

    sigma: float = 0.0
    df: float = math.inf


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


def pooled_noise(step: ArrayLike, loss: ArrayLike, usual: float) -> Noise:
    """Trajectory noise with the degrees of freedom that a test may take it to have.

    `trajectory_noise` of ten evaluations has the spread of a variance with 2.3 degrees of freedom
    (simulation of white noise), of which alone no test at a small level can be made. So it reaches back
    beyond the later half for as long as the second residuals are no larger than there (a run without an opening
    fall gives all of them), and is pooled with the usual noise, which has the weight of two deviations.

    Args:
        step: steps of the evaluations, ascending; shape (n,).
        loss: mean losses; shape (n,). Non-finite values are left out.
        usual: noise of other runs, nats; stands alone with fewer than five usable points.

    Returns:
        The pooled σ_t, and its degrees of freedom.
    """
    later = trajectory_noise(step, loss, usual)
    if later is None:
        return Noise(usual, _PRIOR + 1.0)
    x, y = _clean(step, loss)
    bend = second_residuals(x, y)
    start = bend.size - (max(MIN_POINTS, math.ceil(_LATER * x.size)) - 2)
    while start > 0 and abs(bend[start - 1]) < _WILD * later:
        start -= 1
    sigma, df = _spread(bend[start:]), _TELLS * (bend.size - start)
    return Noise(math.sqrt((_PRIOR * usual**2 + df * sigma**2) / (_PRIOR + df)), _PRIOR + df)


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
