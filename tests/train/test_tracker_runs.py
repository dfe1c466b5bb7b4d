"""Trackers of a recipe as they really are: what each has kept of a run afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe
from doneness.core import Action, Finding, Status, StopDecision, Verdict, say
from doneness.integrations.alerts import running
from doneness.runs import Run
from doneness.stopping.tracked import CODES, GAIN_LEFT, VERDICT_CODE
from doneness.train.evidence import Evidence
from doneness.workflows.train import train_run
from tests.tracker_stores import TRACKERS, Kept, Store
from tests.tracker_stores import tracker as tracker
from tests.tracker_stores import tracker_home as tracker_home
from tests.train.conftest import Quiet

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]
Make = Callable[..., Recipe]
SPANS = ("first", "rest", "end", "end2", "标签", "解释")
each_tracker = pytest.mark.parametrize("tracker", TRACKERS, indirect=True)
with_alerts = pytest.mark.parametrize("tracker", ["wandb", "trackio"], indirect=True)
with_ends = pytest.mark.parametrize("tracker", ["wandb", "mlflow"], indirect=True)


class Turning:
    """Learning with a forecast gain to step 2, overfitting without one from step 3."""

    name = "turning"

    def decide(self, run: Run) -> StopDecision:
        reason = say("probe.choice.only", step=run.last_step)
        if run.last_step > 2:
            return StopDecision(Action.CONTINUE, Verdict.OVERFITTING, reason, (), run.last_step)
        gain = Finding("CV04", Status.PASS, reason, 0.25)
        return StopDecision(Action.CONTINUE, Verdict.LEARNING, reason, (gain,), run.last_step)


@pytest.fixture
def make(make_recipe: Make, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr("doneness.workflows.train.rule_of", lambda stopping: Turning())

    def recipe(name: str, tracker: str, steps: int = 4) -> Recipe:
        spans = "evaluation.spans=end2=/\\.$/,标签=/mostly/,解释=/, \\w/"
        return make_recipe(name, f"report.trackers={tracker}", f"schedule.max_steps={steps}", spans, "health.every=0")

    return recipe


def breaks_at(step: int, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Evidence.compute_loss

    def broken(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.state.global_step == step:
            raise error
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Evidence, "compute_loss", broken)


def once_and_in_order(kept: Kept) -> None:
    for name, points in kept.points.items():
        steps = [step for step, _ in points]
        # The Trainer's closing summary repeats the last epoch.
        assert steps == sorted(set(steps)) or (name == "epoch" and steps[:-1] == sorted(set(steps))), name


@each_tracker
def test_a_tracker_holds_losses_spans_verdict_and_alerts_once_each(tracker: Store, make: Make, tmp_path: Path) -> None:
    run = train_run(make("mine", tracker.name), Quiet()).run
    assert run.train is not None and run.evals is not None and running() == set()
    (kept,) = tracker.runs(tmp_path)
    once_and_in_order(kept)
    assert kept.steps("loss") == [1, 2, 3, 4]
    assert [value for _, value in kept.points["loss"]] == pytest.approx(run.train.value.tolist())
    looks = run.evals.step.tolist()
    assert [value for _, value in kept.points["eval_loss"]] == pytest.approx(run.evals.value.tolist())
    codes = [CODES[Verdict.LEARNING if step < 3 else Verdict.OVERFITTING] for step in looks]
    assert kept.points[VERDICT_CODE] == list(zip(looks, codes, strict=True))
    assert kept.points[GAIN_LEFT] == [(step, 0.25) for step in looks if step < 3]
    for span in SPANS:
        name = "".join(c if c.isascii() or tracker.name != "mlflow" else f"u{ord(c):x}" for c in span)
        told = [value for _, value in kept.points[f"eval_{name}_loss"]]
        assert told == pytest.approx(run.series[f"eval/span/{span}"].value.tolist())
    assert kept.ended == {"wandb": 0, "mlflow": "FINISHED"}.get(tracker.name)
    if tracker.name in ("wandb", "trackio"):
        assert kept.alerts == [("mine: Still learning at step 1", "INFO"), ("mine: Overfitting at step 3", "WARN")]
    if tracker.name == "wandb":
        newest = {key: kept.summary[key] for key in ("doneness/verdict", "doneness/step", "doneness/forecast_gain")}
        # The gain that was forecast at an earlier step is gone.
        assert newest == {"doneness/verdict": "overfitting", "doneness/step": 4, "doneness/forecast_gain": None}


@each_tracker
def test_runs_of_one_process_stay_apart_and_carry_the_folders_name(tracker: Store, make: Make, tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_run(make(name, tracker.name, 2), Quiet())
    first, second = tracker.runs(tmp_path)
    for name, kept in (("one", first), ("two", second)):
        once_and_in_order(kept)
        assert kept.steps("loss") == [1, 2]
        assert tracker.name == "tensorboard" or kept.name.startswith(f"{name}-")


@with_ends
def test_a_run_that_breaks_is_no_success(
    tracker: Store, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = make("mine", tracker.name)
    breaks_at(2, RuntimeError("out of memory"), monkeypatch)
    with pytest.raises(RuntimeError, match="out of memory"):
        train_run(recipe, Quiet())
    assert running() == set()
    (kept,) = tracker.runs(tmp_path)
    assert kept.steps("loss") == [1, 2]
    assert kept.ended in (1, "FAILED")


@with_alerts
def test_a_resumed_run_tells_of_what_has_changed_since(
    tracker: Store, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = make("mine", tracker.name)
    with monkeypatch.context() as patch:
        breaks_at(2, RuntimeError("out of memory"), patch)
        with pytest.raises(RuntimeError, match="out of memory"):
            train_run(recipe, Quiet())
    train_run(recipe, Quiet())
    before, after = tracker.runs(tmp_path)
    assert before.steps("loss") == [1, 2] and after.steps("loss") == [3, 4]
    assert [title for title, _ in before.alerts] == ["mine: Still learning at step 1"]
    assert [title for title, _ in after.alerts] == ["mine: Overfitting at step 3"]


@pytest.mark.parametrize("tracker", ["mlflow"], indirect=True)
def test_a_tracker_that_cannot_begin_is_left_out(
    tracker: Store, make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = tmp_path / "taken"
    place.write_text("no database, and no folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place}/mlflow.db")
    with caplog.at_level(logging.WARNING):
        trained = train_run(make("mine", "tensorboard,mlflow", 2), Quiet())
    assert trained.ending == "finished" and trained.run.last_step == 2
    (line,) = [r.message for r in caplog.records if r.name == "doneness"]
    assert line.startswith("doneness: MLflow could not begin and is left out; training goes on (")
