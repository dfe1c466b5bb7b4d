"""Intervals for shares and means, alone and paired; exact enough at the small n that probes have."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist, fmean, stdev

from doneness.curves.student import t_quantile

Interval = tuple[float, float]


def wilson(hits: float, n: int, level: float = 0.95) -> Interval:
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
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def mean_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Student's interval of a mean; infinitely wide for fewer than two values."""
    if len(values) < 2:
        return -math.inf, math.inf
    half = t_quantile(0.5 + level / 2, len(values) - 1) * stdev(values) / math.sqrt(len(values))
    middle = fmean(values)
    return middle - half, middle + half


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
    neither = n - both - only_now - only_before
    p1, p2 = (both + only_now) / n, (both + only_before) / n
    (l1, u1), (l2, u2) = wilson(both + only_now, n, level), wilson(both + only_before, n, level)
    phi = _phi(both, only_now, only_before, neither)
    low = (p1 - l1) ** 2 - 2 * phi * (p1 - l1) * (u2 - p2) + (u2 - p2) ** 2
    high = (u1 - p1) ** 2 - 2 * phi * (u1 - p1) * (p2 - l2) + (p2 - l2) ** 2
    difference = p1 - p2
    return difference - math.sqrt(max(0.0, low)), difference + math.sqrt(max(0.0, high))


def _phi(a: int, b: int, c: int, d: int) -> float:
    """Correlation of the two answers, continuity-corrected as Newcombe does."""
    product = (a + b) * (c + d) * (a + c) * (b + d)
    if product == 0:
        return 0.0
    numerator: float = a * d - b * c
    half = (a + b + c + d) / 2
    if numerator > 0:
        numerator = max(0.0, numerator - half)
    return numerator / math.sqrt(product)
