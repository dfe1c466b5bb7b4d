"""A cooldown in somebody else's loop: the rate falls along a line to zero, and the run ends there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import Action, StopDecision, Verdict
from doneness.integrations import DonenessCallback, Monitor
from doneness.runs import Run, read
from doneness.stopping import EvidenceRule
from tests.integrations.conftest import Plain, Planted, journal, recorded, said

RATE = 5e-3
quiet = pytest.mark.filterwarnings("ignore::FutureWarning")


def cooling(step: int, verdict: Verdict = Verdict.CONVERGED) -> Planted:
    return Planted(step, Action.COOLDOWN, verdict)


def rates(run: Run) -> list[float]:
    return [float(value) for value in run.series["train/learning_rate"].value]


# Decided at step 4 of 40: ten steps, the least.
LONG = {"max_steps": 40, "lr_scheduler_type": "constant", "eval_steps": 4, "save_strategy": "steps", "save_steps": 4}
FALLEN = [RATE] * 5 + [RATE * left / 10 for left in range(9, 0, -1)]


@pytest.mark.model
@quiet
def test_a_cooldown_is_obeyed(plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    callback = DonenessCallback(rule=cooling(4))
    trainer = plain.make(callback, **LONG)
    trainer.train()
    assert trainer.state.global_step == 14 and callback.stopped
    run = recorded(tmp_path)
    np.testing.assert_allclose(rates(run), FALLEN, rtol=1e-9)
    assert [(r["step"], r["end"], r["rate"], r["by"]) for r in journal(tmp_path, "cooldown")] == [(4, 14, RATE, "rule")]
    # Also half-way and at the end.
    assert run.evals is not None and run.evals.step.tolist() == [4, 8, 9, 12, 14]
    told = journal(tmp_path, "decision")
    assert [d["action"] for d in told] == ["cooldown", *["continue"] * 3, "stop"]
    assert told[-1]["reason"]["key"] == "train.cooled" and run.events[-1].data["reason"] == "cooled"
    assert (tmp_path / "out" / "checkpoint-14").is_dir() and (tmp_path / "out" / "checkpoint-4").is_dir()
    assert "falls to zero from here to step 14" in said(caplog)[0] and len(said(caplog)) == 2
    # Nothing is left of it on the schedule.
    assert {type(each).__name__ for each in trainer.lr_scheduler.lr_lambdas} == {"function"} | {
        type(each).__name__ for each in trainer.lr_scheduler.lr_lambdas
    } - {"Lowered"}


@pytest.mark.model
@quiet
def test_a_cooldown_goes_on_where_it_was_broken_off(plain: Plain, tmp_path: Path) -> None:
    class Dying(Planted):
        def decide(self, run: Run) -> StopDecision:
            if run.last_step == 12:
                raise KeyboardInterrupt
            return super().decide(run)

    with pytest.raises(KeyboardInterrupt):
        plain.make(DonenessCallback(rule=Dying(4, Action.COOLDOWN, Verdict.CONVERGED)), **LONG).train()
    trainer = plain.make(DonenessCallback(rule=cooling(4)), **LONG)
    trainer.train(resume_from_checkpoint=str(tmp_path / "out" / "checkpoint-8"))
    assert trainer.state.global_step == 14
    np.testing.assert_allclose(rates(recorded(tmp_path)), FALLEN, rtol=1e-9)
    assert len(journal(tmp_path, "cooldown")) == 1
    # Resumed from its own end, it ends again.
    again = DonenessCallback(rule=cooling(4))
    trainer = plain.make(again, **LONG)
    trainer.train(resume_from_checkpoint=True)
    assert trainer.state.global_step == 15 and again.over is not None
    assert recorded(tmp_path).last_step == 14


@pytest.mark.model
@quiet
@pytest.mark.parametrize(
    ("changes", "options", "key", "line"),
    [
        (
            {"lr_scheduler_type": "reduce_lr_on_plateau"},
            {},
            "integrations.cooldown",
            "ReduceLROnPlateau is no LambdaLR",
        ),
        ({}, {"on_stop": "note"}, "integrations.noted_cooldown", 'on_stop="note"'),
    ],
)
def test_where_nobody_lowers_the_rate_it_is_a_note_and_said_once(
    plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture, changes: Any, options: Any, key: str, line: str
) -> None:
    trainer = plain.make(DonenessCallback(rule=cooling(4), **options), **changes)
    trainer.train()
    assert trainer.state.global_step == 8 and journal(tmp_path, "cooldown") == []
    assert [d["reason"]["key"] for d in journal(tmp_path, "decision")][1:] == [key] * 3
    assert [line in each for each in said(caplog)] == [True]


@pytest.mark.model
def test_a_checkpoint_holds_the_plan_alone() -> None:
    """Written in a cooldown, a scheduler's state fits one that knows of none; a function's own state is kept."""
    import torch

    from doneness.integrations.cooling import Schedule
    from doneness.stopping.cooldown import Cooldown

    class Planned:
        def __init__(self) -> None:
            self.mark = 3

        def __call__(self, step: int) -> float:
            return 1.0

    def made() -> tuple[Any, Planned]:
        planned = Planned()
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, planned), planned

    scheduler, planned = made()
    schedule = Schedule(scheduler, 0)
    schedule.lower(Cooldown(0, 10), 0)
    scheduler.optimizer.step()
    scheduler.step()
    assert schedule.rate == pytest.approx(0.9)
    planned.mark = 7
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"mark": 7}]
    other, theirs = made()
    Schedule(other, 0).lower(Cooldown(0, 10), 0)
    other.load_state_dict(state)
    assert theirs.mark == 7
    schedule.let_go()
    assert scheduler.lr_lambdas == [planned]


def settled(step: int) -> dict[str, Any]:
    """An evaluation of a run that stands still at a high rate: 1,500 rows with little noise."""
    noise = np.random.default_rng(step).normal(0.0, 0.02, 1500)
    loss = 1.0 + 1.5 * np.exp(-step / 60.0)
    return {"per_example": 20.0 * loss + noise, "tokens": np.full(1500, 20)}


def looped(folder: Path, lines: bool, steps: int = 1500) -> tuple[int, list[str], list[float]]:
    """A hand-written loop at a constant rate, with the lines for a cooldown or without."""
    told, used = [], []
    with Monitor(folder, planned_steps=steps, steps_per_epoch=300) as monitor:
        for step in range(1, steps + 1):
            used.append(RATE * (monitor.factor(step - 1) if lines else 1.0))
            monitor.log_train(step, loss=1.0 + 1.5 * np.exp(-step / 60.0), learning_rate=used[-1])
            if step % 50 == 0:
                told.append(monitor.log_eval(step, **settled(step)).action.value)
                if lines and monitor.should_cool:
                    monitor.cool_down()
            if monitor.should_stop:
                break
    return step, told, used


def test_a_loop_that_lowers_its_rate_ends(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    last, told, used = looped(tmp_path / "run", lines=True)
    assert told[-1] in ("continue", "stop") and told.count("cooldown") == 1
    run = read(tmp_path / "run")[0]
    begun = run.number("cooldown_step")
    assert begun is not None and last == run.number("planned_steps") == begun + round(0.15 * begun)
    assert used[int(begun)] == RATE and used[-1] == pytest.approx(RATE / (last - begun))
    assert run.events[-1].data["reason"] == "stopped"
    assert said(caplog) == []


def test_a_loop_that_does_not_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    last, told, _ = looped(tmp_path / "run", lines=False)
    assert last == 1500 and told.count("cooldown") > 5
    assert ["monitor.cool_down()" in line for line in said(caplog)] == [True]


def test_a_cooldown_begun_is_gone_on_with(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run", rule=cooling(100), planned_steps=1000) as monitor:
        assert monitor.cooldown is None and monitor.factor(100) == 1.0
        monitor.log_eval(100, loss=1.0)
        assert monitor.should_cool and not monitor.should_stop
        begun = monitor.cool_down(rate=RATE)
        assert begun is not None and (begun.start, begun.end) == (100, 115) and not monitor.should_cool
        assert monitor.cool_down() == begun, "one at a time"
        monitor.log_train(110, loss=1.0)
        monitor.let_go()
    with Monitor(tmp_path / "run", rule=cooling(100)) as monitor:
        assert [monitor.factor(s) for s in (100, 106, 115, 120)] == [1.0, 0.6, 0.0, 0.0]
        monitor.log_train(115, loss=1.0)
        assert monitor.should_stop
        assert monitor.log_eval(115, loss=1.0).action is Action.STOP


@pytest.mark.parametrize(("lowers", "action"), [(True, True), (False, False)])
def test_the_rule_knows_whether_the_loop_can_lower(tmp_path: Path, lowers: bool, action: bool) -> None:
    seen: list[bool] = []

    class Asked(EvidenceRule):
        def decide(self, run: Run) -> StopDecision:
            seen.append(self.cools)
            return super().decide(run)

    with Monitor(tmp_path / "run", rule=Asked()) as monitor:
        if lowers:
            monitor.factor(0)
        monitor.log_eval(1, loss=1.0)
    assert seen == [action]
