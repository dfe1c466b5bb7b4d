"""How numbers are written: real minus signs, units, a dash for what is absent."""

from __future__ import annotations

import math

from doneness.core import tr

ABSENT = "–"
_MINUS = "\u2212"
_LONG = 1e9


def known(value: float | None) -> bool:
    """Whether `value` is a finite number."""
    return value is not None and math.isfinite(value)


def plain(value: float | None, digits: int = 3) -> str:
    """A number with `digits` decimals, or a dash."""
    if value is None or not math.isfinite(value):
        return ABSENT
    # A number this long is damage or a count of nothing; its decimals would fill the line.
    return general(value) if abs(value) >= _LONG else f"{value:,.{digits}f}".replace("-", _MINUS)


def signed(value: float | None, digits: int = 3) -> str:
    """A difference: always with its sign; what rounds to zero has none."""
    if value is None or not math.isfinite(value):
        return ABSENT
    if abs(value) >= _LONG:
        return f"{value:+.4g}".replace("-", _MINUS)
    text = f"{value:+,.{digits}f}"
    return text[1:] if float(text.replace(",", "")) == 0 else text.replace("-", _MINUS)


def percent(value: float | None, digits: int = 1, sign: bool = False) -> str:
    """A share (0.004) as a percentage in the reader's language ("0.4 %")."""
    if value is None or not math.isfinite(value):
        return ABSENT
    number = signed(100 * value, digits) if sign else plain(100 * value, digits)
    return tr("report.unit.percent", value=number)


def between(low: str, high: str) -> str:
    """An interval from two written numbers; an en dash would be misread beside a minus sign."""
    key = "report.unit.range_signed" if any(s[:1] in ("+", _MINUS) for s in (low, high)) else "report.unit.range"
    return tr(key, low=low, high=high)


def compact(value: float | None) -> str:
    """A count in three digits: 950, 12.3k, 4.56M, 1.2G."""
    if value is None or not math.isfinite(value):
        return ABSENT
    for size, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}".replace("-", _MINUS)
    return f"{value:.3g}".replace("-", _MINUS)


def count(value: float | int | None) -> str:
    """A whole number with thousands marks."""
    if isinstance(value, int) and abs(value) > 10**18:
        # A damaged fact may have hundreds of digits, more than a float can hold.
        return f"{str(value)[:18]}…"
    return ABSENT if value is None or not math.isfinite(value) else f"{round(value):,}"


def general(value: float | None) -> str:
    """Any number in four significant digits."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{value:.4g}".replace("-", _MINUS)


def two_digits(value: float | None) -> str:
    """A measured size in two significant digits; from ten on in whole numbers."""
    if value is None or not math.isfinite(value):
        return ABSENT
    return count(value) if 10 <= abs(value) < _LONG else f"{value:.2g}".replace("-", _MINUS)


def axis_end(value: float) -> str:
    """An end of an axis in three decimals, or two digits where three decimals would say 0 of what is none."""
    return general(round(value, 3)) if abs(value) >= 1e-3 else f"{value:.2g}".replace("-", _MINUS)


def duration(seconds: float | None) -> str:
    """A time span in its two largest units."""
    if seconds is None or not math.isfinite(seconds):
        return ABSENT
    whole = round(seconds)
    if whole < 60:
        return tr("report.unit.seconds", s=whole)
    if whole < 3600:
        return tr("report.unit.minutes", m=whole // 60, s=whole % 60)
    return tr("report.unit.hours", h=whole // 3600, m=whole % 3600 // 60)
