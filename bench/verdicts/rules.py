"""Stopping rules to compare with: each is asked at an evaluation, with what is known by then alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from bench.verdicts.collection import Log
from doneness.runs import Run

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """A run of the collection up to and with its evaluation number `count`."""

    log: Log
    count: int

    @property
    def step(self) -> Floats:
        return self.log.step[: self.count].astype(np.float64)

    @property
    def loss(self) -> Floats:
        return self.log.loss[: self.count]

    @property
    def planned(self) -> int | None:
        return self.log.planned

    @cached_property
    def run(self) -> Run:
        """The run as it was: nothing later is left in it, nor what the log's end tells of itself."""
        past = self.log.run.until(int(self.log.step[self.count - 1]))
        hindsight = ("best_step", "train_seconds")
        return replace(past, meta={k: v for k, v in past.meta.items() if k not in hindsight})


Rule = Callable[[Cut], bool]


def patience(cut: Cut, evals: int, threshold: float = 0.0, relative: bool = False) -> bool:
    """Hugging Face's EarlyStoppingCallback, read as a state: the counter stands at `evals` or above now."""
    best, count = float(cut.loss[0]), 0
    for loss in cut.loss[1:].tolist():
        enough = threshold * abs(best) if relative else threshold
        count = 0 if loss < best and best - loss > enough else count + 1
        best = min(best, loss)
    return count >= evals


def rises(cut: Cut, evals: int) -> bool:
    """UP of Prechelt (1998): the last `evals` evaluations each above the one before."""
    return cut.count > evals and bool((np.diff(cut.loss[-evals - 1 :]) > 0).all())


def trend(cut: Cut, window: int = 8, gain: float = 0.01, to_end: bool = False) -> bool:
    """A straight line through the last log-losses: one sigma on the bright side, what more of the same would bring.

    Args:
        window: evaluations.
        gain: stop where less than this share of the loss is to be had.
        to_end: go on to the planned end where it is known, not for one more window.
    """
    n = min(window, cut.count)
    if n < 4:
        return False
    x, y = cut.step[-n:], np.log(np.maximum(cut.loss[-n:], 1e-12))
    middle = x - x.mean()
    spread = float((middle**2).sum())
    slope = float((middle * y).sum()) / spread
    rest = y - y.mean() - slope * middle
    error = float(np.sqrt((rest**2).sum() / (n - 2) / spread))
    ahead = float(x[-1] - x[0])
    if to_end and cut.planned is not None:
        ahead = max(cut.planned - float(x[-1]), 0.0)
    return (error - slope) * ahead < gain


def power_law(cut: Cut, gain: float = 0.01, z: float = 1.645) -> bool:
    """Least squares of L = c + b·s^-a to the planned end (half as far again where unknown), upper bound at 95 %."""
    found = extrapolate(cut, _end(cut))
    if found is None:
        return False
    mean, error = found
    return mean + z * error < gain * abs(float(cut.loss[-1]))


def extrapolate(cut: Cut, end: float) -> tuple[float, float] | None:
    """Fall of the loss from now to `end` by that power law and its standard error, nats; None below five points."""
    keep = cut.step > 0
    x, y = cut.step[keep], cut.loss[keep]
    if x.size < 5 or end <= x[-1]:
        return None if x.size < 5 else (0.0, 0.0)
    fits = []
    for alpha in (0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0):
        design = np.column_stack((np.ones_like(x), (x / x[-1]) ** -alpha))
        coef = np.linalg.lstsq(design, y, rcond=None)[0]
        fits.append((float(((y - design @ coef) ** 2).sum()), alpha, coef, design))
    squares, alpha, coef, design = min(fits, key=lambda f: f[0])
    change = 1.0 - (end / float(x[-1])) ** -alpha
    variance = squares / (x.size - 3) if x.size > 3 else 0.0
    covariance = np.linalg.pinv(design.T @ design) * variance
    return float(coef[1]) * change, float(np.sqrt(covariance[1, 1])) * abs(change)


def _end(cut: Cut) -> float:
    now = float(cut.step[-1])
    return 1.5 * now if cut.planned is None else float(cut.planned)


PLAIN: dict[str, Rule] = {
    **{f"patience {n}": partial(patience, evals=n) for n in (1, 2, 3, 5, 8, 12)},
    **{f"patience {n}, threshold {t:g}": partial(patience, evals=n, threshold=t)
       for n in (2, 3, 5) for t in (0.001, 0.01)},
    **{f"patience {n}, threshold {t:.1%}": partial(patience, evals=n, threshold=t, relative=True)
       for n in (2, 3, 5) for t in (0.001, 0.005, 0.01)},
    **{f"UP{n}": partial(rises, evals=n) for n in (1, 2, 3, 4)},
    **{f"trend {w} < {g:.1%}": partial(trend, window=w, gain=g) for w in (6, 8, 12) for g in (0.0, 0.005, 0.01, 0.02)},
    **{f"trend 8 to end < {g:.1%}": partial(trend, window=8, gain=g, to_end=True) for g in (0.0, 0.005, 0.01, 0.02)},
    **{f"power law < {g:.1%}": partial(power_law, gain=g) for g in (0.005, 0.01, 0.02)},
}  # fmt: skip
