from __future__ import annotations

import math
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import reader_logs as logs
import tracker_logs as trackers

from doneness.core import UnreadableError
from doneness.runs import read

Points = list[tuple[int, float, int]]
AT = 1_700_000_000_000


def curve(last: int, first: int = 1, begun: int = AT) -> Points:
    return [(begun + 1000 * (s - first), round(3 - 0.01 * s, 4), s) for s in range(first, last + 1)]


def store(root: Path) -> Path:
    logs.put(root / "0" / "meta.yaml", "experiment_id: '0'\nlifecycle_stage: active\nname: Default\n")
    logs.put(root / "77" / "meta.yaml", "experiment_id: '77'\nlifecycle_stage: active\nname: mine\n")
    (root / ".trash").mkdir()
    evals = [(AT + 9_005, 2.5, 10), (AT + 19_009, math.nan, 20)]
    trackers.mlflow_run(root / "77" / "late", {"train/loss": curve(20), "eval_loss": evals}, start_time="9")
    trackers.mlflow_run(root / "77" / "early", {"loss": curve(30), "epoch": curve(30)}, start_time="2")
    trackers.mlflow_run(root / "77" / "gone", {"loss": curve(30)}, lifecycle_stage="deleted")
    return root


def test_a_store_an_experiment_and_a_run(tmp_path: Path) -> None:
    root = store(tmp_path / "mlruns")
    for place in (tmp_path, root, root / "77"):
        runs = read(place)
        assert [(r.kind, r.name, r.last_step) for r in runs] == [("mlflow", "early", 30), ("mlflow", "late", 20)]
        assert any("1 runs that were deleted" in note for note in runs[0].notes)
    late = read(root / "77" / "late")[0]
    assert late.train is not None
    assert late.train.time.tolist() == [float(s) for s in range(20)]
    assert late.evals is not None
    assert late.evals.step.tolist() == [10, 20]
    assert late.evals.value[0] == 2.5
    assert math.isnan(late.evals.value[1])
    assert late.meta["planned_steps"] == 40
    assert late.notes == ()
    with pytest.raises(UnreadableError, match="nothing was logged"):
        read(root / "77" / "gone")


def test_a_resume_goes_back_and_metrics_written_at_odd_times_do_not(tmp_path: Path) -> None:
    again = curve(50, first=21, begun=AT + 60_000)
    run = read(trackers.mlflow_run(tmp_path / "r", {"loss": curve(30) + again}))[0]
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 51))
    assert any("superseded" in note for note in run.notes)
    late = [(at + 1500, value, step) for at, value, step in curve(30)]
    run = read(trackers.mlflow_run(tmp_path / "s", {"loss": curve(30), "learning_rate": late}))[0]
    assert run.notes == ()
    assert run.series["train/learning_rate"].step.tolist() == list(range(1, 31))


def test_a_metric_logged_without_steps_is_counted(tmp_path: Path) -> None:
    run = read(trackers.mlflow_run(tmp_path / "r", {"loss": [(at, value, 0) for at, value, _ in curve(9)]}))[0]
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 10))
    assert any("no step numbers" in note for note in run.notes)


def test_an_evaluation_that_counts_epochs_is_put_where_it_was_done(tmp_path: Path) -> None:
    evals = [(AT + 1000 * (100 * epoch + 99) + 5, 2.5, epoch) for epoch in range(3)]
    run = read(trackers.mlflow_run(tmp_path / "r", {"loss": curve(300), "val_loss": evals}))[0]
    assert run.evals is not None
    assert run.evals.step.tolist() == [100, 200, 300]
    assert any("val_loss: logged with epochs" in note for note in run.notes)
    each = [(at + 5, value, step) for at, value, step in curve(3)]
    run = read(trackers.mlflow_run(tmp_path / "s", {"loss": curve(300), "val_loss": each}))[0]
    assert run.evals is not None
    assert run.evals.step.tolist() == [1, 2, 3]
    assert run.notes == ()


def test_a_cut_and_damaged_metric_keeps_its_good_points(tmp_path: Path) -> None:
    folder = trackers.mlflow_run(tmp_path / "r", {"loss": curve(30)})
    file = folder / "metrics" / "loss"
    text = file.read_text()
    file.write_text(text[:-9])
    run = read(folder)[0]
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 30))
    assert any("cut in the middle" in note for note in run.notes)
    file.write_text(text.replace(f"{AT + 4000} ", "\x00\x00 "))
    run = read(folder)[0]
    assert run.train is not None
    assert len(run.train) == 29
    assert any("1 rows" in note for note in run.notes)


def database(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as db:
        for statement in trackers.MLFLOW:
            db.execute(statement)
        for key, stage, begun in (("a", "active", 5), ("b", "deleted", 1), ("c", "active", 2)):
            db.execute("INSERT INTO runs VALUES (?, ?, 'FINISHED', ?, ?, 1)", (key, f"run {key}", begun, stage))
            for at, value, step in curve(800):
                db.execute("INSERT INTO metrics VALUES ('loss', ?, ?, ?, ?, 0)", (value, at, key, step))
            db.execute("INSERT INTO params VALUES ('max_steps', '900', ?)", (key,))
        db.execute("INSERT INTO metrics VALUES ('eval_loss', 0, ?, 'a', 800, 1)", (AT,))
        db.execute("INSERT INTO metrics VALUES ('eval_loss', 1.7976931348623157e308, ?, 'c', 800, 0)", (AT,))
        db.commit()
    return path


def test_the_database(tmp_path: Path) -> None:
    path = database(tmp_path / "mlflow.db")
    runs = read(tmp_path)
    assert [(r.kind, r.name, r.last_step, r.meta["planned_steps"]) for r in runs] == [
        ("mlflow", "run c", 800, 900),
        ("mlflow", "run a", 800, 900),
    ]
    assert any("1 runs that were deleted" in note for note in runs[0].notes)
    assert runs[0].evals is not None
    assert runs[1].evals is not None
    assert runs[0].evals.value.tolist() == [math.inf]
    assert math.isnan(runs[1].evals.value[0])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    cut = read(path)[0]
    assert cut.train is not None
    assert cut.train.value[:9].tolist() == runs[0].train.value[:9].tolist() if runs[0].train else False
    assert any("cut in the middle" in note for note in cut.notes)
