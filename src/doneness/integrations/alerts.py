"""Tells the trackers that are running already of verdicts and of our numbers; none is ever imported from here.

TensorBoard has no run that could be asked for: a callback that knows its Trainer tells it through the Trainer's own
integrations instead, see `DonenessCallback.report_through`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Mapping
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
    _each(_ALERTS, title, printable(str(decision.reason)), _LEVELS.get(decision.verdict, "INFO"))


def summarise(decision: StopDecision) -> None:
    """Keep the newest verdict and forecast gain in the summary of an active W&B run; never an exception."""
    gain = next((f.value for f in decision.findings if f.code == _FORECAST), None)
    _each({"wandb": _wandb_summary}, decision.verdict.value, gain, decision.step)


def record(row: Mapping[str, float], step: int) -> None:
    """Log our numbers at `step` in active runs of W&B, Trackio and MLflow; never an exception."""
    _each(_RECORDS, dict(row), step)


def _each(senders: dict[str, Callable[..., None]], *told: Any) -> None:
    for tracker, send in senders.items():
        module = sys.modules.get(tracker)
        if module is None:
            continue
        try:
            send(module, *told)
        except Exception as error:
            logger.warning(tr("integrations.alert.failed", tracker=tracker, reason=printable(str(error))))


def _wandb(module: Any, title: str, text: str, level: str) -> None:
    if getattr(module, "run", None) is not None:
        module.alert(title=title, text=text, level=level)


def _trackio(module: Any, title: str, text: str, level: str) -> None:
    # Older versions know no alerts.
    if hasattr(module, "alert") and hasattr(module, "AlertLevel"):
        module.alert(title=title, text=text, level=getattr(module.AlertLevel, level))


def _wandb_summary(module: Any, verdict: str, gain: float | None, step: int | None) -> None:
    run = getattr(module, "run", None)
    if run is None:
        return
    told = {"verdict": verdict, "step": step, "forecast_gain": gain}
    run.summary.update({f"doneness/{name}": value for name, value in told.items() if value is not None})


def _wandb_row(module: Any, row: dict[str, float], step: int) -> None:
    # The Trainer's own integration makes this name the x-axis of everything.
    if getattr(module, "run", None) is not None:
        module.log(row | {"train/global_step": step})


def _trackio_row(module: Any, row: dict[str, float], step: int) -> None:
    current = getattr(getattr(module, "context_vars", None), "current_run", None)
    if current is not None and current.get() is not None:
        module.log(row | {"train/global_step": step})


def _mlflow_row(module: Any, row: dict[str, float], step: int) -> None:
    if module.active_run() is not None:
        module.log_metrics(row, step=step)


_RECORDS: dict[str, Callable[..., None]] = {"wandb": _wandb_row, "trackio": _trackio_row, "mlflow": _mlflow_row}
_ALERTS: dict[str, Callable[..., None]] = {"wandb": _wandb, "trackio": _trackio}
