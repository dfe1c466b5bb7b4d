"""Trackers of a recipe: every row that they are given, through transformers' own integrations."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from transformers import TrainerCallback
from transformers.integrations import integration_utils

from doneness.config import Recipe
from doneness.core import Action, DonenessError, Finding, Status, StopDecision, Verdict, say
from doneness.runs import ExampleLosses, Recorder, SpanLosses
from doneness.stopping.tracked import CODES, GAIN_LEFT, VERDICT_CODE, of_decision, of_evaluation, of_spans
from doneness.workflows.trackers import refuse_absent, telling
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


class Shut(Tracker):
    """An integration without a key."""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        raise RuntimeError("no key")


class Stuck(Tracker):
    """An integration that cannot close its run."""

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        raise OSError("disk full")


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
    # Once, not at every step.
    assert [r.message for r in caplog.records if r.name == "doneness"] == [
        "doneness: Down took no row of numbers (no network)"
    ]


@pytest.mark.model
def test_a_tracker_that_cannot_begin_is_told_nothing_more(
    tracked: Callable[[type], Recipe], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert train_run(tracked(Shut), Quiet()).ending == "finished"
    assert SEEN == []
    assert [r.message for r in caplog.records if r.name == "doneness"] == [
        "doneness: Shut could not begin and is left out; training goes on (no key)"
    ]


@pytest.mark.model
def test_a_tracker_that_cannot_end_leaves_the_run_whole(
    tracked: Callable[[type], Recipe], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        run = train_run(tracked(Stuck), Quiet()).run
    assert run.events[-1].kind == "end" and run.events[-1].data["reason"] == "finished"
    assert [r.message for r in caplog.records if r.name == "doneness"] == [
        "doneness: Stuck failed in on_train_end; nothing of the run is lost (disk full)"
    ]


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


def test_what_passes_for_a_package_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "left_by_a_tracker" / "offline-run-1").mkdir(parents=True)
    (tmp_path / "half_installed").mkdir()
    (tmp_path / "half_installed" / "__init__.py").write_text("import no_such_module_there")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DonenessError, match="pip install left_by_a_tracker"):
        refuse_absent(["left_by_a_tracker"])
    with pytest.raises(DonenessError, match=r"half_installed is installed, but cannot be imported \(No module named"):
        refuse_absent(["half_installed"])


def test_either_package_will_do_for_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("tensorboardX")
    fake.__spec__ = ModuleSpec("tensorboardX", None)
    monkeypatch.setitem(sys.modules, "tensorboardX", fake)
    monkeypatch.setattr(
        "doneness.workflows.trackers.find_spec",
        lambda name: sys.modules[name].__spec__ if name == "tensorboardX" else None,
    )
    refuse_absent(["tensorboard"])  # raises where it finds neither
    monkeypatch.setattr("doneness.workflows.trackers.find_spec", lambda name: None)
    with pytest.raises(DonenessError, match="tensorboard"):
        refuse_absent(["tensorboard"])


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


def test_a_resumed_run_alerts_of_what_has_changed_since_it_was_left(
    make_recipe: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    fake = ModuleType("wandb")
    fake.run = SimpleNamespace(summary={})  # type: ignore[attr-defined]
    fake.alert = lambda title, text, level: told.append(title)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", fake)
    recipe = make_recipe("run", "report.trackers=wandb")
    recorder = Recorder(Path(recipe.run.folder))
    for step, verdict in ((0, Verdict.UNDECIDED), (4, Verdict.LEARNING), (8, Verdict.OVERFITTING)):
        recorder.write("decision", step, **{k: v for k, v in decision(verdict, step).to_dict().items() if k != "step"})
    recorder.resume(4)
    recorder.close()
    watcher = telling(Quiet(), recipe)
    watcher.began(4, 12)
    for step, verdict in ((6, Verdict.LEARNING), (8, Verdict.OVERFITTING)):
        watcher.evaluated({"step": step}, decision(verdict, step))
    assert told == ["run: Overfitting at step 8"]
    again = telling(Quiet(), recipe)
    again.began(4, 12)
    again.evaluated({"step": 6}, decision(Verdict.BROKEN, 6))
    assert told[1:] == ["run: Broken at step 6"]


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


def test_spans_are_named_as_the_trainer_names_what_it_measures() -> None:
    ids, ones = np.array(["a", "b"]), np.array([1, 1])
    spans = {"label": SpanLosses(np.array([1.0, 3.0]), ones), "none": SpanLosses(np.zeros(2), np.zeros(2, int))}
    losses = ExampleLosses(3, ids, np.array([2.0, 4.0]), ones * 2, spans)
    assert of_spans("eval", losses, ("label", "none", "other")) == {"eval_label_loss": 2.0}
    assert of_spans("law", losses, ("label",)) == {"eval_law_label_loss": 2.0}
    assert of_spans("eval", None, ("label",)) == {}
