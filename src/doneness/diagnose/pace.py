"""What going on costs: more steps at the run's mean pace."""

from __future__ import annotations

import numpy as np

from doneness.runs import Series


def cost(column: Series | None, name: str, ahead: int) -> float | None:
    """What `ahead` more steps take, at the mean of those done.

    Args:
        column: a series with the axis, normally the train loss.
        name: "time" (seconds), "tokens" or "targets".
        ahead: steps.

    Returns:
        In units of the axis, or None where the log lacks it.
    """
    if column is None:
        return None
    done = column.axis(name)
    known = np.isfinite(done) & (column.step > 0)
    if not known.any():
        return None
    return float(done[known][-1] / column.step[known][-1] * ahead)
