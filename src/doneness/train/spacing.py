"""Where on the way to look: geometrically spaced at first, then evenly."""

from __future__ import annotations

from collections.abc import Iterable

from doneness.config import CheckpointsSection


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


def checkpoint_steps(asked: CheckpointsSection, total: int, looks: Iterable[int]) -> set[int]:
    """Steps to save at that are known beforehand: the last, those of evaluations, and every so many.

    Args:
        asked: of the recipe.
        total: optimizer steps of the whole run.
        looks: steps to evaluate at.
    """
    steps = {total}
    if asked.with_evaluations:
        steps |= set(looks)
    if asked.every:
        steps |= set(range(asked.every, total + 1, asked.every))
    return steps
