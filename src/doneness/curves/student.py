"""Student's t and the normal distribution, without scipy."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
_MANY = 1e6  # from here on Student's t and the normal agree to seven digits


def t_cdf(value: float, df: float) -> float:
    """P(T ≤ value) for Student's t with `df` degrees of freedom; NaN for df ≤ 0 or a NaN value.

    Source: Abramowitz & Stegun 26.5.27 and 26.5.8 (incomplete beta as a continued fraction).
    """
    if math.isnan(value) or not df > 0:
        return math.nan
    if math.isinf(value):
        return 1.0 if value > 0 else 0.0
    if df >= _MANY:
        return _NORMAL.cdf(value)
    tail = 0.5 * _beta_inc(df / 2.0, 0.5, df / (df + value * value))
    return 1.0 - tail if value > 0 else tail


@lru_cache(maxsize=4096)
def t_quantile(p: float, df: float) -> float:
    """The value that Student's t stays below with probability `p`; NaN for df ≤ 0.

    Raises:
        ValueError: p is not inside (0, 1).
    """
    if not 0.0 < p < 1.0:
        raise ValueError(f"a probability inside (0, 1) is needed, got {p}")
    if not df > 0:
        return math.nan
    if df >= _MANY:
        return _NORMAL.inv_cdf(p)
    if p < 0.5:
        return -t_quantile(1.0 - p, df)
    low, high = 0.0, 1.0
    while t_cdf(high, df) < p:
        low, high = high, 2.0 * high
    for _ in range(100):
        middle = 0.5 * (low + high)
        if t_cdf(middle, df) < p:
            low = middle
        else:
            high = middle
        if high - low <= 1e-12 * high:
            break
    return 0.5 * (low + high)


def z_quantile(p: float) -> float:
    """The value that a standard normal stays below with probability `p`."""
    return _NORMAL.inv_cdf(p)


def _beta_inc(a: float, b: float, x: float) -> float:
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(a, b, x) / a
    return 1.0 - front * _fraction(b, a, 1.0 - x) / b


def _fraction(a: float, b: float, x: float) -> float:
    """Lentz's continued fraction of the incomplete beta function."""
    tiny = 1e-300
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0), tiny)
    total = d
    for m in range(1, 300):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1.0 / _away(1.0 + term * d, tiny)
            c = _away(1.0 + term / c, tiny)
            total *= d * c
        if abs(d * c - 1.0) < 1e-15:
            break
    return total


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
