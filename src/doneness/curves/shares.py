"""Intervals and tests for shares and means, alone and paired; exact enough at the small n that probes have.

No interval is of zero width: values that are all alike get the rule of three (`mean_interval`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean

import numpy as np
from numpy.typing import NDArray

from doneness.curves.student import t_cdf, t_quantile

Interval = tuple[float, float]

_RULE_OF_THREE = 3.0  # −ln 0.05, for 95 %; other levels use −ln(1 − level)
_ALIKE = 1e-9  # a spread below this, relative to the scale, is rounding
_ROUNDING = 1e-12


def wilson(hits: float, n: float, level: float = 0.95) -> Interval:
    """Wilson's score interval of a share; (0, 1) without data.

    Source: Wilson, 1927; never of zero width, right at the ends where the usual formula fails.
    """
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    p = hits / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return tidy(max(0.0, (centre - half) / scale)), min(1.0, (centre + half) / scale)


def mean_interval(values: Sequence[float], level: float = 0.95, scale: float = 1.0) -> Interval:
    """Student's interval of a mean; infinitely wide for fewer than two values.

    Values that are all alike show no spread, which is not the same as having none: the half-width is
    then that of the rule of three, 3/n × scale at 95 % (−ln(1 − level)/n at another level).

    Args:
        scale: the largest deviation one more value could reasonably show, in the unit of the values;
            1 for shares.

    Source: Student, 1908; rule of three: Hanley & Lippman-Hand, JAMA 1983, 249:1743.
    """
    n = len(values)
    if n < 2:
        return -math.inf, math.inf
    middle = fmean(values)
    half = t_quantile(0.5 + level / 2, n - 1) * standard_error(values, level, scale)
    return tidy(middle - half), tidy(middle + half)


def paired_t_p(differences: Sequence[float], scale: float = 1.0) -> float:
    """Two-sided p-value of Student's paired test that the mean difference is 0; 1 below two differences.

    Differences that are all alike have the standard error that `mean_interval` gives them, so p < 0.05
    exactly where its 95 % interval leaves 0 out.

    Args:
        scale: as for `mean_interval`.

    Source: Student, 1908.
    """
    n = len(differences)
    if n < 2:
        return 1.0
    t = abs(tidy(fmean(differences))) / standard_error(differences, 0.95, scale)
    return min(1.0, 2.0 * t_cdf(-t, n - 1))


def mcnemar_p(now: Sequence[bool], before: Sequence[bool]) -> float:
    """Two-sided p-value of McNemar's exact test on the same items; 1 where the two never disagree.

    Source: McNemar, Psychometrika 1947, 12:153; exact binomial form.

    Raises:
        ValueError: the two are not of the same length.
    """
    only_now = sum(1 for x, y in zip(now, before, strict=True) if x and not y)
    only_before = sum(1 for x, y in zip(now, before, strict=True) if y and not x)
    n = only_now + only_before
    tail = sum(math.comb(n, k) for k in range(min(only_now, only_before) + 1))
    return min(1.0, 2 * tail / (1 << n))


def holm(p_values: Sequence[float], alpha: float = 0.05) -> list[bool]:
    """Which hypotheses are rejected when the chance of any false rejection is held at `alpha`.

    Source: Holm, Scandinavian Journal of Statistics 1979, 6:65. NaN is never rejected, but counts.

    Returns:
        One flag for every p-value, in the order given.
    """
    order = sorted(range(len(p_values)), key=lambda i: math.inf if math.isnan(p_values[i]) else p_values[i])
    rejected = [False] * len(p_values)
    for rank, i in enumerate(order):
        if not p_values[i] <= alpha / (len(p_values) - rank):
            break
        rejected[i] = True
    return rejected


def tidy(value: float) -> float:
    """0 for what is rounding error around 0 (1e-17), else the value."""
    return 0.0 if abs(value) < _ROUNDING else value


def standard_error(values: Sequence[float] | NDArray[np.float64], level: float, scale: float) -> float:
    """Standard error of the mean, for two values or more; by the rule of three where they are all alike."""
    n = len(values)
    spread = float(np.std(values, ddof=1))
    if spread > _ALIKE * max(scale, abs(float(np.mean(values)))):
        return spread / math.sqrt(n)
    three = _RULE_OF_THREE if level == 0.95 else -math.log(1.0 - level)
    return three / n * scale / t_quantile(0.5 + level / 2, n - 1)


def paired_share_difference(now: Sequence[bool], before: Sequence[bool], level: float = 0.95) -> Interval:
    """Interval of the difference of two shares on the same items, now − before.

    Source: Newcombe, Statistics in Medicine 1998, 17:2635, method 10. Unlike the bootstrap it keeps
    its coverage when a dozen items hardly disagree.
    """
    n = len(now)
    if n == 0 or n != len(before):
        return -1.0, 1.0
    both = sum(1 for x, y in zip(now, before, strict=True) if x and y)
    only_now = sum(1 for x, y in zip(now, before, strict=True) if x and not y)
    only_before = sum(1 for x, y in zip(now, before, strict=True) if y and not x)
    return newcombe(both, only_now, only_before, n - both - only_now - only_before, level)


def newcombe(both: float, only_now: float, only_before: float, neither: float, level: float = 0.95) -> Interval:
    """The interval of `paired_share_difference` from how many items are right in both, one or neither."""
    n = both + only_now + only_before + neither
    p1, p2 = (both + only_now) / n, (both + only_before) / n
    (l1, u1), (l2, u2) = wilson(both + only_now, n, level), wilson(both + only_before, n, level)
    phi = _phi(both, only_now, only_before, neither)
    low = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    high = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    difference = p1 - p2
    return tidy(difference - math.sqrt(max(0.0, low))), tidy(difference + math.sqrt(max(0.0, high)))


def _phi(a: float, b: float, c: float, d: float) -> float:
    """Correlation of the two answers, continuity-corrected as Newcombe does."""
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    numerator: float = a * d - b * c
    half = (a + b + c + d) / 2
    if numerator > 0:
        numerator = max(0.0, numerator - half)
    return numerator / math.sqrt(product)
