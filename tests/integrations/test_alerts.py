from __future__ import annotations

import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from doneness.core import Action, Finding, Status, StopDecision, Verdict, say
from doneness.integrations.alerts import alert, record, summarise
from doneness.runs import Run

GAIN = Finding("CV04", Status.PASS, say("probe.choice.only", step=1), 0.012)
DONE = StopDecision(Action.STOP, Verdict.OVERFITTING, say("probe.choice.only", step=48), (GAIN,), 120)
RUN = Run("mine")


def module(monkeypatch: pytest.MonkeyPatch, name: str, **content: Any) -> ModuleType:
    fake = ModuleType(name)
    for key, value in content.items():
        setattr(fake, key, value)
    monkeypatch.setitem(sys.modules, name, fake)
    return fake


def test_wandb_is_told_where_a_run_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[dict[str, Any]] = []
    run = SimpleNamespace(summary={})
    fake = module(monkeypatch, "wandb", run=run, alert=lambda **given: told.append(given))
    alert(DONE, RUN)
    summarise(DONE)
    assert told == [{"title": "mine: Overfitting at step 120", "text": str(DONE.reason), "level": "WARN"}]
    assert run.summary == {"doneness/verdict": "overfitting", "doneness/step": 120, "doneness/forecast_gain": 0.012}
    fake.run = None  # type: ignore[attr-defined]
    alert(DONE, RUN)
    summarise(DONE)
    assert len(told) == 1


@pytest.mark.parametrize(
    ("verdict", "level"), [(Verdict.DIVERGED, "red"), (Verdict.OVERFITTING, "yellow"), (Verdict.CONVERGED, "blue")]
)
def test_trackio_is_told_in_its_own_levels(monkeypatch: pytest.MonkeyPatch, verdict: Verdict, level: str) -> None:
    told: list[dict[str, Any]] = []
    levels = SimpleNamespace(INFO="blue", WARN="yellow", ERROR="red")
    module(monkeypatch, "trackio", alert=lambda **given: told.append(given), AlertLevel=levels)
    alert(StopDecision(Action.STOP, verdict, DONE.reason, (), 3), RUN)
    assert [each["level"] for each in told] == [level]


def test_what_is_not_there_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "trackio")
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    alert(DONE, RUN)
    summarise(DONE)
    assert "wandb" not in sys.modules


def test_a_tracker_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def down(**given: Any) -> None:
        raise ConnectionError("no network")

    module(monkeypatch, "wandb", run=SimpleNamespace(summary={}), alert=down)
    with caplog.at_level(logging.WARNING):
        alert(DONE, RUN)
    assert [r.message for r in caplog.records] == ["doneness: wandb took no alert (no network)"]


def test_numbers_go_to_active_runs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, Any]] = []
    current = SimpleNamespace(get=lambda: "run")
    wandb = module(monkeypatch, "wandb", run=object(), log=lambda row: told.append(("wandb", row)))
    contexts = SimpleNamespace(current_run=current)
    module(monkeypatch, "trackio", context_vars=contexts, log=lambda row: told.append(("trackio", row)))
    mlflow = module(
        monkeypatch,
        "mlflow",
        active_run=lambda: "run",
        log_metrics=lambda row, step: told.append(("mlflow", (row, step))),
    )
    record({"doneness/gain_left": 0.1}, 7)
    row = {"doneness/gain_left": 0.1, "train/global_step": 7}
    assert told == [("wandb", row), ("trackio", row), ("mlflow", ({"doneness/gain_left": 0.1}, 7))]
    wandb.run, mlflow.active_run, current.get = None, lambda: None, lambda: None  # type: ignore[attr-defined]
    record({"doneness/gain_left": 0.1}, 8)
    assert len(told) == 3
