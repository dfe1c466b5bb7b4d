from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import reader_logs as logs
import tracker_logs as trackers

from doneness.core import UnreadableError
from doneness.runs import read


def test_the_runs_of_a_project(tmp_path: Path) -> None:
    rows = trackers.hf_rows(12)
    rows[3]["train/loss"] = "NaN"
    rows[4]["more"] = {"acc": 0.5, "table": {"_type": "trackio.table", "rows": 3}}
    path = trackers.trackio(tmp_path / "my project.db", {"one": rows, "two": trackers.hf_rows(9)}, max_steps=40)
    runs = read(tmp_path)
    assert [(r.name, r.kind, r.last_step, r.path) for r in runs] == [
        ("one", "trackio", 12, path),
        ("two", "trackio", 9, path),
    ]
    first = runs[0]
    assert first.train is not None
    assert first.train.step.tolist() == list(range(1, 13))
    assert first.train.value[0] == 2.99
    assert first.train.value[3] != first.train.value[3]
    assert first.train.time.tolist()[:2] == [0.0, 1.0]
    assert first.evals is not None
    assert first.evals.step.tolist() == [10]
    assert first.series["train/more/acc"].value.tolist() == [0.5]
    assert first.meta["planned_steps"] == 40
    assert first.notes == ()


def test_an_early_version_knows_a_run_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with sqlite3.connect(path) as db:
        db.execute(
            "CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT)"
        )
        for step in range(4):
            db.execute("INSERT INTO metrics VALUES (?, '', 'old', ?, ?)", (step, step, '{"loss": 2.0}'))
    db.close()
    run = read(path)[0]
    assert run.train is not None
    assert run.train.step.tolist() == [0, 1, 2, 3]


def test_reading_writes_nothing_and_takes_in_what_a_killed_writer_left(tmp_path: Path) -> None:
    path = trackers.trackio(tmp_path / "p.db", {"one": trackers.hf_rows(9)})
    script = (
        "import os, sqlite3, sys; sys.path.insert(0, sys.argv[2]); import tracker_logs as t\n"
        "db = sqlite3.connect(sys.argv[1]); db.execute('PRAGMA journal_mode=WAL')\n"
        "t.trackio_rows(db, {'two': t.hf_rows(7)}); db.commit(); os._exit(9)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(Path(__file__).parent)], check=False)
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert before["p.db-wal"]
    assert [r.name for r in read(path)] == ["one", "two"]
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to_is_read(tmp_path: Path) -> None:
    path = trackers.trackio(tmp_path / "p.db", {"one": trackers.hf_rows(9)})
    tmp_path.chmod(0o555)
    try:
        assert read(path)[0].last_step == 9
    finally:
        tmp_path.chmod(0o755)


def test_a_cut_database_keeps_the_rows_before_the_cut(tmp_path: Path) -> None:
    path = trackers.trackio(tmp_path / "p.db", {"one": trackers.hf_rows(2000)})
    whole = path.read_bytes()
    kept = []
    for share in (0.9, 0.6):
        path.write_bytes(whole[: int(len(whole) * share)])
        run = read(path)[0]
        assert run.train is not None
        kept.append(len(run.train))
        assert run.train.step[:900].tolist() == list(range(1, 901))
        assert any("cut in the middle" in note for note in run.notes)
    assert 2000 > kept[0] > kept[1] > 1000


def test_damaged_rows_are_counted_and_junk_is_one_line(tmp_path: Path) -> None:
    path = trackers.trackio(tmp_path / "p.db", {"one": trackers.hf_rows(9)})
    with sqlite3.connect(path) as db:
        db.execute("UPDATE metrics SET metrics = '{\"train/lo' WHERE step = 4")
    db.close()
    run = read(path)[0]
    assert run.train is not None
    assert len(run.train) == 8
    assert any("1 rows" in note for note in run.notes)
    for size in (100, 5000):
        with pytest.raises(UnreadableError):
            read(logs.put(tmp_path / "junk.db", path.read_bytes()[:16] + b"\x07" * size))


def test_runs_without_a_loss_are_noted(tmp_path: Path) -> None:
    path = trackers.trackio(tmp_path / "p.db", {"gpu": [{"power": 300.0}] * 3, "one": trackers.hf_rows(9)})
    runs = read(path)
    assert [r.name for r in runs] == ["one"]
    assert any("1 runs beside this one logged no loss" in note for note in runs[0].notes)
    with pytest.raises(UnreadableError, match="no column of losses"):
        read(trackers.trackio(tmp_path / "q.db", {"gpu": [{"power": 300.0}] * 3}))
