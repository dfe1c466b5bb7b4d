"""What is planned is what is trained, to the token: packed, accumulated, rows left out, passes broken off, two
processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.train.conftest import Quiet
from tests.train.conftest import make_recipe as make_recipe

from doneness.config import Recipe, dump_recipe
from doneness.runs import read_records
from doneness.workflows.plan import Planned, plan_recipe
from doneness.workflows.train import train_run

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
ROOT = Path(__file__).parents[2]


def rows(place: Path) -> Path:
    """Twenty-three rows that are kept, one without an answer, and one that is too long."""
    made = [{"prompt": f"What is {i}?", "completion": f"{i} is " + "much " * (i % 5) + "so"} for i in range(23)]
    made.insert(7, {"prompt": "What is nothing?", "completion": ""})
    made.insert(15, {"prompt": "What is all?", "completion": "everything " * 30})
    file = place / "uneven.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in made), encoding="utf-8")
    return file


def settings(place: Path, *more: str) -> tuple[str, ...]:
    return (
        f"data.train={rows(place)}", "data.on_empty=skip", "data.on_long=skip", "data.max_length=96",
        "optimizer.batch_size=8", "optimizer.micro_batch=2", "schedule.epochs=1.4", "checkpoints.every=3",
        "health.every=0", "evaluation.every=2", *more,
    )  # fmt: skip


def trained(folder: str) -> dict[str, Any]:
    records, _ = read_records(Path(folder) / "journal.jsonl")
    last = [r for r in records if r["kind"] == "train"][-1]
    return {
        "steps": last["step"], "tokens": last["tokens"], "targets": last["targets"],
        "looks": sorted({r["step"] for r in records if r["kind"] == "eval"}),
        "saves": sorted({r["step"] for r in records if r["kind"] == "checkpoint"}),
        "meta": next(r["meta"] for r in records if r["kind"] == "start"),
    }  # fmt: skip


def same(planned: Planned, found: dict[str, Any]) -> None:
    budget, meta = planned.budget, found["meta"]
    assert budget.steps == found["steps"] == meta["planned_steps"]
    assert (budget.total_tokens, budget.total_target_tokens) == (found["tokens"], found["targets"])
    assert (budget.tokens, budget.target_tokens) == (meta["train_tokens"], meta["train_targets"])
    assert (budget.rows, planned.eval_rows) == (meta["train_rows"], meta["eval_rows"])
    assert budget.steps_per_epoch == meta["steps_per_epoch"]
    assert [0, *planned.looks] == found["looks"]
    assert list(planned.saves) == found["saves"]
    assert planned.memory is not None
    assert planned.memory.trainable == meta["trainable_parameters"]


@pytest.mark.parametrize("more", [(), ("data.packing=false", "data.group_by_length=true")])
def test_one_process(make_recipe: Make, tmp_path: Path, more: tuple[str, ...]) -> None:
    recipe = make_recipe("run", *settings(tmp_path, *more))
    planned = plan_recipe(recipe)
    assert (planned.budget.rows, planned.dropped) == (23, 2)
    assert (planned.budget.padding_share > 0) == bool(more)
    train_run(recipe, Quiet())
    found = trained(recipe.run.folder)
    assert found["meta"]["packed"] is not bool(more)
    same(planned, found)


def test_two_processes(make_recipe: Make, tmp_path: Path) -> None:
    recipe = make_recipe("two", *settings(tmp_path))
    place = tmp_path / "recipe.toml"
    place.write_text(dump_recipe(recipe), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "doneness", "train", str(place)]
    going = [
        subprocess.Popen(command, cwd=ROOT, env=os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank},
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for rank in ("0", "1")
    ]  # fmt: skip
    said = [each.communicate(timeout=600) for each in going]
    assert [each.returncode for each in going] == [0, 0], said
    found = trained(recipe.run.folder)
    assert found["meta"]["processes"] == 2
    same(plan_recipe(recipe), found)


def test_pairs_are_counted_as_they_are_trained(make_recipe: Make, tmp_path: Path) -> None:
    pairs = [{"prompt": f"What is {i}?", "chosen": f"{i} is so", "rejected": "no " * (1 + i % 4)} for i in range(13)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in pairs), encoding="utf-8")
    recipe = make_recipe(
        "dpo", "run.stage=dpo", f"data.train={file}", "data.eval=", "data.hold_out=none", "optimizer.batch_size=4",
        "optimizer.micro_batch=2", "schedule.epochs=1.5", "health.every=0",
    )  # fmt: skip
    planned = plan_recipe(recipe)
    train_run(recipe, Quiet())
    found = trained(recipe.run.folder)
    budget = planned.budget
    assert (budget.steps, budget.total_tokens, budget.total_target_tokens) == (
        found["steps"], found["tokens"], found["targets"]
    )  # fmt: skip
    assert planned.memory is not None
    assert planned.memory.items["logits"] > 0
