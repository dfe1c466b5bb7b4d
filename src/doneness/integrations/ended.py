"""A training that is resumed after it had ended: what was decided stays decided."""

from __future__ import annotations

from doneness.core import Action, StopDecision
from doneness.integrations.monitor import Monitor
from doneness.stopping.cooldown import ends_at_once


def ended_at(monitor: Monitor, step: int) -> StopDecision | None:
    """The decision that had ended the run at `step`, if one had.

    A stop whose own checkpoint is gone (deleted, or never saved for the sake of the recommended one) counts where the
    run is resumed from the checkpoint that it recommended.
    """
    if step <= 0:
        return None
    cooling, made = monitor.cooldown, monitor.decision_at(step)
    if made is not None and made.action is Action.STOP:
        return made if cooling is None or ends_at_once(made) or step >= cooling.end else None
    last = monitor.decision
    if last is None or last.action is not Action.STOP or (last.step or 0) <= step or last.recommended_step != step:
        return None
    return None if monitor.has_checkpoint(last.step or 0) else last
