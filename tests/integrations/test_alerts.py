from __future__ import annotations

import logging
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from doneness.core import Action, Finding, Status, StopDecision, Verdict, say
from doneness.integrations.alerts import alert, finish, flush, record, running, summarise
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
    # What was forecast for an earlier step is none of this verdict's.
    summarise(StopDecision(Action.STOP, Verdict.BROKEN, DONE.reason, (), 130))
    assert run.summary == {"doneness/verdict": "broken", "doneness/step": 130, "doneness/forecast_gain": None}
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
    opened = SimpleNamespace(current_run=SimpleNamespace(get=lambda: "run"))
    fake = module(monkeypatch, "trackio", alert=lambda **given: told.append(given), AlertLevel=levels)
    fake.context_vars = opened  # type: ignore[attr-defined]
    alert(StopDecision(Action.STOP, verdict, DONE.reason, (), 3), RUN)
    assert [each["level"] for each in told] == [level]


def test_what_is_not_there_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    module(monkeypatch, "trackio")
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    alert(DONE, RUN)
    summarise(DONE)
    assert "wandb" not in sys.modules


def test_a_tracker_that_fails_is_one_line(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def down(*args: Any, **given: Any) -> None:
        raise ConnectionError("no network")

    module(monkeypatch, "wandb", run=SimpleNamespace(summary={}), alert=down, log=down, finish=down)
    with caplog.at_level(logging.WARNING):
        alert(DONE, RUN)
        record({"doneness/gain_left": 0.1}, 7)
        finish(["wandb", "tensorboard"], failed=False)
    assert [r.message for r in caplog.records] == [
        "doneness: wandb took no alert (no network)",
        "doneness: wandb took no row of numbers (no network)",
        "doneness: wandb did not close its run (no network)",
    ]


def test_mlflow_keeps_rows_later_and_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []
    fake = module(monkeypatch, "mlflow", active_run=lambda: "run", log_metrics=lambda row, **how: told.append(how))
    record({"loss": 1.0}, 1)
    flush()
    fake.flush_async_logging = lambda: told.append("all")  # type: ignore[attr-defined]
    record({"loss": 1.0}, 2)
    flush()
    assert told == [{"step": 1}, {"step": 2, "synchronous": False}, "all"]


def test_runs_end_as_the_training_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    ends: list[Any] = []
    module(monkeypatch, "wandb", run=object(), finish=lambda exit_code: ends.append(exit_code))
    module(monkeypatch, "mlflow", active_run=lambda: "run", end_run=ends.append)
    fake = module(monkeypatch, "trackio", finish=lambda: ends.append("finish"))
    assert running() == {"wandb", "mlflow"}
    finish(running(), failed=True)
    assert sorted(map(str, ends)) == ["1", "FAILED"]
    fake.context_vars = SimpleNamespace(current_run=SimpleNamespace(get=lambda: "run"))  # type: ignore[attr-defined]
    ends.clear()
    finish(["wandb", "trackio", "mlflow"], failed=False)
    assert ends == [0, "finish", "FINISHED"]


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
    told.clear()
    record({"eval_label_loss": 0.2}, 7)
    assert told[0] == ("wandb", {"eval/label_loss": 0.2, "train/global_step": 7})
    assert told[2] == ("mlflow", ({"eval_label_loss": 0.2}, 7))
    told.clear()
    wandb.run, mlflow.active_run, current.get = None, lambda: None, lambda: None  # type: ignore[attr-defined]
    record({"doneness/gain_left": 0.1}, 8)
    assert told == []
