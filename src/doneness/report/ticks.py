"""Where the ticks of an axis stand, and how a value is placed on it."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_LEAST = 1e-300
_SMALLEST = math.ulp(0.0)


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
            low, high, value = (math.log(max(each, _SMALLEST)) for each in (low, high, value))
        # Halved, limits at both ends of what a number can hold are still a finite way apart.
        room = high / 2 - low / 2
        return self.start + (value / 2 - low / 2) / room * (self.stop - self.start) if room else self.start


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
    # As text: a power of ten out of reach is then 0 or infinite, and no error.
    decades = [float(f"1e{k}") for k in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    for digits in ((1, 2, 5), (1, 3), (1,)):
        marks = [d * decade for decade in decades for d in digits if low <= d * decade <= high]
        if len(marks) <= wanted + 2:
            break
    return marks or linear_ticks(low, high, wanted)


def labelled(low: float, high: float, log: bool) -> list[tuple[float, str]]:
    """The ticks of a loss axis with their texts."""
    ticks = (log_ticks if log else linear_ticks)(low, high, 5)
    if log and low > 0 and high / low >= 8:
        # Each by itself: with the digits of the smallest, 1 would be a "1.0000".
        return [(v, f"{v:,.10g}" if 1e-3 <= v < 1e6 else _powered(v, f"{v:e}".split("e")[1], [v])) for v in ticks]
    largest = max(map(abs, ticks))
    if largest <= _LEAST:
        return [(v, "0") for v in ticks]
    if largest < 1e-3:
        power = f"{largest:e}".split("e")[1]
        return [(v, _powered(v, power, ticks)) for v in ticks]
    return [(v, label(v, ticks)) for v in ticks]


def _powered(value: float, power: str, ticks: list[float]) -> str:
    """`value` as a multiple of a power of ten, with the decimals that set the ticks apart."""
    unit = float(f"1e{power}")
    if value == 0 or unit == 0:
        return "0"
    return f"{label(value / unit, [v / unit for v in ticks])}e{int(power)}".replace("-", "\u2212")


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
