"""Trackers of a recipe: every row that they are given, through transformers' own integrations."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from doneness.config import Recipe
from doneness.core import Action, DonenessError, Finding, Status, StopDecision, Verdict, say
from doneness.stopping.tracked import CODES, GAIN_LEFT, VERDICT_CODE, of_decision, of_evaluation
from doneness.workflows.trackers import telling
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet

Make = Callable[..., Recipe]
SEEN: list[tuple[int, dict[str, Any]]] = []


class Tracker(TrainerCallback):  # type: ignore[misc]
    """An integration that keeps what it was told."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        SEEN.append((state.global_step, dict(logs)))


class Down(TrainerCallback):  # type: ignore[misc]
    """An integration that has no network for evaluations."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if "eval_loss" in logs:
            raise ConnectionError("no network")


@pytest.fixture
def tracked(make_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[[type], Recipe]:
    """A recipe that reports to a tracker of ours in trackio's place."""
    SEEN.clear()

    def make(kind: type) -> Recipe:
        fake = ModuleType("trackio")
        fake.__spec__ = ModuleSpec("trackio", None)
        monkeypatch.setitem(sys.modules, "trackio", fake)
        monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "trackio", kind)
        return make_recipe("run", "report.trackers=trackio", "schedule.max_steps=4", "evaluation.spans=end2=/\\.$/")

    return make


@pytest.mark.model
def test_a_tracker_gets_train_rows_evaluations_and_verdicts(tracked: Callable[[type], Recipe]) -> None:
    run = train_run(tracked(Tracker), Quiet()).run
    train = {step: row["loss"] for step, row in SEEN if "loss" in row}
    assert run.train is not None and run.evals is not None
    assert list(train) == [1, 2, 3, 4]
    evals = {step: row for step, row in SEEN if "eval_loss" in row}
    assert list(evals) == run.evals.step.tolist()
    assert [row["eval_loss"] for row in evals.values()] == pytest.approx(run.evals.value.tolist())
    decided = [StopDecision.from_dict(e.data) for e in run.events if e.kind == "decision"]
    for row, decision in zip(evals.values(), decided, strict=True):
        assert row[VERDICT_CODE] == CODES[decision.verdict]
        assert {f"eval_{name}_loss" for name in ("first", "rest", "end", "end2")} <= set(row)
    assert evals[4]["eval_end2_loss"] == pytest.approx(run.series["eval/span/end2"].value[-1])


@pytest.mark.model
def test_a_tracker_that_fails_costs_a_line_and_no_run(
    tracked: Callable[[type], Recipe], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert train_run(tracked(Down), Quiet()).ending == "finished"
    assert {r.message for r in caplog.records if r.name == "doneness"} == {
        "doneness: Down took no row of numbers (no network)"
    }


@pytest.mark.model
def test_nothing_is_reported_where_nothing_is_asked(make_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    SEEN.clear()
    monkeypatch.setitem(integration_utils.INTEGRATION_TO_CALLBACK, "trackio", Tracker)
    train_run(make_recipe("quiet", "schedule.max_steps=1"), Quiet())
    assert SEEN == []


@pytest.mark.model
def test_a_tracker_that_is_not_installed_is_named_before_training(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("doneness.workflows.trackers.find_spec", lambda name: None)
    with pytest.raises(DonenessError, match="pip install mlflow"):
        train_run(make_recipe("run", "report.trackers=mlflow"), Quiet())


def test_alerts_follow_changes_of_the_verdict(make_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    kept: dict[str, Any] = {}
    fake = ModuleType("wandb")
    fake.run = SimpleNamespace(summary=kept)  # type: ignore[attr-defined]
    fake.alert = lambda title, text, level: told.append(title)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    quiet = Quiet()
    assert telling(quiet, make_recipe("run")) is quiet
    watcher = telling(quiet, make_recipe("run", "report.trackers=wandb"))
    for step, verdict in enumerate((Verdict.UNDECIDED, Verdict.LEARNING, Verdict.LEARNING, Verdict.OVERFITTING)):
        watcher.evaluated({"step": step}, decision(verdict, step))
    watcher.began(0, 4)
    assert told == ["run: Still learning at step 1", "run: Overfitting at step 3"]
    assert kept["doneness/verdict"] == "overfitting"
    assert [each[0] for each in quiet.told] == ["evaluated"] * 4 + ["began"]


def decision(verdict: Verdict, step: int, gain: float | None = 0.01) -> StopDecision:
    found = Finding("CV04", Status.PASS, say("probe.choice.only", step=1), gain)
    return StopDecision(Action.CONTINUE, verdict, say("probe.choice.only", step=step), (found,), step)


def test_numbers_have_names_and_codes_that_stay() -> None:
    assert of_decision(decision(Verdict.LEARNING, 3)) == {VERDICT_CODE: 1.0, GAIN_LEFT: 0.01}
    assert of_decision(decision(Verdict.BROKEN, 3, None)) == {VERDICT_CODE: 6.0}
    assert of_decision(None) == {}
    assert sorted(CODES.values()) == list(range(len(Verdict)))
    record = {"loss": 1.5, "spans": {"label": {"loss": 0.2, "tokens": 3}}}
    assert of_evaluation(record) == {"eval_loss": 1.5, "eval_label_loss": 0.2}
    assert of_evaluation({}) == {}
