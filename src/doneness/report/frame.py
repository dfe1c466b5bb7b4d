"""The figure's geometry: which panel stands where, and what range its axes have."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from doneness.report.curve import Curve, Flag
from doneness.report.svg import text_width
from doneness.report.ticks import Scale, labelled

WIDE, NARROW = 960, 380
_SMALLEST, _LARGEST = math.ulp(0.0), sys.float_info.max
_FLAG_ROW = 19
_FLAG_ROWS = 4


@dataclass(frozen=True, slots=True)
class PlacedFlag:
    """A flag with the pixel of its pole, its row (0 is nearest the panel) and whether its text hangs to the left."""

    flag: Flag
    x: float
    row: int
    left: bool


@dataclass(frozen=True)
class Frame:
    """Pixels and scales of one figure.

    Attributes:
        axis: the x-axis shown.
        size: font size.
        notes: the text lines above the panels, wrapped.
        strip: y of the epoch labels' baseline.
        lane: y of the checkpoint lane's top.
        rate: (top, bottom) of the learning-rate panel, or None.
    """

    axis: str
    size: float
    width: float
    height: float
    left: float
    right: float
    notes: tuple[str, ...]
    flags: tuple[PlacedFlag, ...]
    strip: float
    lane: float
    rate: tuple[float, float] | None
    bottom: float
    x: Scale
    y: Scale

    @property
    def narrow(self) -> bool:
        """Whether this is the small-screen variant."""
        return self.width < 600


def frame(curve: Curve, axis: str, log: bool, width: float, notes: Sequence[str]) -> Frame:
    """Lay out the panels of `curve` for `width` pixels."""
    narrow = width < 600
    size = 11.5 if narrow else 13.0
    left, right = (40.0, width - 76.0) if narrow else (56.0, width - 108.0)
    y_low, y_high = y_limits(curve, log)
    left = max(left, number_margin(y_low, y_high, log, size))
    low, high = x_limits(curve, axis)
    x = Scale(low, high, left, right)
    flags = _place_flags(curve, axis, x, size)
    rows = 1 + max((f.row for f in flags), default=-1)
    line = size + 5
    lines = wrapped(notes, size, width - 4)
    strip = line * len(lines) + 8 + rows * _FLAG_ROW + size
    top = strip + 7
    tall = top + (220 if narrow else 300)
    lane = tall + 4
    under = lane + (42 if curve.checkpoints or curve.chosen is not None or curve.sweet else 10)
    rate = (under, under + 46) if curve.rate is not None else None
    bottom = rate[1] if rate else under - 6
    return Frame(
        axis=axis,
        size=size,
        width=width,
        height=bottom + 2 * line + 10,
        left=left,
        right=right,
        notes=lines,
        flags=flags,
        strip=strip,
        lane=lane,
        rate=rate,
        bottom=bottom,
        x=x,
        y=Scale(y_low, y_high, tall, top, log),
    )


def number_margin(low: float, high: float, log: bool, size: float) -> float:
    """Pixels that the longest number of the loss axis takes left of the panel; none may be cut."""
    return 11.0 + max(text_width(text, size) for _, text in labelled(low, high, log))


def x_limits(curve: Curve, axis: str) -> tuple[float, float]:
    """From zero to the end of the log, or of the forecast."""
    end = float(max([curve.last, *(c for c in curve.checkpoints)], default=0))
    if curve.forecast is not None:
        end = max(end, float(curve.forecast.step[-1]))
    high = curve.place(axis, [end])[0]
    return 0.0, high if high > 0 else 1.0


def y_limits(curve: Curve, log: bool) -> tuple[float, float]:
    """A range that holds trend, evaluations and fan in full, and raw points short of far outliers."""
    values = [e.loss for e in curve.evals]
    values += [v for e in curve.evals for v in (e.low, e.high) if v is not None]
    raw = curve.raw.value
    for line in (curve.trend, curve.forecast):
        for column in (line.value, line.low, line.high) if line else ():
            if column is not None and column.size:
                ends = np.array([column.min(), column.max()])
                # A band around a spike may reach below zero, where no loss was.
                values += (np.clip(ends, raw.min(), raw.max()) if line is curve.trend else ends).tolist()
    if raw.size:
        first, last = (float(q) for q in np.quantile(raw, (0.02, 0.98)))
        room = 0.25 * (last - first)
        inside = raw[(raw >= first - room) & (raw <= last + room)] if room > 0 else raw
        values += [float(inside.min()), float(inside.max())]
    if log:
        values = [v for v in values if v > 0]
    if not values:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(values), max(values)
    if log:
        # One loss of nearly nothing would squeeze all others into a line.
        low = max(low, high * 1e-15, _SMALLEST)
        # A margin by ratio, so that both ends get the same share of the panel.
        margin = max((high / low) ** 0.05, 1.02)
        low = max(low / margin, _SMALLEST)
        return low, min(max(high * margin, 2 * low), _LARGEST)
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.1
    # A loss that never falls below zero needs no margin there.
    return (max(low - room, 0.0) if low >= 0 else low - room), high + room


def zero_said(low: float) -> str:
    """Which of the axis's sentences is true: from zero, not from zero, or through it."""
    return "from_zero" if low == 0 else "through_zero" if low < 0 else "not_from_zero"


def wrapped(notes: Sequence[str], size: float, room: float) -> tuple[str, ...]:
    """Notes joined by middle dots and broken into lines of `room` pixels."""
    lines: list[str] = []
    for note in notes:
        if lines and text_width(f"{lines[-1]} · {note}", size) <= room:
            lines[-1] += f" · {note}"
        else:
            lines += _broken(note, size, room)
    return tuple(lines)


def _broken(note: str, size: float, room: float) -> list[str]:
    lines = [""]
    # Chinese breaks after any character, Latin text after a space.
    for unit in re.findall(r"[\u2e80-\uffef]|[^\s\u2e80-\uffef]+\s*|\s+", note):
        if lines[-1] and text_width((lines[-1] + unit).rstrip(), size) > room:
            lines.append("")
        lines[-1] += unit
    return [line.rstrip() for line in lines]


def _place_flags(curve: Curve, axis: str, x: Scale, size: float) -> tuple[PlacedFlag, ...]:
    placed: list[PlacedFlag] = []
    taken: list[list[tuple[float, float]]] = [[] for _ in range(_FLAG_ROWS)]
    # From the right: an earlier flag then rises above the later ones, and no pole crosses a text.
    for flag in reversed(curve.flags):
        pole = x(curve.place(axis, [flag.step])[0])
        width = text_width(flag.text, size) + 14
        spots = [(row, left) for left in (False, True) for row in range(_FLAG_ROWS)]
        room = x.stop + (100 if x.stop - x.start > 500 else 70)
        fit = next((spot for spot in spots if _free(taken, pole, width, *spot, room)), None)
        if fit is None:
            # No room for its words: the pole and its tooltip remain, and section 5 of the report.
            placed.append(PlacedFlag(Flag(flag.step, "", flag.reason), pole, 0, False))
            continue
        row, left = fit
        taken[row].append((pole - width, pole) if left else (pole, pole + width))
        placed.append(PlacedFlag(flag, pole, row, left))
    return tuple(reversed(placed))


def _free(taken: list[list[tuple[float, float]]], pole: float, width: float, row: int, left: bool, room: float) -> bool:
    start, stop = (pole - width, pole) if left else (pole, pole + width)
    if start < 0 or stop > room:
        return False
    apart = all(stop + 4 < a or start - 4 > b for a, b in taken[row])
    # The pole passes through the rows below its flag.
    return apart and all(pole < a - 2 or pole > b + 2 for below in taken[:row] for a, b in below)
