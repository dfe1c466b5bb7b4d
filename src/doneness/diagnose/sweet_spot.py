"""The sweet spot: every checkpoint whose loss is tied with the best, and which of them to keep."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.core import SweetSpot
from doneness.curves import PairedEffect, convex_fit
from doneness.diagnose.case import Case
from doneness.runs import Checkpoint

Floats = NDArray[np.float64]
_SURE = 1.645
_LUCKY, _DIPS = 4.0, 3  # robust sds below the curve; how many at most
_LIFTED = 2.5  # robust sds of a move
_AFTER, _MOST_NOISE = 2, 0.03  # evaluations after the best; of the loss
_LEAST_COURSE, _MOST_COURSE = 8, 120  # evaluations: fewer show no course, more are enough to smooth


@dataclass(frozen=True, slots=True)
class Recommendation:
    """What to keep.

    Attributes:
        spot: the steps tied with the best.
        step: the earliest of the tied steps (the one of the lowest loss where `Params.prefer` is "best") that
            has a checkpoint and is not barred; where the log knows of no checkpoint at all, the earliest (or
            best) of them. 0, without a checkpoint, is the base model.
        checkpoint: its name or path, None where none is known.
        best_kept: whether the best step itself has a checkpoint; None where no checkpoint is known.
        lacking: why there is no step: "gone" (no evaluated checkpoint is on disk), "barred" or "explore" (the run was
            trained to see its curve alone).
    """

    spot: SweetSpot
    step: int | None
    checkpoint: str | None
    best_kept: bool | None
    lacking: str | None = None


def recommend(case: Case) -> Recommendation | None:
    """The sweet spot of a run and the checkpoint to keep; None without evaluations after step 0.

    This is the one place that says which checkpoint to keep.

    Args:
        case: the run, with the steps that something else than loss rules out or chose.
    """
    spot, barred = sweet_spot(case), case.barred
    if spot is None:
        return None
    if case.run.exploratory:
        return Recommendation(spot, None, None, None, "explore")
    if case.chosen is not None:
        return _by_answers(case, case.chosen, spot)
    if spot.first == 0:
        # The base model ties with the best: nothing that was trained is worth keeping on this evidence.
        return Recommendation(spot, 0, None, None)
    known = [c for c in case.run.checkpoints if c.step > 0]
    existing = [c for c in known if c.exists]
    best_kept = any(c.step == spot.best for c in existing) if known else None
    if not known:
        allowed = [s for s in spot.steps if s not in barred]
        return Recommendation(spot, _preferred(case, spot, allowed), None, None, None if allowed else "barred")
    # A checkpoint between two tied evaluations was never evaluated itself: it is not recommended.
    tied = [c for c in existing if c.step in spot.steps]
    free = [c for c in tied if c.step not in barred]
    if free:
        chosen = _preferred(case, spot, [c.step for c in free])
        return Recommendation(spot, chosen, _name(next(c for c in free if c.step == chosen)), best_kept)
    if tied:
        return Recommendation(spot, None, None, best_kept, "barred")
    # The tied ones were rotated away: the best of what is left. One that was never evaluated counts as the
    # worse of the two evaluations around it.
    losses = {c.step: found for c in existing if (found := _at_worst(case, c.step)) is not None}
    left = [c for c in existing if c.step in losses and c.step not in barred]
    if not left:
        return Recommendation(spot, None, None, best_kept, "gone")
    best = min(left, key=lambda c: (losses[c.step], c.step))
    return Recommendation(spot, best.step, _name(best), best_kept)


def _by_answers(case: Case, step: int, spot: SweetSpot) -> Recommendation:
    """What the answers chose; where it is tied in loss too, whether the best of these is there is told as usual."""
    existing = [c for c in case.run.checkpoints if c.step > 0 and c.exists]
    name = next((_name(c) for c in existing if c.step == step), None)
    tied = step in spot.steps and bool(existing)
    return Recommendation(spot, step, name, any(c.step == spot.best for c in existing) if tied else None)


def _preferred(case: Case, spot: SweetSpot, steps: list[int]) -> int | None:
    """Which of the tied steps to keep; None of none. They are in order."""
    if not steps or case.params.prefer != "best":
        return steps[0] if steps else None
    # The best step is chosen on smoothed losses; only where it cannot be had does the lowest loss decide.
    if spot.best in steps:
        return spot.best
    losses = dict(zip(case.step.tolist(), case.loss.tolist(), strict=True))
    return min(steps, key=lambda step: (losses.get(step, np.inf), step))


def _at_worst(case: Case, step: int) -> float | None:
    """The loss at `step`, or the higher one of the two evaluations around it; None outside of them."""
    after = int(np.searchsorted(case.step, step))
    if after == case.step.size or (after == 0 and case.step[0] != step):
        return None
    if case.step[after] == step:
        return float(case.loss[after])
    return float(max(case.loss[after - 1], case.loss[after]))


def sweet_spot(case: Case) -> SweetSpot | None:
    """The steps around the best that are statistically tied with it.

    The best is the minimum of the curve after each point was averaged with its neighbours, so that
    one lucky evaluation does not win; what is left of its luck (how far it lies below the best convex
    curve) is given back before others are held against it. A step is tied when it is worse by no more
    than the smallest gain that matters, or when it cannot be told from the best by more than noise
    (paired SE² + 2σ_t²) and is itself worse by at most twice that gain, or the curve there by that gain.
    Steps for certain worse in between end the spot, unless it is a single one that the curve passes
    by: a lucky dip far from the best is no tie, and one unlucky evaluation parts no plateau.

    Returns:
        The interval, or None with fewer than two evaluations.
    """
    table = case.table
    step, loss = (table.step, table.mean) if table is not None else (case.step, case.loss)
    if step.size < 2:
        return None
    best = _best(step, loss)
    course = _course(step, loss)
    above = course - course.min()
    eps, noise = case.epsilon, _noise(case, best, abs(float(loss[best])))
    luck = min(max(float(course[best] - loss[best]), 0.0), noise)
    effects = [
        table.effect(row, best) if table is not None else PairedEffect(float(loss[row] - loss[best]), 0.0, 2)
        for row in range(step.size)
    ]
    tied = [row == best or _tied(effect, float(above[row]), eps, noise, luck) for row, effect in enumerate(effects)]
    worse = [effect.diff - luck > eps and _told(effect, noise, luck) for effect in effects]
    # A single evaluation that sticks out of a level stretch is noise, not a border.
    border = [
        bad and (above[row] > 2.0 * eps or any(worse[near] for near in (row - 1, row + 1) if 0 <= near < step.size))
        for row, bad in enumerate(worse)
    ]
    first = last = best
    while first > 0 and not border[first - 1]:
        first -= 1
    while last + 1 < step.size and not border[last + 1]:
        last += 1
    rows = [row for row in range(first, last + 1) if tied[row]]
    return SweetSpot(int(step[rows[0]]), int(step[rows[-1]]), tuple(int(step[r]) for r in rows), int(step[best]))


def _noise(case: Case, best: int, level: float) -> float:
    """Trajectory noise around the best: what a run that later went wild did there says nothing of it."""
    until = best + 1 + _AFTER
    here = case.noise_until(until) if _LEAST_COURSE <= until < case.loss.size else case.noise
    return min(case.noise, here, _MOST_NOISE * level)


def _tied(effect: PairedEffect, above: float, eps: float, noise: float, luck: float) -> bool:
    """Worse than the best by nothing that matters, or by nothing that can be told and not by much.

    `above` is how far the curve at that step lies above its lowest point.
    """
    if effect.diff <= eps:
        return True
    return (effect.diff <= 2.0 * eps or above <= eps) and not _told(effect, noise, luck)


def _told(effect: PairedEffect, noise: float, luck: float) -> bool:
    """Worse than the best, and not by chance or by the best one's luck."""
    return effect.diff - luck > _SURE * effect.total_se(noise)


def _course(step: NDArray[np.int64], loss: Floats) -> Floats:
    """The best convex curve through the losses, at each step; the losses themselves where too few or too many."""
    if loss.size < _LEAST_COURSE or loss.size > _MOST_COURSE:
        return loss.astype(np.float64)
    return convex_fit(step, _without_dips(step, loss))


def _best(step: NDArray[np.int64], loss: Floats) -> int:
    """Row of the best evaluation after averaging with neighbours; ties go to the earliest."""
    smooth = _without_dips(step, loss)
    if loss.size >= 5:
        # Weights fall with distance in log(step): a far neighbour on a steep curve says little.
        gap = np.diff(np.log1p(step.astype(np.float64)))
        width = max(float(np.median(gap[-max(3, loss.size // 2) + 1 :])), 1e-9)
        weight = np.exp(-0.5 * (gap / width) ** 2) * ~_jumps(smooth)
        total, count = smooth.copy(), np.ones(loss.size)
        total[1:] += weight * smooth[:-1]
        total[:-1] += weight * smooth[1:]
        count[1:] += weight
        count[:-1] += weight
        smooth = total / count
    best = int(np.argmin(smooth))
    # The smoothed curve says where; of the points beside it the lowest is the best.
    near = [row for row in (best - 1, best, best + 1) if 0 <= row < loss.size]
    told = _without_dips(step, loss)
    return min(near, key=lambda row: (told[row], row))


def _without_dips(step: NDArray[np.int64], loss: Floats) -> Floats:
    """The losses with single lucky ones put back on the curve: each far below the best convex curve.

    A turn, however sharp, is convex and stays; one evaluation that dips out of a smooth course is not.
    """
    clean: Floats = loss.astype(np.float64).copy()
    if loss.size < _LEAST_COURSE or loss.size > _MOST_COURSE:
        return clean
    for _ in range(_DIPS):
        fitted = convex_fit(step, clean)
        residual = clean - fitted
        spread = max(1.4826 * float(np.median(np.abs(residual))), 1e-4 * float(np.abs(clean).max()))
        lowest = int(np.argmin(residual))
        if residual[lowest] > -_LUCKY * spread or lowest != int(np.argmin(clean)):
            break
        if _sunk(clean, lowest) <= _LUCKY * spread:
            break  # where a fall had come to before something lifted the curve, and no dip
        clean[lowest] = float(np.interp(step[lowest], np.delete(step, lowest), np.delete(clean, lowest)))
    return clean


def _jumps(loss: Floats) -> NDArray[np.bool_]:
    """Where something lifts the curve from one evaluation to the next; shape (k − 1,).

    A step up by far more than is usual here, and not the way back up from a dip.
    """
    moved = np.diff(loss)
    if loss.size < _LEAST_COURSE:
        return np.zeros(moved.size, dtype=np.bool_)
    # What is usual late: early on everything moves far.
    usual = 1.4826 * float(np.median(np.abs(moved[-max(3, moved.size // 2) :])))
    before = np.concatenate([[0.0], moved[:-1]])
    return np.asarray((moved > _LIFTED * usual) & (-before < moved / 2.0), dtype=np.bool_)


def _sunk(loss: Floats, row: int) -> float:
    """How far an evaluation lies below both neighbours, and below where either side was heading."""
    if row in (0, loss.size - 1):
        return 0.0
    heading = [loss[row - 1], loss[row + 1]]
    if row > 1:
        heading.append(2.0 * loss[row - 1] - loss[row - 2])
    if row < loss.size - 2:
        heading.append(2.0 * loss[row + 1] - loss[row + 2])
    return float(min(heading) - loss[row])


def _name(checkpoint: Checkpoint) -> str:
    return checkpoint.path.name if checkpoint.path is not None else f"checkpoint-{checkpoint.step}"
