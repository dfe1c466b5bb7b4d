"""Where the passes over the data end, and what the losses do there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from doneness.curves import Staircase, staircase
from doneness.diagnose.case import Case
from doneness.runs import Series

Floats = NDArray[np.float64]

MATTERS = 0.01  # of the loss, summed over the edges
SURE = 0.00135  # one-sided, z = 3
_BEND = 0.005  # of the loss, at each edge: what a curve that bends the other way can feign
_STAYS = 2.0  # standard errors
_UNDOES = 0.25  # of the first drop, climbed within the epoch before it
_JUMP = 0.2  # of the peak learning rate


def passes(case: Case, column: Series) -> Floats:
    """Passes over the data done at each row of `column`; NaN where neither log nor plan tells."""
    if np.isfinite(column.epoch).any():
        return column.epoch
    told = case.steps_per_epoch
    return np.full(len(column), np.nan) if told is None else column.step / told


def done(case: Case) -> float | None:
    """Passes over the data done at the last train loss, or None where nothing tells."""
    if case.run.train is None:
        return None
    known = passes(case, case.run.train)
    known = known[np.isfinite(known)]
    return float(known[-1]) if known.size else None


def edge_step(case: Case, edge: int) -> int | None:
    """The last logged step of epoch `edge`."""
    column = case.run.train
    if column is None:
        return None
    inside = column.step[passes(case, column) <= edge + 1e-6]
    return int(inside[-1]) if inside.size else None


def drops(case: Case, column: Series, least: int) -> Staircase | None:
    """The staircase of `column`, without the edges at which the learning rate itself jumps."""
    epoch = passes(case, column)
    known = epoch[np.isfinite(epoch)]
    if not known.size:
        return None
    ends = np.ceil(known)
    # Neighbours mostly lie in the same epoch, and few values are sorted sooner than all.
    edges = np.unique(ends[np.append(True, ends[1:] != ends[:-1])])
    return staircase(epoch, column.value, least, _jumps(case, edges))


def certain(found: Staircase) -> bool:
    """Whether the staircase is there and matters: beyond chance and bend, and no pattern of rows in a fixed order."""
    stayed, se = found.stayed
    climb, error = found.climb
    pattern = climb > _STAYS * error and climb > _UNDOES * found.drops[0].size
    sure = found.p(_BEND * found.level) < SURE and stayed > _STAYS * se and not pattern
    return sure and found.total > MATTERS * found.level


def _jumps(case: Case, edges: Floats) -> set[int]:
    """Those of the edges at which the rate changes by a fifth of its peak within a twentieth of an epoch."""
    per = case.steps_per_epoch
    if case.rate is None or per is None:
        return set()
    found = set()
    for edge in edges[edges >= 1].tolist():
        before, after = case.rate.at([(edge - 0.05) * per, (edge + 0.05) * per])
        if abs(float(before - after)) > _JUMP:
            found.add(int(edge))
    return found
