"""The gradient noise scale with its interval, from the single estimates in the log.

Numerator tr(Σ) and denominator |G|² are means over the measured steps, newer ones weighing more (0.95 from one
to the next, as in training). The interval of their ratio is Fieller's (1954), which is not deceived by a
denominator that may be zero: it has no upper end then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.core import tr
from doneness.curves.student import t_quantile
from doneness.report.numbers import two_digits
from doneness.runs import HEALTH, Run

LEAST = 8  # estimates that a statement takes
_DECAY = 0.95


@dataclass(frozen=True)
class NoiseRange:
    """The noise scale in rows.

    Attributes:
        rows: the ratio of the means; infinite where the signal is not positive.
        low, high: 95 % interval; `high` is infinite where no batch can be called too large.
        n: estimates behind it.
        batch: rows of a batch, the newest.
    """

    rows: float
    low: float
    high: float
    n: int
    batch: int


def noise_range(run: Run) -> NoiseRange | None:
    """The noise scale of a run; None where fewer than two steps were measured for it."""
    signal, spread = run.series.get(f"{HEALTH}noise/signal"), run.series.get(f"{HEALTH}noise/spread")
    rows = run.series.get(f"{HEALTH}noise/rows")
    if signal is None or spread is None or rows is None or signal.step.tolist() != spread.step.tolist():
        return None
    good = np.isfinite(signal.value) & np.isfinite(spread.value)
    found, n = np.stack([spread.value[good], signal.value[good]]), int(good.sum())
    sizes = rows.value[np.isfinite(rows.value)]
    if n < 2 or not sizes.size or not np.abs(found).max() < 1e15:
        return None
    weight = _DECAY ** np.arange(n - 1, -1, -1.0)
    weight /= weight.sum()
    mean = found @ weight
    off = found - mean[:, None]
    share = float((weight**2).sum())
    covariance = (off * weight**2) @ off.T / (1.0 - share)
    t = t_quantile(0.975, max(1.0 / share - 1.0, 1.0))
    low, high = _fieller(mean, covariance, t)
    ratio = float(mean[0] / mean[1]) if mean[1] > 0 else math.inf
    return NoiseRange(max(ratio, 0.0), low, high, n, round(float(sizes[-1])))


def noise_sentence(run: Run) -> str:
    """What the noise scale says of the batch size, in the reader's language."""
    found = noise_range(run)
    if found is None:
        measured = run.series.get(f"{HEALTH}noise/signal")
        n = 0 if measured is None else int(np.isfinite(measured.value).sum())
        return tr("report.health.noise.few", n=n, least=LEAST) if n else tr("report.health.noise.none")
    if found.n < LEAST:
        return tr("report.health.noise.few", n=found.n, least=LEAST)
    numbers: dict[str, Any] = {"low": two_digits(found.low), "n": found.n, "batch": found.batch}
    if math.isinf(found.high):
        return tr("report.health.noise.least" if found.low > found.batch else "report.health.noise.lost", **numbers)
    where = "below" if found.low > found.batch else "above" if found.high < found.batch else "near"
    return tr(f"report.health.noise.{where}", rows=two_digits(found.rows), high=two_digits(found.high), **numbers)


def _fieller(mean: np.ndarray, covariance: np.ndarray, t: float) -> tuple[float, float]:
    """Ratios mean[0] / mean[1] that the data do not exclude, from zero on."""
    a = float(mean[1] ** 2 - t * t * covariance[1, 1])
    b = float(mean[0] * mean[1] - t * t * covariance[0, 1])
    c = float(mean[0] ** 2 - t * t * covariance[0, 0])
    inside = b * b - a * c
    if a > 0:
        root = math.sqrt(max(inside, 0.0))
        return max((b - root) / a, 0.0), max((b + root) / a, 0.0)
    if a == 0 or inside < 0:
        return 0.0, math.inf
    # The signal may be nothing: all ratios beyond the larger root are possible, to infinity and round to below zero.
    return max((b - math.sqrt(inside)) / a, 0.0), math.inf
