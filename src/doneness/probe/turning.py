"""Turning points: from which checkpoint on a behaviour is worse than its best, and how surely it is that one.

The best is picked by looking, and every behaviour has its try. So all pairs of an earlier and a later checkpoint are
held together (max-T over flips of whole clusters), and all behaviours by Holm's correction: the chance that any turning
point in the table is an accident is 5 % at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from doneness.curves.multiplicity import drawn_pairs, flipped_pairs, step_down
from doneness.probe.cells import ALPHA
from doneness.probe.scoring import Scored
from doneness.runs.probes import Turning

Floats = NDArray[np.float64]
Pairs = dict[tuple[int, int], float]
_TAIL = 0.025
_HALF = 0.5  # of a drop that is smaller than twice the margin


def turning_points(scored: Sequence[Scored], losses: Mapping[int, float] | None = None) -> dict[str, Turning | None]:
    """The turning point of each behaviour, None where it has none.

    Args:
        scored: the behaviours of one table.
        losses: evaluation loss by step, nats; says whether the loss fell meanwhile.
    """
    found: dict[str, Turning | None] = {s.measure.behaviour.name: None for s in scored}
    tried = [(s, _worse_later(s)) for s in scored if s.sign and np.isfinite(s.levels).sum() > 2]
    # Holm: the surest first; a behaviour that is shown to turn leaves its share of the error to the others.
    tried.sort(key=lambda each: _surest(*each))
    for rank, (each, p) in enumerate(tried):
        level = ALPHA / (len(tried) - rank)
        if _surest(each, p) > level:
            break
        found[each.measure.behaviour.name] = _point(each, p, level, losses or {})
    return found


def pair_p(scored: Scored, pairs: Sequence[tuple[int, int]], one_sided: bool = False) -> Pairs:
    """p-values that the first of two checkpoints (rows of `scored`) is better, adjusted for all the pairs.

    Two-sided, unless only the first's being better counts.
    """
    if not pairs:
        return {}
    sign = scored.sign or 1.0
    if scored.rows is None:
        first, second = (list(side) for side in zip(*pairs, strict=True))
        sums = scored.groups.sums(sign * (scored.values[first] - scored.values[second]))
        p = step_down(*flipped_pairs(sums), one_sided)
    else:
        draws = scored.draws[np.isfinite(scored.draws).all(axis=1)]
        if len(draws) < 100:
            return dict.fromkeys(pairs, 1.0)
        p = step_down(*drawn_pairs(sign * scored.levels, sign * draws, pairs), one_sided)
    return dict(zip(pairs, p.tolist(), strict=True))


def _worse_later(scored: Scored) -> Pairs:
    known = np.flatnonzero(np.isfinite(scored.levels)).tolist()
    return pair_p(scored, list(combinations(known, 2)), one_sided=True)


def _best(scored: Scored) -> int:
    """The best checkpoint's row; the earliest where several are."""
    return int(np.nanargmax(np.where(np.isfinite(scored.levels), scored.sign * scored.levels, -np.inf)))


def _surest(scored: Scored, p: Pairs) -> float:
    """The smallest error at which there would be a turning point: the last checkpoint must be worse than the best."""
    best, last = _best(scored), int(np.flatnonzero(np.isfinite(scored.levels))[-1])
    return p.get((best, last), 1.0)


def _point(scored: Scored, p: Pairs, level: float, losses: Mapping[int, float]) -> Turning | None:
    best, harm = _best(scored), scored.measure.behaviour.margin
    point = None
    gain = scored.sign * (scored.levels - scored.levels[best])
    for k in reversed([k for k in np.flatnonzero(np.isfinite(scored.levels)).tolist() if k > best]):
        if p[best, k] > level or gain[k] > -harm:
            break
        point = k
    if point is None:
        return None
    low, high = _interval(scored, best, point)
    here, before = (_loss_at(losses, scored.steps[k]) for k in (point, best))
    return Turning(scored.steps[point], scored.steps[low], scored.steps[high], scored.steps[best], before, here)


def _interval(scored: Scored, best: int, point: int) -> tuple[int, int]:
    """95 % interval of the row from which on the value stays worse than the best by more than the margin.

    Clusters are drawn anew; the point that was shown is always inside.
    """
    draws = scored.sign * scored.draws
    draws = draws[np.isfinite(draws[:, best:]).all(axis=1)]
    levels = scored.sign * scored.levels
    drop = levels[best] - levels[point:].mean()
    harm = min(scored.measure.behaviour.margin, _HALF * drop)
    if len(draws) < 100:
        return best + 1, point
    # Against the best of the whole set, not of each draw: the largest of noisy values is a biased one.
    worse = draws[:, best:] < draws[:, best, None] - harm
    stays = np.logical_and.accumulate(worse[:, ::-1], axis=1)[:, ::-1]
    first = best + np.where(stays.any(axis=1), stays.argmax(axis=1), stays.shape[1] - 1)
    low, high = np.quantile(first, (_TAIL, 1 - _TAIL), method="inverted_cdf").astype(int).tolist()
    return max(min(low, point), best + 1), max(high, point)


def _loss_at(losses: Mapping[int, float], step: int) -> float | None:
    """The evaluation at the step, else the last before it."""
    before = [s for s in losses if s <= step and math.isfinite(losses[s])]
    return losses[max(before)] if before else None
