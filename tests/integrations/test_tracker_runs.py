"""DonenessCallback and trackers as they really are: what each has kept of a Trainer's run afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.core import Action, Finding, Status, StopDecision, Verdict, say
from doneness.integrations import DonenessCallback
from doneness.integrations.alerts import alert
from doneness.runs import Run, read
from doneness.stopping.tracked import CODES, GAIN_LEFT, VERDICT_CODE
from tests.tracker_stores import Kept, Store
from tests.tracker_stores import tracker as tracker
from tests.tracker_stores import tracker_home as tracker_home

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore")]
Make = Callable[..., Any]
LOOKS = [2, 4, 6, 8]


class Turning:
    """Learning with a forecast gain, overfitting without one from step 6 on."""

    name = "turning"

    def decide(self, run: Run) -> StopDecision:
        reason = say("probe.choice.only", step=run.last_step)
        if run.last_step >= 6:
            return StopDecision(Action.CONTINUE, Verdict.OVERFITTING, reason, (), run.last_step)
        gain = Finding("CV04", Status.PASS, reason, 0.25)
        return StopDecision(Action.CONTINUE, Verdict.LEARNING, reason, (gain,), run.last_step)


@pytest.fixture
def train(tiny_model: Path, settings: dict[str, Any], sft_rows: Any) -> Make:
    from trl import SFTConfig, SFTTrainer

    def run(tracker: str, through: bool = False, rows: Any = None, **changes: Any) -> None:
        callback = DonenessCallback(rule=Turning(), spans=[r"second=/mostly (\w+)/"], health=0)
        trainer = SFTTrainer(
            model=str(tiny_model),
            args=SFTConfig(**(settings | {"bf16": False, "report_to": [tracker]} | changes)),
            train_dataset=sft_rows[0],
            eval_dataset=sft_rows[1] if rows is None else rows,
            callbacks=[callback],
        )
        if through:
            callback.report_through(trainer)
        trainer.train()

    return run


def verdicts(kept: Kept) -> None:
    told = [Verdict.LEARNING, Verdict.LEARNING, Verdict.OVERFITTING, Verdict.OVERFITTING]
    assert kept.points[VERDICT_CODE] == list(zip(LOOKS, [CODES[each] for each in told], strict=True))
    assert kept.points[GAIN_LEFT] == [(2, 0.25), (4, 0.25)]


@pytest.mark.parametrize(
    ("tracker", "through"),
    [("tensorboard", True), ("wandb", False), ("trackio", False), ("mlflow", False), ("mlflow", True)],
    indirect=["tracker"],
)
def test_a_trainers_tracker_holds_ours_beside_its_own(
    tracker: Store, through: bool, train: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    train(tracker.name, through)
    run = read(tmp_path / "out" / "doneness")[0]
    (kept,) = tracker.runs(tmp_path)
    verdicts(kept)
    assert kept.steps("eval_loss") == LOOKS and kept.steps("loss") == list(range(1, 9))
    spans = [losses.spans["second"].mean for losses in run.examples]
    assert [value for _, value in kept.points["eval_second_loss"]] == pytest.approx(spans)
    # Spans that nobody asked for are no charts of somebody else's project.
    assert "eval_first_loss" not in kept.points
    if tracker.name in ("wandb", "trackio"):
        assert kept.alerts == [("out: Overfitting at step 6", "WARN")]
    if tracker.name == "wandb":
        assert (kept.summary["doneness/verdict"], kept.summary["doneness/forecast_gain"]) == ("overfitting", None)
    assert [r.message for r in caplog.records if r.name == "doneness" and r.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("tracker", ["trackio"], indirect=True)
def test_a_second_evaluation_set_does_not_repeat_the_verdict(
    tracker: Store, train: Make, sft_rows: Any, tmp_path: Path
) -> None:
    train(tracker.name, rows={"a": sft_rows[1], "b": sft_rows[1]})
    (kept,) = tracker.runs(tmp_path)
    verdicts(kept)
    assert kept.steps("eval_a_second_loss") == LOOKS and "eval_b_second_loss" not in kept.points


@pytest.mark.parametrize("tracker", ["mlflow"], indirect=True)
def test_a_run_that_the_trainer_does_not_know_holds_every_row(tracker: Store, train: Make, tmp_path: Path) -> None:
    import mlflow

    mlflow.start_run()
    train("none")
    # Not ended yet: what the callback logged is there all the same.
    (kept,) = tracker.runs(tmp_path)
    verdicts(kept)
    assert kept.steps("eval_second_loss") == LOOKS and kept.ended == "RUNNING"


@pytest.mark.parametrize("name", ["wandb", "trackio", "mlflow"])
def test_a_library_without_a_run_is_told_nothing(name: str, tracker_home: Path, caplog: Any) -> None:
    pytest.importorskip(name)
    with caplog.at_level(logging.WARNING):
        alert(StopDecision(Action.STOP, Verdict.BROKEN, say("probe.choice.only", step=1), (), 3), Run("mine"))
    assert [r.message for r in caplog.records if r.name == "doneness"] == []


@pytest.mark.parametrize("tracker", ["wandb", "trackio"], indirect=True)
@pytest.mark.parametrize(
    ("verdict", "level"), [(Verdict.DIVERGED, "ERROR"), (Verdict.OVERFITTING, "WARN"), (Verdict.CONVERGED, "INFO")]
)
def test_an_alert_has_the_level_of_its_verdict(tracker: Store, verdict: Verdict, level: str, tmp_path: Path) -> None:
    library = pytest.importorskip(tracker.name)
    library.init(project="huggingface")
    library.log({"loss": 1.0, "train/global_step": 1})
    alert(StopDecision(Action.STOP, verdict, say("probe.choice.only", step=3), (), 3), Run("mine"))
    library.finish()
    (kept,) = tracker.runs(tmp_path)
    assert [each for _, each in kept.alerts] == [level]
