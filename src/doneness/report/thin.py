"""Fewer points to draw, without losing an extreme."""

from __future__ import annotations

import itertools

import numpy as np

from doneness.runs.run import Floats

LIMIT = 2000


def thin(step: Floats, value: Floats, limit: int = LIMIT) -> tuple[Floats, Floats]:
    """About `limit` of the points: each stretch's lowest and highest, as many spaced evenly, and both ends.

    The extremes alone would draw two bands with a hollow between them.

    Args:
        step: positions, ascending; shape (n,).
        value: finite values; shape (n,).
        limit: how many points to keep, at least 4.
    """
    n = value.size
    if n <= limit:
        return step, value
    edges = np.linspace(0, n, max(limit // 4, 1) + 1).astype(int)
    keep = {0, n - 1, *np.linspace(0, n - 1, max(limit // 2, 2)).astype(int).tolist()}
    for first, last in itertools.pairwise(edges):
        if last > first:
            part = value[first:last]
            keep |= {int(first + part.argmin()), int(first + part.argmax())}
    order = np.array(sorted(keep))
    return step[order], value[order]
