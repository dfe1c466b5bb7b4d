"""Tells the trackers that have a run open of verdicts and of our numbers, and ends runs; none is imported from here.

TensorBoard has no run that could be asked for: a callback that knows its Trainer tells it through the Trainer's own
integrations instead, see `DonenessCallback.report_through`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from doneness.core import StopDecision, Verdict, tr
from doneness.core.text import printable
from doneness.runs import Run

_LEVELS = {
    Verdict.BROKEN: "ERROR",
    Verdict.DIVERGED: "ERROR",
    Verdict.OVERFITTING: "WARN",
    Verdict.MEMORISING: "WARN",
}
_FORECAST = "CV04"
logger = logging.getLogger("doneness")


def alert(decision: StopDecision, run: Run) -> None:
    """Raise an alert in W&B and Trackio, where they are loaded and a run is active; never an exception."""
    step = decision.step if decision.step is not None else run.last_step
    verdict = tr(f"report.verdict.{decision.verdict.value}")
    title = tr("integrations.alert.title", run=run.name, verdict=verdict, step=step)
    _each(_ALERTS, _NO_ALERT, title, printable(str(decision.reason)), _LEVELS.get(decision.verdict, "INFO"))


def summarise(decision: StopDecision) -> None:
    """Keep the newest verdict and forecast gain in the summary of an active W&B run; never an exception."""
    gain = next((f.value for f in decision.findings if f.code == _FORECAST), None)
    _each({"wandb": _wandb_summary}, _NO_ALERT, decision.verdict.value, gain, decision.step)


def record(row: Mapping[str, float], step: int) -> None:
    """Log our numbers at `step` in active runs of W&B, Trackio and MLflow; never an exception.

    Names are those that the Trainer's own integrations give: W&B and Trackio sort evaluations under eval/.
    """
    _each(_RECORDS, _NO_ROW, dict(row), step)


def flush() -> None:
    """Wait until what was recorded is kept, in a run that goes on after the training; never an exception."""
    _each({"mlflow": _mlflow_flush}, _NO_ROW)


def running() -> set[str]:
    """Which of W&B, Trackio and MLflow have a run open."""
    return {name for name in _OPEN if name in sys.modules and _OPEN[name](sys.modules[name])}


def finish(trackers: Iterable[str], failed: bool) -> None:
    """End the runs open in `trackers`, marked as failed where they did; never an exception."""
    _each({name: _ENDS[name] for name in trackers if name in _ENDS}, "integrations.alert.open", failed)


def _each(senders: Mapping[str, Callable[..., None]], key: str, *told: Any) -> None:
    """Hand `told` to the trackers that have a run open; `key` names what is said where one fails."""
    for tracker, send in senders.items():
        module = sys.modules.get(tracker)
        if module is None:
            continue
        try:
            if _OPEN[tracker](module):
                send(module, *told)
        except Exception as error:
            logger.warning(tr(key, tracker=tracker, reason=printable(" ".join(str(error).split()))))


def _wandb_open(module: Any) -> bool:
    return getattr(module, "run", None) is not None


def _trackio_open(module: Any) -> bool:
    current = getattr(getattr(module, "context_vars", None), "current_run", None)
    return current is not None and current.get() is not None


def _mlflow_open(module: Any) -> bool:
    return module.active_run() is not None


def _wandb(module: Any, title: str, text: str, level: str) -> None:
    module.alert(title=title, text=text, level=level)


def _trackio(module: Any, title: str, text: str, level: str) -> None:
    # Older versions know no alerts.
    if hasattr(module, "alert") and hasattr(module, "AlertLevel"):
        module.alert(title=title, text=text, level=getattr(module.AlertLevel, level))


def _wandb_summary(module: Any, verdict: str, gain: float | None, step: int | None) -> None:
    # Also what is not known now: the gain forecast at an earlier step is none of this verdict's.
    told = {"verdict": verdict, "step": step, "forecast_gain": gain}
    module.run.summary.update({f"doneness/{name}": value for name, value in told.items()})


def _row(module: Any, row: dict[str, float], step: int) -> None:
    named = {f"eval/{key.removeprefix('eval_')}" if key.startswith("eval_") else key: row[key] for key in row}
    # The Trainer's own integration makes this name the x-axis of everything.
    module.log(named | {"train/global_step": step})


def _mlflow_row(module: Any, row: dict[str, float], step: int) -> None:
    # A server that is down would hold training up for minutes of retries; old versions have no other way.
    later = {"synchronous": False} if hasattr(module, "flush_async_logging") else {}
    module.log_metrics(row, step=step, **later)


def _mlflow_flush(module: Any) -> None:
    if hasattr(module, "flush_async_logging"):
        module.flush_async_logging()


def _wandb_end(module: Any, failed: bool) -> None:
    module.finish(exit_code=int(failed))


def _trackio_end(module: Any, failed: bool) -> None:
    module.finish()  # knows no way to end


def _mlflow_end(module: Any, failed: bool) -> None:
    module.end_run("FAILED" if failed else "FINISHED")


_NO_ALERT, _NO_ROW = "integrations.alert.failed", "models.tracker_failed"
_OPEN: dict[str, Callable[[Any], bool]] = {"wandb": _wandb_open, "trackio": _trackio_open, "mlflow": _mlflow_open}
_RECORDS: dict[str, Callable[..., None]] = {"wandb": _row, "trackio": _row, "mlflow": _mlflow_row}
_ALERTS: dict[str, Callable[..., None]] = {"wandb": _wandb, "trackio": _trackio}
_ENDS: dict[str, Callable[..., None]] = {"wandb": _wandb_end, "trackio": _trackio_end, "mlflow": _mlflow_end}
