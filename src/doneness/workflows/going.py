"""Whether a run has come to its end."""

from __future__ import annotations

from doneness.runs import Run


def ended(run: Run) -> bool:
    """Whether our journal says so, and no resume came after it."""
    told = [event.kind for event in run.events if event.kind in ("start", "resume", "end")]
    return bool(told) and told[-1] == "end"


def at_planned_end(run: Run) -> bool:
    """Whether the run ended, or its log has reached the last step that was planned."""
    planned = run.number("planned_steps")
    return ended(run) or (planned is not None and 0 < planned <= run.last_step)
