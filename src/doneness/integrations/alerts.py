"""Tells the trackers that are running already of a changed verdict; none is ever imported from here.

TensorBoard and MLflow are told nothing: the Trainer's own reporters stand before any callback of
the user's and have sent a row of logs before it could be added to.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
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


_ALERTS: dict[str, Callable[..., None]] = {"wandb": _wandb, "trackio": _trackio}
