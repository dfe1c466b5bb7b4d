"""The forecast as a diagnosis carries it, with what going there would cost."""

from __future__ import annotations

import numpy as np

from doneness.core import Forecast
from doneness.diagnose.case import Case
from doneness.runs import Series


def public(case: Case) -> Forecast | None:
    """The case's forecast, with its cost where the log tells; None with too few evaluations."""
    found = case.outlook
    if found is None:
        return None
    ahead = found.horizon - int(case.step[-1])
    level = case.params.forecast_level
    low, high = found.fan(level)
    return Forecast(
        horizon=found.horizon,
        gain=found.gain,
        interval=found.interval(level),
        level=found.level,
        steps=tuple(round(float(s)) for s in found.steps),
        mean=tuple(float(v) for v in found.mean),
        low=tuple(float(v) for v in low),
        high=tuple(float(v) for v in high),
        method=found.method,
        seconds=_cost(case.run.train, "time", ahead),
        tokens=_cost(case.run.train, "tokens", ahead),
    )


def _cost(column: Series | None, name: str, ahead: int) -> float | None:
    """`ahead` more steps at the run's mean pace."""
    if column is None:
        return None
    done = column.axis(name)
    known = np.isfinite(done) & (column.step > 0)
    if not known.any():
        return None
    return float(done[known][-1] / column.step[known][-1] * ahead)
