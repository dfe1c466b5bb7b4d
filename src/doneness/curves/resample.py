"""Clusters of questions drawn anew, and split in halves; the same draws for every checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from doneness.curves.clustered import Groups

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]
DRAWS = 2000
HALVES = 40


def mean_draws(values: Floats, groups: Groups, draws: int = DRAWS, seed: int = 0) -> Floats:
    """Means of each checkpoint on clusters drawn with replacement; NaN where none of a checkpoint's was drawn.

    Args:
        values: shape (k, n); NaN where a question has no value.
        groups: of the questions.
        draws: how often.
        seed: of the draws.

    Returns:
        Shape (draws, k).
    """
    weights = _weights(groups.count, draws, seed)
    counts = weights @ groups.sums(np.isfinite(values).astype(np.float64)).T
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Floats = (weights @ groups.sums(values).T) / counts
    return found


def statistic_draws(
    rows: Floats,
    groups: Groups,
    statistic: Statistic,
    weighted: Callable[[Floats, Floats], Floats] | None = None,
    draws: int = DRAWS,
    seed: int = 0,
) -> Floats:
    """A statistic of each checkpoint on clusters drawn with replacement.

    Args:
        rows: shape (k, n, d); NaN in a row where a question has none.
        groups: of the questions.
        statistic: of the rows that there are, shape (m, d).
        weighted: the same of rows and how often each was drawn, shape (draws, m); far quicker, where there is one.
        draws: how often.
        seed: of the draws.

    Returns:
        Shape (draws, k).
    """
    there = np.asarray(np.isfinite(rows).all(axis=2))
    out = np.full((draws, rows.shape[0]), np.nan)
    often = _weights(groups.count, draws, seed)[:, groups.labels].astype(np.intp)
    for k in range(rows.shape[0]):
        chosen, times = rows[k][there[k]], often[:, there[k]]
        if not len(chosen):
            continue
        if weighted is not None:
            out[:, k] = weighted(chosen, times.astype(np.float64))
            continue
        for b in range(draws):
            drawn = np.repeat(chosen, times[b], axis=0)
            if len(drawn):
                out[b, k] = statistic(drawn)
    return out


def halves(groups: Groups, times: int = HALVES, seed: int = 0) -> NDArray[np.bool_]:
    """Random halves of the clusters, `times` times; True is the first half. Shape (times, g)."""
    count = groups.count
    generator = np.random.default_rng([seed, count, 2])
    rank = np.argsort(generator.random((times, count)), axis=1).argsort(axis=1)
    return np.asarray(rank < count // 2)


@lru_cache(maxsize=8)
def _weights(g: int, draws: int, seed: int) -> Floats:
    """How often each cluster is drawn; shape (draws, g)."""
    generator = np.random.default_rng([seed, g])
    picked = generator.integers(0, g, (draws, g)) + g * np.arange(draws)[:, None]
    return np.bincount(picked.ravel(), minlength=draws * g).reshape(draws, g).astype(np.float64)
