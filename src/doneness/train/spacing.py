"""Where on the way to look: geometrically spaced at first, then evenly."""

from __future__ import annotations


def evaluation_steps(total: int, every: int = 0, early: bool = True) -> tuple[int, ...]:
    """Steps 1, 2, 4, 8, … until the gap reaches `every`, then every `every` steps, and the last.

    Most is learnt in the first steps and the end is where decisions fall; even spacing alone would
    spend its looks on neither.

    Args:
        total: optimizer steps of the whole run.
        every: even spacing; 0 means a sixth of the run.
        early: with the geometric steps; else the even ones alone.
    """
    if total < 1:
        return ()
    gap = every or max(1, round(total / 6))
    steps = set(range(gap, total + 1, gap)) | {total}
    step = 1
    while early and step < min(gap, total):
        steps.add(step)
        step *= 2
    return tuple(sorted(steps))
