"""The checkpoints as rows, and the paired differences between them."""

from __future__ import annotations

import numpy as np

from doneness.core import Diagnosis
from doneness.curves.paired import PairedEffect, paired_effect
from doneness.report.curve import Curve, EvalPoint, judged_run
from doneness.report.view import CheckpointRow
from doneness.runs import ExampleLosses, Run


def best_step(diagnosis: Diagnosis, evals: tuple[EvalPoint, ...]) -> int | None:
    """The step with the best loss: the diagnosis's, else the lowest evaluation."""
    if diagnosis.sweet_spot is not None:
        return diagnosis.sweet_spot.best
    return min(evals, key=lambda e: e.loss).step if evals else None


def effect(run: Run, step: int, reference: int) -> PairedEffect | None:
    """Loss at `step` minus loss at `reference` on the examples both scored; None where none are recorded."""
    by_step = {e.step: e for e in run.examples}
    now, then = by_step.get(step), by_step.get(reference)
    if now is None or then is None:
        return None
    return _paired(now, then)


def rows(run: Run, diagnosis: Diagnosis, curve: Curve) -> tuple[CheckpointRow, ...]:
    """Every checkpoint written, with the best and the kept step; without checkpoints, every evaluation."""
    run = judged_run(run, diagnosis)
    best = best_step(diagnosis, curve.evals)
    steps = set(curve.checkpoints) | {s for s in (best, curve.chosen) if s is not None}
    if not curve.checkpoints:
        steps |= {e.step for e in curve.evals}
    points = {e.step: e for e in curve.evals}
    return tuple(_row(run, diagnosis, curve, step, best, points.get(step)) for step in sorted(steps))


def _row(
    run: Run, diagnosis: Diagnosis, curve: Curve, step: int, best: int | None, point: EvalPoint | None
) -> CheckpointRow:
    paired = effect(run, step, best) if best is not None and step != best else None
    spot = diagnosis.sweet_spot
    unknown = "unsaved" if curve.checkpoints else "unknown"
    state = {True: "kept", False: "gone", None: unknown}[curve.checkpoints.get(step)]
    return CheckpointRow(
        step=step,
        epoch=_at(curve, "epoch", step),
        tokens=_at(curve, "tokens", step),
        loss=point.loss if point else None,
        interval=(point.low, point.high) if point and point.low is not None and point.high is not None else None,
        diff=_difference(step, best, point, curve, paired),
        diff_interval=paired.interval(0.95) if paired and paired.n > 1 and np.isfinite(paired.se) else None,
        n=paired.n if paired else 0,
        state=state,
        sweet=spot is not None and step in spot.steps,
        best=step == best,
        chosen=step == curve.chosen,
    )


def _difference(
    step: int, best: int | None, point: EvalPoint | None, curve: Curve, paired: PairedEffect | None
) -> float | None:
    if step == best:
        return None
    if paired is not None and np.isfinite(paired.diff):
        return paired.diff
    reference = next((e.loss for e in curve.evals if e.step == best), None)
    return point.loss - reference if point is not None and reference is not None else None


def _at(curve: Curve, axis: str, step: int) -> float | None:
    return curve.place(axis, [step])[0] if axis in curve.axes else None


def _paired(now: ExampleLosses, then: ExampleLosses) -> PairedEffect | None:
    _, first, second = np.intersect1d(now.ids, then.ids, return_indices=True)
    if not first.size:
        return None
    clusters = None if now.cluster is None else now.cluster[first].tolist()
    return paired_effect(now.nll[first], then.nll[second], now.tokens[first], clusters)
