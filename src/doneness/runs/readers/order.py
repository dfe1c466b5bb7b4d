"""The order of a log: trainings that follow each other in one file, resumes, steps written twice."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from doneness.core import say
from doneness.runs.run import Floats, Ints

# Beyond this share of rows that go back, the file is not the story of a few resumes: two processes
# wrote to it at once, or it was sorted by something else. Sorting loses nothing then.
_MOSTLY_FORWARD = 0.05
_FEW = 5


@dataclass(frozen=True)
class Part:
    """The rows of one training, in force and ascending in step.

    Attributes:
        rows: row numbers, ordered by step; of equal steps the later written comes later.
        resumed: steps at which the log went back.
        notes: what was hidden or sorted.
    """

    rows: Ints
    resumed: tuple[int, ...]
    notes: tuple[str, ...]


def parts_of(step: Floats, *, split: bool) -> list[Part]:
    """One part for each training in the log.

    A step that goes back to where the training began starts another one (where `split`); one that
    goes back less is a resume, which supersedes the earlier rows from that step on.

    Args:
        step: the step of every row in the order written; rows with NaN belong to no part.
        split: False for formats that hold one training by construction.
    """
    rows = np.flatnonzero(np.isfinite(step))
    if rows.size == 0:
        return []
    seen = step[rows]
    back = np.flatnonzero(np.diff(seen) < 0) + 1
    if back.size == 0:
        return [Part(rows, (), ())]
    if back.size > max(_FEW, _MOSTLY_FORWARD * rows.size) or _single(seen, back):
        note = str(say("runs.note.out_of_order", count=int(back.size)))
        return [Part(rows[np.argsort(seen, kind="stable")], (), (note,))]
    cuts = _restarts(seen, back) if split else []
    edges = [0, *cuts, rows.size]
    return [_one(rows[a:b], seen[a:b]) for a, b in itertools.pairwise(edges)]


def _single(step: Floats, back: Ints) -> bool:
    """Whether each row that goes back stands alone: a resume goes on from there, a wrong digit does not."""
    inside = back[back + 1 < step.size]
    return bool(inside.size == back.size and (step[inside + 1] > step[inside - 1]).all())


def _restarts(step: Floats, back: Ints) -> list[int]:
    cuts: list[int] = []
    start = 0
    for here in back.tolist():
        begun = step[start:here]
        # An evaluation before the first step is logged as step 0 and says nothing about where training began.
        positive = begun[begun > 0]
        if positive.size and step[here] <= positive.min():
            cuts.append(here)
            start = here
    return cuts


def _one(rows: Ints, step: Floats) -> Part:
    back = np.flatnonzero(np.diff(step) < 0) + 1
    if back.size == 0:
        return Part(rows, (), ())
    # Row i is superseded when a later row went back to its step or before it.
    gone_back = np.full(step.size + 1, np.inf)
    gone_back[back] = step[back]
    limit = np.minimum.accumulate(gone_back[::-1])[::-1][1:]
    keep = step < limit
    resumed = tuple(int(s) for s in step[back])
    note = say("runs.note.resumed", count=len(resumed), step=resumed[-1], rows=int((~keep).sum()))
    return Part(rows[keep], resumed, (str(note),))


def last_of_each(step: Floats) -> tuple[Ints, int]:
    """Positions of the last of equal steps in an ascending column, and how many others there were."""
    if step.size < 2:
        return np.arange(step.size, dtype=np.int64), 0
    last = np.append(np.diff(step) > 0, True)
    keep = np.flatnonzero(last)
    return keep, int(step.size - keep.size)
