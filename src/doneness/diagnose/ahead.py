"""The forecast as a diagnosis carries it, with what going there would cost."""

from __future__ import annotations

from doneness.core import Forecast
from doneness.diagnose.case import Case
from doneness.diagnose.pace import cost


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
        seconds=cost(case.run.train, "time", ahead),
        tokens=cost(case.run.train, "tokens", ahead),
    )
