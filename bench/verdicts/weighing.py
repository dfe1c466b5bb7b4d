"""Averages in which every repository weighs the same, and their bootstrap by repository."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
RESAMPLES = 4000


def by_repo(repos: Sequence[str], values: Sequence[float | None]) -> dict[str, float]:
    """Mean of the known values of each repository."""
    found: dict[str, list[float]] = {}
    for repo, value in zip(repos, values, strict=True):
        if value is not None and np.isfinite(value):
            found.setdefault(repo, []).append(float(value))
    return {repo: float(np.mean(each)) for repo, each in found.items()}


def mean(repos: Sequence[str], values: Sequence[float | None]) -> dict[str, float | list[float] | int | None]:
    """The mean over repositories with its bootstrap interval of 95 %."""
    means = by_repo(repos, values)
    if not means:
        return {"mean": None, "interval": None, "repositories": 0}
    each = np.array(list(means.values()))
    return {"mean": float(each.mean()), "interval": interval(each), "repositories": each.size}


def interval(each: Floats, level: float = 0.95) -> list[float]:
    """Percentile bootstrap of the mean over the entries of `each`, one for a repository."""
    rng = np.random.default_rng(0)
    draws = each[rng.integers(0, each.size, (RESAMPLES, each.size))].mean(axis=1)
    return [float(q) for q in np.quantile(draws, [0.5 - level / 2, 0.5 + level / 2])]


def bootstrap(groups: Mapping[str, Floats], statistic: Callable[[Floats, Floats], float]) -> list[float]:
    """Interval of a statistic of (values, weights) when whole repositories are drawn; rows of runs, any columns."""
    rng = np.random.default_rng(0)
    names = list(groups)
    draws = []
    for _ in range(RESAMPLES // 4):
        chosen = [groups[names[i]] for i in rng.integers(0, len(names), len(names))]
        draws.append(statistic(np.concatenate(chosen), equal_weights(chosen)))
    return [float(q) for q in np.nanquantile(draws, [0.025, 0.975])]


def equal_weights(groups: Sequence[Floats]) -> Floats:
    """One weight a row, the groups adding up to the same."""
    return np.concatenate([np.full(len(g), 1.0 / len(g) / len(groups)) for g in groups])


def weighted_median(values: Floats, weights: Floats) -> float:
    """The value below which half of the weight lies."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
