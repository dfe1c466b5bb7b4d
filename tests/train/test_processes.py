"""Two processes train as one does: the same steps, one journal, one voice."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from doneness.config import load_recipe
from doneness.core import RecipeError
from doneness.runs import read, read_records
from doneness.testing.tiny import make_tiny_model
from doneness.train.order import Order, Split
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet
from tests.train.trajectories import ROWS, STEPS, Apart, course, golden, write_recipe

model = pytest.mark.model
ROOT = Path(__file__).parents[2]
# Judged on seven rows, which two cannot halve; trained in padded batches of like length until tokens are spent.
JUDGED = (
    "[evaluation]\nevery = 5\nbatch_size = 2\n[checkpoints]\nwith_evaluations = false\n[stopping]\nmax_tokens = 2000\n",
    "[preference]\nbeta = 0.1",
)


@dataclass(frozen=True)
class Launch:
    """What two processes left behind: exit codes, and what each wrote to both streams."""

    place: Path
    codes: list[int]
    out: list[str]
    err: list[str]


def judged(place: Path, model: Path, micro: int) -> Path:
    recipe = write_recipe(place, model, "sft", micro, *JUDGED)
    rows = [{"prompt": f"What is {i} like?", "completion": f"{i} is " + "much " * (i % 4) + "so"} for i in range(7)]
    (place / "eval.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    text = recipe.read_text(encoding="utf-8")
    text = text.replace('hold_out = "none"', 'eval = "eval.jsonl"\ngroup_by_length = true\npacking = false')
    recipe.write_text(text, encoding="utf-8")
    return recipe


def taught(place: Path, model: Path, micro: int) -> Path:
    """One pass after the hidden states of a teacher of another width: what projects them learns, too."""
    if not (teacher := place / "teacher").is_dir():
        make_tiny_model(teacher, hidden=48, layers=3, seed=5)
    more = f'[distill]\nkind = "hidden"\nteacher = "{teacher}"\n'
    recipe = write_recipe(place, model, "sft", micro, more)
    text = recipe.read_text(encoding="utf-8").replace('stage = "sft"', 'stage = "distill"')
    recipe.write_text(text.replace(f"max_steps = {STEPS['sft']}", "max_steps = 7"), encoding="utf-8")
    return recipe


@pytest.fixture(scope="module")
def two(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Launch:
    place = tmp_path_factory.mktemp("two")
    for stage in STEPS:
        write_recipe(place / stage, tiny_model, stage, 2)
    judged(place / "judged", tiny_model, 2)
    taught(place / "taught", tiny_model, 2)
    write_recipe(place / "killed", tiny_model, "sft", 2)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared |= {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "ignore", "-m", "tests.train.spread", str(place)]
    going = []
    for rank in ("0", "1"):
        environment = os.environ | shared | {"RANK": rank, "LOCAL_RANK": rank}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        going.append(subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes))
    said = [each.communicate(timeout=600) for each in going]
    return Launch(place, [each.returncode for each in going], [s[0] for s in said], [s[1] for s in said])


@model
@pytest.mark.parametrize("stage", STEPS)
def test_the_course_is_the_same_however_a_step_is_shared(
    stage: str, two: Launch, tiny_model: Path, tmp_path: Path
) -> None:
    known = golden(stage)
    shared = course(two.place / stage / "run")
    # Two processes by two rows, one by one row four times; the golden is of one process by four rows.
    train_run(load_recipe(write_recipe(tmp_path, tiny_model, stage, 1)), Quiet())
    alone = course(tmp_path / "run")
    for name in ("loss", "grad_norm"):
        assert len(alone[name]) == STEPS[stage]
        apart = Apart.of(shared[name], alone[name])
        assert apart.largest < 5e-5 and apart.drift < 5e-6, (name, apart)
        # Other versions and other processors round in other ways.
        apart = Apart.of(shared[name], known[name])
        assert apart.largest < 1e-3 and apart.drift < 2e-4, (name, apart)
    assert shared["loss"][-1] < shared["loss"][0]


@model
def test_what_is_learnt_beside_the_model_is_the_same_however_a_step_is_shared(
    two: Launch, tiny_model: Path, tmp_path: Path
) -> None:
    train_run(load_recipe(taught(tmp_path, tiny_model, 4)), Quiet())
    for name, values in course(two.place / "taught" / "run").items():
        # The last step has three rows, and one process has one more of them than the other.
        np.testing.assert_allclose(values, course(tmp_path / "run")[name], rtol=1e-4)
    shared, alone = (
        read(place / "run")[0].series["train/distill/hidden"] for place in (two.place / "taught", tmp_path)
    )
    np.testing.assert_allclose(shared.value, alone.value, rtol=1e-4)


@model
def test_a_signal_to_one_process_stops_all_and_they_go_on(two: Launch) -> None:
    assert [out.splitlines()[0] for out in two.out] == ["interrupted 0", "interrupted 1"]
    records = [r for r in read_records(two.place / "sft" / "run" / "journal.jsonl")[0] if r["kind"] != "train"]
    kinds = [(r["kind"], r["step"]) for r in records]
    # Heard in a forward pass of step 5, and acted on when that step was done.
    assert kinds == [
        ("start", 0),
        ("checkpoint", 5),
        ("resume", 5),
        ("checkpoint", STEPS["sft"]),
        ("end", STEPS["sft"]),
    ]
    names = {file.name for file in (two.place / "sft" / "run" / "checkpoint-5").iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth", "optimizer.pt", "adapter_model.safetensors"} <= names


@model
def test_two_processes_judge_and_stop_as_one_does(two: Launch, tiny_model: Path, tmp_path: Path) -> None:
    train_run(load_recipe(judged(tmp_path, tiny_model, 4)), Quiet())
    alone, both = read(tmp_path / "run")[0], read(two.place / "judged" / "run")[0]
    assert alone.train is not None and both.train is not None and both.train.tokens is not None
    np.testing.assert_allclose(both.train.value, alone.train.value, atol=1e-4)
    # Counted over both, and a step less would not have spent them.
    np.testing.assert_array_equal(both.train.tokens, alone.train.tokens)
    assert both.train.tokens[-2] < 2000 <= both.train.tokens[-1]
    assert 5 < both.last_step < STEPS["sft"]
    # Every row once, whoever scored it.
    assert [e.step for e in both.examples] == [e.step for e in alone.examples] == [0, 1, 2, 4, 5, both.last_step]
    for theirs, ours in zip(both.examples, alone.examples, strict=True):
        assert theirs.ids.tolist() == ours.ids.tolist() and len(set(theirs.ids.tolist())) == len(ours.ids) == 7
        np.testing.assert_allclose(theirs.nll, ours.nll, rtol=1e-4)
    keys = ("action", "verdict")
    told = [[(e.kind, e.step, *map(e.data.get, keys)) for e in run.events] for run in (both, alone)]
    assert told[0] == told[1]
    assert told[0][-1][0] == "end" and ("decision", both.last_step, "stop") in [each[:3] for each in told[0]]
    assert (both.meta["processes"], alone.meta["processes"]) == (2, 1)
    # One writer: as many lines of every kind as one process writes.
    lines = [(folder / "journal.jsonl").read_text().count("\n") for folder in (both.path, alone.path) if folder]
    assert lines[0] == lines[1]


@model
def test_the_first_process_speaks_and_a_lost_one_is_told_once(two: Launch) -> None:
    by_command = [out.partition("by command\n")[2].partition("told ") for out in two.out]
    assert "2 processes share each step: 4 rows" in by_command[0][0] and "evaluation loss" in by_command[0][0]
    assert by_command[1][0] == "" and [part[2][0] for part in by_command] == ["0", "0"]
    # The second was killed: the first ends with one line and exit code 2, and waits for nobody.
    assert two.codes == [2, 9]
    assert two.err[1].strip() == ""
    lines = two.err[0].strip().splitlines()
    assert len(lines) == 1 and "another process of this training is gone" in lines[0], two.err[0]


@pytest.mark.parametrize("kind", ["random", "length", "given"])
def test_a_step_is_the_same_rows_in_every_split(kind: str) -> None:
    lengths = [3 + (7 * i) % 11 for i in range(ROWS)]
    steps = Order(lengths, Split(8, 8), 5, kind).steps
    for processes, micro in ((1, 8), (1, 1), (2, 4), (2, 1), (4, 2), (8, 1)):
        orders = [Order(lengths, Split(8, micro, rank, processes), 5, kind) for rank in range(processes)]
        for step in range(1, 2 * steps + 1):
            rows = Order(lengths, Split(8, 8), 5, kind).rows(step)
            shares = [order.split.share(order.rows(step)) for order in orders]
            taken = [row for share in shares for part in share for row in part]
            assert sorted(row for row in taken if row >= 0) == sorted(rows)
            # All go along in every pass, and none has more of them than fit.
            assert len({len(share) for share in shares}) == 1
            assert all(0 < len(part) <= micro for share in shares for part in share)
        passes = [row for step in range(1, steps + 1) for row in orders[0].rows(step)]
        assert sorted(passes) == list(range(ROWS))


def test_a_step_that_does_not_come_out_even_is_refused(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = load_recipe(write_recipe(tmp_path, tiny_model, "sft", 4))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(RecipeError, match=r"micro_batch × processes \(4 × 2\); set optimizer.micro_batch = 2"):
        train_run(recipe, Quiet())
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(RecipeError, match="all 3 processes and does not part among them; set it to 6"):
        train_run(recipe, Quiet())
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("ACCELERATE_USE_FSDP", "true")
    packed = load_recipe(tmp_path / "recipe.toml", ["method.kind=qlora"])
    with pytest.raises(RecipeError, match="kept in 4 bits are not parted over cards by FSDP"):
        train_run(packed, Quiet())
    assert not (tmp_path / "run").exists()
