"""A cooldown is obeyed, lowers the rate to zero, ends the run, and survives a kill to the bit."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from doneness.cli.live import LiveWatcher
from doneness.config import Recipe
from doneness.core import Action, StopDecision, Verdict, say
from doneness.models import load_model
from doneness.runs import LEARNING_RATE, Run, read, read_records
from doneness.stopping.cooldown import Cooldown, cooldown_of, plan_cooldown
from doneness.train.loop import TrainResult, train
from doneness.train.method import apply_method
from doneness.workflows.rows import encode_recipe_rows, read_recipe_rows
from doneness.workflows.train import finished, train_run
from tests.train.conftest import Quiet

Make = Callable[..., Recipe]
PEAK = 5e-3


class CoolAt:
    """A rule that asks for a cooldown at one step, and from another one on gives a verdict with a stop."""

    name = "planted"

    def __init__(self, step: int, then: Verdict = Verdict.CONVERGED, after: int = 10**6) -> None:
        self.step, self.then, self.after = step, then, after

    def decide(self, run: Run) -> StopDecision:
        at = run.last_step
        action, verdict = Action.CONTINUE, Verdict.LEARNING
        if at >= self.step:
            action, verdict = Action.COOLDOWN, Verdict.CONVERGED
        if at >= self.after:
            action, verdict = Action.STOP, self.then
        return StopDecision(action, verdict, say("stopping.none_yet", step=at), (), at, None)


def run_with(recipe: Recipe, rule: CoolAt, watcher: Quiet | None = None) -> TrainResult:
    loaded = load_model(recipe.model.path, device="cpu")
    loaded = replace(loaded, model=apply_method(loaded.model, recipe.method, recipe.run.seed))
    rows = encode_recipe_rows(loaded.tokenizer, read_recipe_rows(recipe), recipe.data)
    return train(recipe, rows, loaded, rule, watcher or Quiet())


def long(make_recipe: Make, name: str, *overrides: str) -> Recipe:
    usual = ("schedule.kind=wsd", "schedule.max_steps=40", "stopping.on_stop=stop", "evaluation.every=4")
    return make_recipe(name, *usual, "data.eval_rows=4", *overrides)


def rates(folder: str) -> list[float]:
    column = read(folder)[0].series[LEARNING_RATE]
    return [float(v) for v in column.value]


def test_the_rate_falls_along_a_line_to_zero_and_never_above_the_plan() -> None:
    factor = Cooldown(20, 30).lowered(lambda step: 1.0)
    assert [factor(s) for s in (0, 20, 21, 25, 29, 30, 31)] == pytest.approx([1, 1, 0.9, 0.5, 0.1, 0, 0])
    planned: Callable[[int], float] = lambda step: max(0.0, 1.0 - step / 25)  # noqa: E731
    faster = Cooldown(20, 30).lowered(planned)
    assert faster(20) == planned(20)
    assert all(faster(s) <= planned(s) for s in range(50))
    assert faster(26) == 0.0


def test_its_length_is_a_share_of_the_steps_done_within_the_plan() -> None:
    assert plan_cooldown(1000, 0.15, 5000) == Cooldown(1000, 1150)
    assert plan_cooldown(8, 0.15, 5000) == Cooldown(8, 18)  # ten steps at least
    assert plan_cooldown(4990, 0.15, 5000) == Cooldown(4990, 5000)
    assert plan_cooldown(5000, 0.15, 5000) is None
    assert Cooldown(1000, 1150).looks == (1075, 1150)
    assert cooldown_of([{"kind": "cooldown", "step": 8, "end": 18}]) == Cooldown(8, 18)
    assert cooldown_of([{"kind": "cooldown", "step": 8, "end": 8}]) is None


@pytest.mark.parametrize(
    ("action", "verdict", "step", "becomes"),
    [
        (Action.STOP, Verdict.CONVERGED, 25, (Action.CONTINUE, "train.cooling")),
        (Action.STOP, Verdict.OVERFITTING, 25, (Action.CONTINUE, "train.cooling")),
        (Action.COOLDOWN, Verdict.CONVERGED, 25, (Action.CONTINUE, "train.cooling")),
        (Action.CONTINUE, Verdict.LEARNING, 30, (Action.STOP, "train.cooled")),
        (Action.STOP, Verdict.DIVERGED, 25, (Action.STOP, "stopping.none_yet")),
        (Action.STOP, Verdict.BROKEN, 30, (Action.STOP, "stopping.none_yet")),
    ],
)
def test_only_broken_and_diverged_end_it_early(
    action: Action, verdict: Verdict, step: int, becomes: tuple[Action, str]
) -> None:
    decision = StopDecision(action, verdict, say("stopping.none_yet", step=step), (), step, None)
    found = Cooldown(20, 30).govern(decision)
    assert (found.action, found.reason.key) == becomes
    assert found.verdict is verdict
    assert found.reason.text("zh")


@pytest.mark.model
def test_a_cooldown_is_obeyed_and_ends_the_run(make_recipe: Make) -> None:
    recipe = long(make_recipe, "cooled")
    watcher = Quiet()
    result = run_with(recipe, CoolAt(8, Verdict.OVERFITTING, after=12), watcher)
    assert (result.ending, result.step) == ("cooled", 18)
    assert finished(Path(recipe.run.folder)) == "cooled"
    assert ("cooling", 8, 18) in watcher.told
    assert rates(recipe.run.folder) == pytest.approx([PEAK] * 9 + [PEAK * k / 10 for k in range(9, 0, -1)])
    records, _ = read_records(Path(recipe.run.folder) / "journal.jsonl")
    cooldown = [r for r in records if r["kind"] == "cooldown"]
    assert [(r["step"], r["end"], r["rate"], r["by"]) for r in cooldown] == [(8, 18, PEAK, "rule")]
    run = read(recipe.run.folder)[0]
    assert run.number("planned_steps") == 18
    assert run.until(8).number("planned_steps") == 40
    assert run.until(12).number("planned_steps") == 18
    assert run.evals is not None
    assert [int(s) for s in run.evals.step] == [0, 1, 2, 4, 8, 12, 13, 16, 18]
    told = [(e.step, e.data["action"]) for e in run.events if e.kind == "decision"]
    assert told[4:] == [(8, "cooldown"), (12, "continue"), (13, "continue"), (16, "continue"), (18, "stop")]
    assert run.checkpoints[-1].step == 18
    assert run.checkpoints[-1].exists


@pytest.mark.model
def test_a_note_does_not_cool_and_divergence_ends_a_cooldown_at_once(make_recipe: Make) -> None:
    noted = long(make_recipe, "noted", "stopping.on_stop=note", "schedule.max_steps=12")
    assert run_with(noted, CoolAt(4)).ending == "finished"
    assert cooldown_of(read_records(Path(noted.run.folder) / "journal.jsonl")[0]) is None
    diverged = run_with(long(make_recipe, "diverged"), CoolAt(8, Verdict.DIVERGED, after=12))
    assert (diverged.ending, diverged.step) == ("stopped", 12)


class Dying(Quiet):
    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def trained(self, record: dict[str, object]) -> None:
        if record["step"] == self.at:
            raise RuntimeError("killed")


@pytest.mark.model
def test_a_cooldown_that_was_killed_resumes_to_the_same_bits(make_recipe: Make) -> None:
    whole, broken = (long(make_recipe, name, "method.dropout=0.1") for name in ("whole", "broken"))
    run_with(whole, CoolAt(8))
    # In the middle of the cooldown; then behind its last planned look.
    for at in (15, 17):
        with pytest.raises(RuntimeError):
            run_with(broken, CoolAt(8), Dying(at))
    watcher = Quiet()
    assert run_with(broken, CoolAt(8), watcher).ending == "cooled"
    assert watcher.told[0] == ("began", 16, 18)
    one, other = read(whole.run.folder)[0], read(broken.run.folder)[0]
    for name in ("train/loss", "eval/loss", LEARNING_RATE):
        np.testing.assert_array_equal(one.series[name].step, other.series[name].step)
        np.testing.assert_array_equal(one.series[name].value, other.series[name].value)
    for a, b in zip(one.examples, other.examples, strict=True):
        np.testing.assert_array_equal(a.nll, b.nll)
    last = [Path(each.run.folder) / "checkpoint-18" / "adapter_model.safetensors" for each in (whole, broken)]
    assert last[0].read_bytes() == last[1].read_bytes()


@pytest.mark.model
def test_killed_before_the_last_line_it_stays_cooled(make_recipe: Make) -> None:
    recipe = long(make_recipe, "line")
    run_with(recipe, CoolAt(8))
    journal = Path(recipe.run.folder) / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    assert json.loads(lines[-1])["reason"] == "cooled"
    journal.write_text("".join(lines[:-1]))
    assert run_with(recipe, CoolAt(8)).ending == "cooled"
    assert read(recipe.run.folder)[0].last_step == 18


@pytest.mark.model
def test_wsd_decays_at_the_latest_to_the_planned_end(make_recipe: Make) -> None:
    recipe = make_recipe("wsd", "schedule.kind=wsd", "schedule.max_steps=10", "schedule.decay_share=0.4")
    train_run(recipe, Quiet())
    assert rates(recipe.run.folder) == pytest.approx([PEAK] * 7 + [PEAK * k / 4 for k in (3, 2, 1)])


@pytest.mark.model
def test_a_cooldown_can_be_asked_for_from_outside_once(make_recipe: Make) -> None:
    recipe = make_recipe("asked", "schedule.kind=constant", "schedule.max_steps=30", "data.eval_rows=4")
    folder = Path(recipe.run.folder)
    folder.mkdir()
    lines = [
        {"request": "cooldown", "who": "me"},
        {"request": "keep", "step": 1},
        {"request": "keep"},
        {"request": ""},
    ]
    (folder / "control.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    trained = train_run(recipe, Quiet())
    assert (trained.ending, trained.run.last_step) == ("cooled", 11)
    records, _ = read_records(folder / "journal.jsonl")
    asked = [(r["request"], r.get("keep")) for r in records if r["kind"] == "request"]
    assert asked == [("cooldown", None), ("keep", 1)]
    assert [r["by"] for r in records if r["kind"] == "cooldown"] == ["request"]


def test_the_live_view_counts_to_the_new_end() -> None:
    out = Console(file=io.StringIO(), width=200)
    watcher = LiveWatcher(out)
    watcher.began(0, 40)
    watcher.cooling(8, 18)
    assert watcher.total == 18
    assert "step 18" in out.file.getvalue()  # type: ignore[attr-defined]
