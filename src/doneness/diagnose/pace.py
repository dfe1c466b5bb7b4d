"""What going on costs: more steps at the run's mean pace, on so many devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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


def devices(meta: Mapping[str, Any]) -> int | None:
    """How many devices a run trains on: as its log says, one for a recipe of ours; None where nothing tells."""
    for key in ("devices", "processes"):
        told = meta.get(key)
        if isinstance(told, int) and not isinstance(told, bool) and told > 0:
            return told
    return 1 if isinstance(meta.get("recipe"), Mapping) else None
