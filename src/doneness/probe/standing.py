"""The checkpoints among themselves: which are as good as the best, and what is gained by picking one.

Picking the best of K by the questions that also report its gain overstates it. So half of the questions picks and the
other half reports, over many halves.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from doneness.curves.clustered import drawn_difference, groups_of, mean_difference
from doneness.curves.resample import halves
from doneness.probe.cells import ALPHA
from doneness.probe.picking import HALF, picked
from doneness.probe.scoring import Scored
from doneness.probe.turning import pair_p
from doneness.runs.probes import BASE, Standing

Floats = NDArray[np.float64]
_ALIKE = 0.9


def standing(scored: Scored, barred: Collection[int] = (), tied: Collection[int] = ()) -> Standing | None:
    """How the checkpoints stand in one behaviour; None without a direction, base, or a checkpoint.

    Args:
        scored: the behaviour, base included.
        barred: steps not to be picked.
        tied: steps tied in loss, which are picked before others that the goal leaves.
    """
    steps = tuple(
        s for s, v in zip(scored.steps, scored.levels, strict=True) if s != BASE and s not in barred and np.isfinite(v)
    )
    if not scored.sign or not steps or BASE not in scored.steps:
        return None
    only = scored.only((BASE, *steps))
    levels = only.sign * only.levels
    best = 1 + int(np.argmax(levels[1:]))
    p = pair_p(only, list(combinations(range(1, len(only.steps)), 2)))
    near = [k for k in range(1, len(only.steps)) if k == best or p[min(k, best), max(k, best)] > ALPHA]
    margin = scored.measure.behaviour.margin
    equal = [k for k in near if levels[k] >= levels[best] - HALF * margin]
    close = [k for k in near if levels[k] >= levels[best] - margin]
    pools = ([k for k in some if only.steps[k] in tied] for some in (equal, close))
    first = next((pool[0] for pool in pools if pool), equal[0])
    honest, interval = _honest(_asked_alike(only), tied)
    return Standing(
        candidates=steps,
        best=only.steps[best],
        tied=tuple(only.steps[k] for k in near),
        equal=tuple(only.steps[k] for k in equal),
        picked=only.steps[first],
        naive=float(only.levels[first] - only.levels[0]),
        honest=honest,
        interval=interval,
        n=int(np.isfinite(scored.values).any(axis=0).sum()),
        near=tuple(only.steps[k] for k in close),
    )


def _pick(only: Scored, tied: Collection[int]) -> Callable[[Floats], NDArray[np.intp]]:
    """Which checkpoint each half of the questions picks, by its gains; shape (…, k) → (…)."""
    draws = only.draws[np.isfinite(only.draws).all(axis=1), 1:]
    count = len(only.steps) - 1
    # Of half as many questions.
    apart = np.sqrt(2.0) * (draws[:, :, None] - draws[:, None, :]).std(axis=0) if len(draws) else np.zeros((count,) * 2)
    flat = np.array([s in tied for s in only.steps[1:]])
    return lambda gains: picked(gains, apart, only.measure.behaviour.margin, flat)


def _asked_alike(only: Scored) -> Scored:
    """Base and those that were asked nearly as many questions as any: what was dropped early was out of the running."""
    count = np.isfinite(only.values[1:]).sum(axis=1)
    kept = [s for s, n in zip(only.steps[1:], count, strict=True) if n >= _ALIKE * count.max()]
    return only if len(kept) == len(count) else only.only((BASE, *kept))


def _honest(only: Scored, tied: Collection[int]) -> tuple[float, tuple[float, float]]:
    """The gain over base of what one half of the questions picks, on the other half; with its interval."""
    first, pick = halves(only.groups), _pick(only, tied)
    if only.rows is None:
        return _honest_mean(only, pick, first)
    label = only.groups.labels
    gains, chosen = [], []
    for half in first[: len(first) // 2]:
        for side in (half, ~half):
            here, there = side[label], ~side[label]
            found_here = np.array([only.statistic(k, here) for k in range(1, len(only.steps))])
            if not np.isfinite(found_here).all():
                continue
            k = 1 + int(pick(only.sign * found_here))
            gain = only.statistic(k, there) - only.statistic(0, there)
            if np.isfinite(gain):
                gains.append(gain)
                chosen.append(k)
    if not gains:
        return float("nan"), (-np.inf, np.inf)
    # Each draw of clusters, the checkpoints weighed as often as they were picked.
    share = np.bincount(chosen, minlength=len(only.steps)) / len(chosen)
    spread = only.draws @ share - only.draws[:, 0]
    found = drawn_difference(float(np.mean(gains)), spread, only.groups, only.values.shape[1])
    return found.value, found.interval


def _honest_mean(
    only: Scored, pick: Callable[[Floats], NDArray[np.intp]], first: NDArray[np.bool_]
) -> tuple[float, tuple[float, float]]:
    both = np.asarray(np.isfinite(only.values).all(axis=0))
    if not both.any():
        return float("nan"), (-np.inf, np.inf)
    gain = np.zeros_like(only.values[1:])
    gain[:, both] = only.sign * (only.values[1:] - only.values[0])[:, both]
    asked = both.astype(np.float64)
    sums, count = only.groups.sums(gain), only.groups.sums(asked)
    held, weight = np.zeros(only.groups.count), np.zeros(only.groups.count)
    for side in (first, ~first):
        size = side.astype(np.float64) @ count
        usable = size > 0
        means = (side[usable].astype(np.float64) @ sums.T) / size[usable, None]
        k = pick(means)
        outside = ~side[usable]
        held += (outside * sums[k]).sum(axis=0)
        weight += outside.sum(axis=0)
    # By cluster: the gain there of what the halves without it picked.
    mean = only.sign * np.divide(held, weight, out=np.zeros_like(held), where=weight > 0)
    spread = np.repeat(mean / np.maximum(count, 1), np.maximum(count, 0).astype(int))
    label = np.repeat(np.arange(only.groups.count), count.astype(int))
    found = mean_difference(spread, groups_of(label.tolist()), _scale(only))
    return found.value, found.interval


def _scale(only: Scored) -> float:
    return 1.0 if only.measure.behaviour.unit == "share" else max(1e-3, float(np.nanmax(np.abs(only.values))))
