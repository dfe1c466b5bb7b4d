"""Requests from outside to somebody else's trainer: stop, cooldown, keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.integrations import DonenessCallback, Monitor
from doneness.integrations.requests import protect
from doneness.runs.control import ask
from tests.integrations.conftest import Plain, Planted, journal, recorded
from tests.integrations.test_cooling import FALLEN, LONG, rates

quiet = pytest.mark.filterwarnings("ignore::FutureWarning")
Ask = Callable[[Path], Any]


def asking(at: dict[int, Ask], folder: Path) -> Any:
    """A callback that asks, from outside as it were, when a step begins."""
    from transformers import TrainerCallback

    class Asking(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step in at:
                at[state.global_step](folder)

    return Asking()


def run(plain: Plain, tmp_path: Path, at: dict[int, Ask], resume: Any = None, **changes: Any) -> Any:
    callback = DonenessCallback(rule=Planted(10**6), on_stop="note")
    trainer = plain.make(callback, **(LONG | changes))
    trainer.add_callback(asking(at, tmp_path / "out" / "doneness"))
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def requests(tmp_path: Path) -> list[tuple[Any, ...]]:
    return [(r["step"], r["request"], r["who"], r.get("refused", False)) for r in journal(tmp_path, "request")]


@pytest.mark.model
@quiet
def test_a_stop_ends_the_run_at_its_next_step_with_a_checkpoint(plain: Plain, tmp_path: Path) -> None:
    trainer = run(plain, tmp_path, {5: lambda folder: ask(folder, "stop", "Ann")})
    assert trainer.state.global_step == 6
    assert (tmp_path / "out" / "checkpoint-6" / "model.safetensors").is_file()
    assert requests(tmp_path) == [(6, "stop", "Ann", False)]
    (told,) = journal(tmp_path, "request")
    assert told["asked"] and told["at"] and told["id"]
    assert [r["reason"] for r in journal(tmp_path, "end")] == ["requested"]
    assert 6 in [c.step for c in recorded(tmp_path).checkpoints if c.exists]


@pytest.mark.model
@quiet
def test_a_resumed_run_does_not_obey_an_old_stop(plain: Plain, tmp_path: Path) -> None:
    run(plain, tmp_path, {5: lambda folder: ask(folder, "stop", "Ann")})
    ask(tmp_path / "out" / "doneness", "stop", "too late")
    trainer = run(plain, tmp_path, {}, resume=True, max_steps=9)
    assert trainer.state.global_step == 9
    assert requests(tmp_path) == [(6, "stop", "Ann", False)]
    # From further back as well.
    trainer = run(plain, tmp_path, {}, resume=str(tmp_path / "out" / "checkpoint-4"), max_steps=9)
    assert trainer.state.global_step == 9


@pytest.mark.model
@quiet
def test_a_cooldown_is_begun_and_ends_the_run(plain: Plain, tmp_path: Path) -> None:
    at = {3: lambda folder: ask(folder, "cooldown", "Bo"), 6: lambda folder: ask(folder, "cooldown", "Cy")}
    trainer = run(plain, tmp_path, at)
    assert trainer.state.global_step == 14
    np.testing.assert_allclose(rates(recorded(tmp_path)), FALLEN, rtol=1e-9)
    assert requests(tmp_path) == [(4, "cooldown", "Bo", False), (7, "cooldown", "Cy", True)]
    assert [(r["step"], r["end"], r["by"]) for r in journal(tmp_path, "cooldown")] == [(4, 14, "request")]
    assert [r["reason"] for r in journal(tmp_path, "end")] == ["cooled"]


@pytest.mark.model
@quiet
def test_a_kept_checkpoint_outlives_the_rotation(plain: Plain, tmp_path: Path) -> None:
    at: dict[int, Ask] = {
        5: lambda folder: ask(folder, "keep", "Ann", 4),
        6: lambda folder: ask(folder, "keep", "Ann", 8),  # that is yet to come
        7: lambda folder: ask(folder, "keep", "Ann", 2),  # that never was
    }
    run(plain, tmp_path, at, save_total_limit=1, max_steps=20)
    assert [p.name for p in (tmp_path / "out").glob("checkpoint-*")] == ["checkpoint-20"]
    kept = tmp_path / "out" / "doneness" / "kept"
    assert sorted(p.name for p in kept.iterdir()) == ["checkpoint-4", "checkpoint-8"]
    assert (kept / "checkpoint-4" / "model.safetensors").stat().st_size > 1000
    assert requests(tmp_path) == [(6, "keep", "Ann", False), (8, "keep", "Ann", True), (8, "keep", "Ann", False)]
    there = {c.step for c in recorded(tmp_path).checkpoints if c.exists}
    assert {4, 8, 20} <= there
    assert len(recorded(tmp_path).checkpoints) == 5


@pytest.mark.model
@quiet
def test_a_stop_does_not_cost_the_recommended_checkpoint(plain: Plain, tmp_path: Path) -> None:
    class Recommending(Planted):
        def decide(self, run: Any) -> Any:
            from dataclasses import replace

            return replace(super().decide(run), recommended_step=4)

    callback = DonenessCallback(rule=Recommending(10**6))
    trainer = plain.make(callback, **(LONG | {"save_total_limit": 1}))
    trainer.add_callback(asking({5: lambda folder: ask(folder, "stop", "Ann")}, tmp_path / "out" / "doneness"))
    trainer.train()
    assert trainer.state.global_step == 6
    there = {c.step for c in recorded(tmp_path).checkpoints if c.exists}
    assert {4, 6} <= there


def test_a_loop_is_told_to_stop_and_to_cool(tmp_path: Path) -> None:
    with Monitor(tmp_path / "run", planned_steps=100) as monitor:
        monitor.log_train(1, loss=2.0)
        assert not monitor.should_stop and not monitor.should_cool
        ask(tmp_path / "run", "cooldown", "Ann")
        assert monitor.should_cool
        assert monitor.cool_down(rate=1e-4) is not None and not monitor.should_cool
        monitor.log_train(2, loss=2.0)
        ask(tmp_path / "run", "stop", "Bo")
        assert monitor.should_stop and monitor.should_stop
        told = [(r["request"], r["who"]) for r in monitor._open.records if r["kind"] == "request"]
        assert told == [("cooldown", "Ann"), ("stop", "Bo")]
    with Monitor(tmp_path / "run", planned_steps=100) as monitor:
        assert not monitor.should_stop


def test_a_checkpoint_that_is_one_file_is_kept_too(tmp_path: Path) -> None:
    (tmp_path / "last.ckpt").write_text("weights")
    place = protect(tmp_path / "run", tmp_path / "last.ckpt")
    (tmp_path / "last.ckpt").unlink()
    assert place.read_text() == "weights" and protect(tmp_path / "run", tmp_path / "gone" / "last.ckpt") == place
