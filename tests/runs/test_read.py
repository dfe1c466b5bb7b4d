from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest

from doneness.core import UnreadableError
from doneness.runs import ExampleLosses, Run, Series, load_examples, read, save_examples

LOG = [
    {"step": 1, "epoch": 0.1, "loss": 2.0, "grad_norm": 1.0, "learning_rate": 1e-4},
    {"step": 2, "epoch": 0.2, "loss": 0.0, "grad_norm": float("nan"), "learning_rate": 1e-4},
    {"step": 2, "epoch": 0.2, "eval_loss": 1.9, "eval_runtime": 3.0},
    {"step": 3, "epoch": 0.3, "train_loss": 1.0, "train_runtime": 9.0},
]


def state(folder: Path, log: object = LOG) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = {"log_history": log, "max_steps": 30, "num_train_epochs": 3, "train_batch_size": 4}
    (folder / "trainer_state.json").write_text(json.dumps(content))
    return folder / "trainer_state.json"


def test_trainer_state_is_read_as_a_file_a_checkpoint_and_an_output_folder(tmp_path: Path) -> None:
    state(tmp_path / "out" / "checkpoint-2", LOG[:2])
    state(tmp_path / "out" / "checkpoint-10")
    for place in (tmp_path / "out", tmp_path / "out" / "checkpoint-10" / "trainer_state.json"):
        run = read(place)[0]
        assert run.train is not None
        assert run.evals is not None
        assert run.train.step.tolist() == [1, 2]
        assert run.evals.value.tolist() == [1.9]
        assert run.meta["planned_steps"] == 30
        assert run.meta["steps_per_epoch"] == 10
        assert "train/train_loss" not in run.series
        assert [c.step for c in run.checkpoints] == [2, 10]


def test_a_nan_that_was_logged_as_zero_is_seen(tmp_path: Path) -> None:
    run = read(state(tmp_path))[0]
    assert [(e.kind, e.step) for e in run.events] == [("hidden_nan", 2)]


def test_steps_logged_twice_are_noted(tmp_path: Path) -> None:
    run = read(state(tmp_path, [*LOG, {"step": 1, "loss": 5.0}]))[0]
    assert run.train is not None
    assert run.train.value[0] == 5.0
    assert "1 values" in run.notes[0]


@pytest.mark.parametrize(
    ("content", "part"),
    [
        ("", "empty"),
        ("{", "cut in the middle"),
        ("[]", "no trainer_state.json"),
        ('{"log_history": []}', "nothing was logged"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS"),
    ],
)
def test_what_cannot_be_read_gets_one_line(tmp_path: Path, content: str, part: str) -> None:
    (tmp_path / "trainer_state.json").write_text(content)
    with pytest.raises(UnreadableError) as caught:
        read(tmp_path / "trainer_state.json")
    assert "\n" not in str(caught.value)
    if part != "nothing was logged":
        assert part in str(caught.value)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no such file"):
        read(tmp_path / "gone")
    with pytest.raises(UnreadableError, match="no training log"):
        read(tmp_path)


def test_until_leaves_nothing_later(tmp_path: Path) -> None:
    run = Run("r", series={"eval/loss": Series.of([1, 2, 3], [3, 2, 1])}, example_steps=(1, 2, 3))
    early = run.until(2)
    assert early.last_step == 2
    assert early.example_steps == (1, 2)
    assert run.until(0).series == {}


def test_series_refuse_columns_of_different_length() -> None:
    with pytest.raises(ValueError, match="one length"):
        Series.of([1, 2], [1.0])


def test_example_losses_survive_and_hold_no_pickle(tmp_path: Path) -> None:
    losses = ExampleLosses(7, np.array(["a", "中"]), np.array([1.5, 2.5]), np.array([3, 5]))
    path = save_examples(tmp_path, losses)
    again = load_examples(path)
    assert again.step == 7
    assert again.ids.tolist() == ["a", "中"]
    assert math.isclose(again.mean, 0.5)
    np.savez(path, step=1, ids=np.array([object()]), nll=np.zeros(1), tokens=np.zeros(1))
    with pytest.raises(UnreadableError):
        load_examples(path)
    path.write_bytes(b"PK\x03\x04 rubbish")
    with pytest.raises(UnreadableError):
        load_examples(path)


def test_every_real_trainer_state_is_read_with_the_right_counts(curves: Path) -> None:
    with (curves.parent / "index.csv").open(encoding="utf-8") as handle:
        index = {Path(r["file"]).name: r for r in csv.DictReader(handle)}
    files = sorted((curves / "hf_trainer").glob("*.json"))
    assert len(files) > 100
    wrong = []
    for file in files:
        run = read(file)[0]
        expected = int(float(index[file.name]["n_eval_points"] or 0))
        got = len(run.evals) if run.evals is not None else 0
        if expected != got:
            wrong.append((file.name, expected, got, index[file.name]["notes"]))
    assert wrong == []
