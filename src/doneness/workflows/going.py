"""Whether a run has come to its end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from doneness.core import tr
from doneness.runs import Run


def ended(run: Run) -> bool:
    """Whether our journal says so, and no resume came after it."""
    told = [event.kind for event in run.events if event.kind in ("start", "resume", "end")]
    return bool(told) and told[-1] == "end"


def at_planned_end(run: Run) -> bool:
    """Whether the run ended, or its log has reached the last step that was planned."""
    planned = run.number("planned_steps")
    return ended(run) or (planned is not None and 0 < planned < run.last_step + _between(run))


def _between(run: Run) -> float:
    """Steps from one row of the log to the next: what lies beyond the last row and short of another is not logged."""
    steps = np.unique(np.concatenate([np.empty(0), *(s.step for s in (run.train, run.evals) if s is not None)]))
    return max(1.0, float(np.median(np.diff(steps)))) if steps.size > 1 else 1.0


def beyond(run: Run, step: int) -> bool:
    """Whether a checkpoint of `step` cannot be this run's: the log would have gone on before the run came there."""
    return step >= run.last_step + _between(run)


def without_strays(run: Run) -> Run:
    """The run without checkpoints that its log cannot have come to, and a note that names them.

    They are left over from a longer run in the same folder, unless it is the log that lost its end.
    """
    strays = [] if run.damage.cut else [c.step for c in run.checkpoints if beyond(run, c.step)]
    if not strays:
        return run
    kept = tuple(c for c in run.checkpoints if c.step not in strays)
    note = tr("workflows.strays", count=len(strays), first=min(strays), last=run.last_step)
    return replace(run, checkpoints=kept, notes=(*run.notes, note))


def finished(run: Run) -> bool:
    """Whether nothing more will be written: at its end, or summed up by the Trainer, which does that last."""
    return at_planned_end(run) or (run.kind == "hf_trainer" and run.number("train_seconds") is not None)


def short_of_plan(run: Run) -> bool:
    """Whether steps that were planned are missing and nothing tells that the run ended before them."""
    planned = run.number("planned_steps")
    return not finished(run) and planned is not None and run.last_step < planned
