"""Where the ticks of an axis stand, and how a value is placed on it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values from `low`..`high` onto pixels `start`..`stop`; `log` needs positive limits."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The pixel of `value`."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, 1e-300))
        return self.start + (value - low) / (high - low) * (self.stop - self.start)


def linear_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """Round numbers inside [low, high], about `wanted` of them."""
    # Limits whose difference overflows or underflows have no round numbers between them.
    if not high > low or not 1e-290 < high - low < math.inf:
        return [low]
    rough = (high - low) / max(wanted, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in _STEPS if s * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Multiples of the step, not a running sum, which would drift; + 0.0 turns −0 into 0.
    return [round(i * step, 12) + 0.0 for i in range(first, last + 1)]


def log_ticks(low: float, high: float, wanted: int = 5) -> list[float]:
    """1, 2, 5 of each decade, thinned; a range under one decade is ticked linearly."""
    if not high > low > 0:
        return [low]
    if high / low < 8:
        return linear_ticks(low, high, wanted)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        marks = [d * 10.0**k for k in decades for d in digits if low <= d * 10.0**k <= high]
        if len(marks) <= wanted + 2:
            break
    return marks or linear_ticks(low, high, wanted)


def label(value: float, ticks: list[float]) -> str:
    """A tick's text, with just the decimals that set the ticks apart."""
    if abs(value) >= 1e9:
        return f"{value:.3g}".replace("-", "\u2212")
    gaps = [b - a for a, b in itertools.pairwise(ticks) if b > a]
    gap = min(gaps) if gaps else abs(value) or 1.0
    digits = max(0, -math.floor(math.log10(gap) + 1e-9))
    if round(gap * 10**digits, 6) % 1:
        digits += 1
    return f"{value:,.{min(digits, 8)}f}".replace("-", "\u2212")
