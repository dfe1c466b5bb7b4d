from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.config import Recipe
from doneness.core import DonenessError, StorageError
from doneness.runs import read, read_records
from doneness.workflows.train import finished, train_run
from tests.train.conftest import Quiet
from tests.train.dying import kill_at

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]


def losses(folder: str) -> tuple[list[float], list[float]]:
    run = read(folder)[0]
    assert run.train is not None
    assert run.evals is not None
    return run.train.value.tolist(), run.evals.value.tolist()


def test_a_run_leaves_everything_in_its_folder(make_recipe: Make) -> None:
    recipe = make_recipe()
    watcher = Quiet()
    trained = train_run(recipe, watcher)
    run = trained.run
    assert trained.ending == "finished"
    assert run.train is not None
    assert run.evals is not None
    assert run.train.step.tolist() == list(range(1, 10))
    assert run.evals.step.tolist() == [0, 1, 2, 4, 6, 8, 9]
    assert [c.step for c in run.checkpoints if c.exists] == [1, 2, 4, 6, 8, 9]
    assert run.evals.value[-1] < run.evals.value[0]
    assert len(run.examples) == 7
    for losses_, value in zip(run.examples, run.evals.value, strict=True):
        assert losses_.mean == pytest.approx(value)
        assert len(losses_.ids) == 12
    assert run.train.tokens[-1] == 3 * run.meta["train_tokens"]
    assert run.train.targets[-1] == 3 * run.meta["train_targets"]
    decisions = [e for e in run.events if e.kind == "decision"]
    assert [e.step for e in decisions] == [0, 1, 2, 4, 6, 8, 9]
    assert {k for k, *_ in watcher.told} == {"began", "trained", "evaluated", "scoring"}
    assert train_run(recipe, Quiet()).already


def test_the_loss_does_not_depend_on_how_a_batch_is_split(make_recipe: Make) -> None:
    runs = {}
    for micro in (1, 2, 8):
        recipe = make_recipe(f"micro-{micro}", f"optimizer.micro_batch={micro}", "schedule.kind=constant")
        train_run(recipe, Quiet())
        runs[micro] = np.array(losses(recipe.run.folder)[0])
    for micro in (1, 2):
        difference = np.abs(runs[micro] - runs[8])
        assert difference.max() < 2e-4
        assert abs((runs[micro] - runs[8]).mean()) < 1e-4


def test_the_evaluation_does_not_depend_on_its_batch(make_recipe: Make) -> None:
    one = make_recipe("one", "evaluation.batch_size=1", "schedule.max_steps=2")
    many = make_recipe("many", "evaluation.batch_size=7", "schedule.max_steps=2")
    for recipe in (one, many):
        train_run(recipe, Quiet())
    for a, b in zip(read(one.run.folder)[0].examples, read(many.run.folder)[0].examples, strict=True):
        assert a.ids.tolist() == b.ids.tolist()
        np.testing.assert_allclose(a.nll, b.nll, rtol=1e-5)


def test_the_same_recipe_gives_the_same_run(make_recipe: Make) -> None:
    first, second = make_recipe("first"), make_recipe("second")
    for recipe in (first, second):
        train_run(recipe, Quiet())
    assert losses(first.run.folder) == losses(second.run.folder)
    assert losses(first.run.folder) != losses(_seeded(make_recipe))


def _seeded(make_recipe: Make) -> str:
    recipe = make_recipe("third", "run.seed=18")
    train_run(recipe, Quiet())
    return recipe.run.folder


def test_a_killed_run_resumes_to_the_same_bits(make_recipe: Make, tmp_path: Path) -> None:
    whole, broken = make_recipe("whole", "method.dropout=0.1"), make_recipe("broken", "method.dropout=0.1")
    train_run(whole, Quiet())
    for at in (5, -6):  # in the middle of a step's bookkeeping, then in the middle of an evaluation
        kill_at(broken, at, tmp_path)
    assert finished(Path(broken.run.folder)) is None
    train_run(broken, Quiet())
    assert losses(broken.run.folder) == losses(whole.run.folder)
    a, b = read(broken.run.folder)[0], read(whole.run.folder)[0]
    assert [e.data["verdict"] for e in a.events if e.kind == "decision"] == [
        e.data["verdict"] for e in b.events if e.kind == "decision"
    ]
    assert a.train is not None
    assert b.train is not None
    assert a.train.tokens.tolist() == b.train.tokens.tolist()
    records, _ = read_records(Path(broken.run.folder) / "journal.jsonl")
    assert sum(r["kind"] == "resume" for r in records) == 2


def test_ctrl_c_saves_the_step_at_hand_and_resumes(make_recipe: Make) -> None:
    recipe, whole = make_recipe("interrupted"), make_recipe("whole")

    class Interrupting(Quiet):
        def trained(self, record: dict[str, Any]) -> None:
            if record["step"] == 3:
                os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train_run(recipe, Interrupting())
    # The signal came while step 3 was written down, so step 4 is the one that closes.
    assert (Path(recipe.run.folder) / "checkpoint-4").is_dir()
    watcher = Quiet()
    train_run(recipe, watcher)
    assert watcher.told[0][1] == 4
    train_run(whole, Quiet())
    assert losses(recipe.run.folder) == losses(whole.run.folder)


def test_a_request_from_outside_stops_once(make_recipe: Make) -> None:
    recipe = make_recipe("asked")
    folder = Path(recipe.run.folder)
    folder.mkdir()
    (folder / "control.jsonl").write_text(json.dumps({"request": "stop", "who": "tester", "id": "1"}) + "\n")
    trained = train_run(recipe, Quiet())
    assert trained.ending == "requested"
    assert trained.run.last_step == 1
    assert (folder / "checkpoint-1").is_dir()


def test_another_recipe_in_the_same_folder_is_refused(make_recipe: Make) -> None:
    train_run(make_recipe("same", "schedule.max_steps=1"), Quiet())
    with pytest.raises(DonenessError, match=r"optimizer.learning_rate = 0.005 there, 0.1 here"):
        train_run(make_recipe("same", "schedule.max_steps=1", "optimizer.learning_rate=0.1"), Quiet())


def test_nothing_is_written_when_the_data_is_wrong(make_recipe: Make, tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    recipe = make_recipe("wrong", f"data.train={empty}")
    with pytest.raises(DonenessError):
        train_run(recipe, Quiet())
    assert not Path(recipe.run.folder).exists()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("mount"), reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(make_recipe: Make, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting is not allowed here")
    try:
        recipe = make_recipe("small/run")
        with pytest.raises(StorageError) as caught:
            train_run(recipe, Quiet())
        assert "\n" not in str(caught.value)
        run = read(recipe.run.folder)[0]
        kept = [c for c in run.checkpoints if c.exists]
        assert kept
        assert sorted(p.name for p in small.rglob("checkpoint-*")) == sorted(c.path.name for c in kept if c.path)
        assert not list(small.rglob(".partial"))
    finally:
        time.sleep(0.1)
        subprocess.run(["umount", "-l", str(small)], check=True)
