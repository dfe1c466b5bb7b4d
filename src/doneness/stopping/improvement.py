"""Whether a run has become better for certain since a checkpoint: what is worth another one."""

from __future__ import annotations

from doneness.diagnose import Case, Params
from doneness.diagnose.spans import deciding
from doneness.runs import Run, of_span

_SURE = 0.05


def judged(run: Run, params: Params) -> Case:
    """The run with the losses that decide."""
    name = deciding(run, params.span)
    return Case(of_span(run, name) if name else run, params)


def improved(case: Case, saved: int) -> bool:
    """Whether the last evaluation is better, for certain (one-sided 95 %), than that of the checkpoint saved last.

    Args:
        case: the run so far.
        saved: step of that checkpoint, 0 for the base model. Where it was not evaluated itself, the
            evaluation before it stands for it.
    """
    table = case.table
    step = case.step if table is None else table.step
    before = [row for row, at in enumerate(step.tolist()) if at <= saved]
    if not before or before[-1] == len(step) - 1:
        return False
    ref = before[-1]
    if table is not None:
        return bool(table.effect(len(step) - 1, ref).p_better(0.0, case.noise) < _SURE)
    # From means alone: three times the noise of a difference is beyond doubt also with few evaluations.
    return bool(case.loss[ref] - case.loss[-1] > 3.0 * 2.0**0.5 * case.noise)
