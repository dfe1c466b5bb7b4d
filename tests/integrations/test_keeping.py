"""The checkpoint that is recommended is on disk when the run has stopped, whatever the Trainer's rotation does."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from doneness.core import Action, StopDecision, Verdict, say
from doneness.integrations import DonenessCallback, sparing
from doneness.runs import Run
from tests.integrations.conftest import Plain, Planted, journal, recorded, said

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]
SAVING = {"save_strategy": "steps", "save_steps": 2}


class Keeping(Planted):
    """Recommends one step from then on, and stops at another."""

    def __init__(self, kept: int, stop: int) -> None:
        super().__init__(stop)
        self.kept = kept

    def decide(self, run: Run) -> StopDecision:
        at = run.last_step
        action = Action.STOP if at >= self.step else Action.CONTINUE
        kept = self.kept if at >= self.kept else None
        return StopDecision(action, Verdict.OVERFITTING, say("probe.choice.only", step=at), (), at, kept)


def held(tmp_path: Path) -> list[int]:
    return sorted(int(p.name.rpartition("-")[2]) for p in (tmp_path / "out").glob("checkpoint-*"))


@pytest.mark.parametrize(("limit", "left"), [(1, [2, 8]), (2, [2, 8]), (3, [2, 6, 8])])
def test_the_rotation_spares_the_recommended_one(plain: Plain, tmp_path: Path, limit: int, left: list[int]) -> None:
    plain.make(DonenessCallback(rule=Keeping(2, 8)), save_total_limit=limit, **SAVING).train()
    assert held(tmp_path) == left
    assert journal(tmp_path, "decision")[-1]["recommended_step"] == 2
    assert [c.step for c in recorded(tmp_path).checkpoints if c.exists] == left


def test_a_best_one_of_the_users_stays_theirs(plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    # The metric never gets better after step 2 in the user's eyes; the stop's save would cost the recommended one.
    users = {"metric_for_best_model": "runtime", "greater_is_better": True, "save_total_limit": 2}
    callback = DonenessCallback(rule=Keeping(6, 8))
    trainer = plain.make(callback, eval_on_start=False, **users, **SAVING)
    best: list[str | None] = []
    whole = trainer._determine_best_metric

    def first(metrics: dict[str, float], trial: Any) -> bool:
        found = whole({**metrics, "eval_runtime": -float(trainer.state.global_step)}, trial)
        best.append(trainer.state.best_global_step)
        return bool(found)

    trainer._determine_best_metric = first
    trainer.train()
    assert best == [2, 2, 2, 2] and trainer.state.best_model_checkpoint.endswith("checkpoint-2")
    assert held(tmp_path) == [2, 6] and callback.stopped and trainer.state.global_step == 8
    assert ["No checkpoint is saved" in line and "step 6" in line for line in said(caplog)] == [True]


@pytest.mark.parametrize(("asked", "room", "left"), [(True, True, [4, 8]), (False, True, [8]), (True, False, [8])])
def test_a_proven_improvement_is_saved(
    plain: Plain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool, room: bool, left: list[int]
) -> None:
    monkeypatch.setattr("doneness.integrations.sparing.has_room", lambda args, saved: room)
    callback = DonenessCallback(rule=Planted(99))
    callback.save_improved = asked
    plain.make(callback, save_strategy="steps", save_steps=100, learning_rate=0.02).train()
    # The first evaluation is what the next is held against; the Trainer itself saves at the end.
    assert held(tmp_path) == left


def test_none_are_saved_where_none_are_wanted(plain: Plain, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain.make(DonenessCallback(rule=Keeping(4, 8))).train()
    assert held(tmp_path) == [8]
    assert "step 4 is recommended, and no checkpoint of it is on disk" in said(caplog)[-1]


@pytest.mark.parametrize(("free", "room"), [(3000, False), (3001, True)])
def test_what_is_beyond_the_plan_leaves_room_for_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int, room: bool
) -> None:
    args = SimpleNamespace(output_dir=str(tmp_path))
    monkeypatch.setattr("doneness.integrations.sparing.shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert sparing.has_room(args, 2), "nothing is known of how large one is"
    (tmp_path / "checkpoint-2" / "part").mkdir(parents=True)
    (tmp_path / "checkpoint-2" / "part" / "weights").write_bytes(b"x" * 1000)
    assert sparing.has_room(args, 2) is room


@pytest.mark.parametrize(
    ("steps", "now", "limit", "best", "kept", "lost"),
    [
        ([2, 4, 6], 8, 2, None, 6, False),
        ([2, 4, 6], 8, 2, None, 4, True),
        ([2, 6], 8, 2, 2, 6, True),
        ([2, 6], 8, 2, 6, 6, False),
        ([2, 6], 6, 2, None, 2, False),
        ([2, 4], 8, 0, None, 2, False),
        ([2, 4], 8, 2, None, 3, False),
        ([4], 8, 1, None, 4, True),
    ],
)
def test_what_a_save_would_cost_is_what_the_rotation_deletes(
    tmp_path: Path, steps: list[int], now: int, limit: int, best: int | None, kept: int, lost: bool
) -> None:
    from transformers.trainer_utils import rotate_checkpoints

    for step in steps:
        (tmp_path / f"checkpoint-{step}").mkdir()
    told = None if best is None else str(tmp_path / f"checkpoint-{best}")
    args = SimpleNamespace(output_dir=str(tmp_path), save_total_limit=limit)
    assert sparing.loses(args, SimpleNamespace(global_step=now, best_model_checkpoint=told), kept) is lost
    there = (tmp_path / f"checkpoint-{kept}").is_dir()
    (tmp_path / f"checkpoint-{now}").mkdir(exist_ok=True)
    rotate_checkpoints(str(tmp_path), limit, told)
    assert (there and not (tmp_path / f"checkpoint-{kept}").is_dir()) is lost
