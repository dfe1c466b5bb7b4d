from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.core import UnreadableError
from doneness.runs import Journal, read, read_records
from doneness.runs.journal import number
from doneness.runs.recorder import Recorder


def journal(path: Path, *records: tuple[str, int]) -> Path:
    writer = Journal(path)
    for kind, step in records:
        writer.write(kind, step, loss=float(step))
    writer.close()
    return path


def test_records_come_back_in_order(tmp_path: Path) -> None:
    path = journal(tmp_path / "journal.jsonl", ("start", 0), ("train", 1), ("train", 2))
    records, notes = read_records(path)
    assert [(r["kind"], r["step"]) for r in records] == [("start", 0), ("train", 1), ("train", 2)]
    assert notes == []


def test_a_resume_hides_what_came_after_and_deletes_nothing(tmp_path: Path) -> None:
    path = journal(
        tmp_path / "journal.jsonl",
        ("start", 0), ("train", 1), ("train", 2), ("train", 3), ("error", 3), ("resume", 1), ("train", 2),
    )  # fmt: skip
    kept = [(r["kind"], r["step"]) for r in read_records(path)[0]]
    assert kept == [("start", 0), ("train", 1), ("error", 3), ("resume", 1), ("train", 2)]
    assert len(path.read_text().splitlines()) == 7


def test_a_cut_tail_loses_only_itself_and_the_next_record_is_whole(tmp_path: Path) -> None:
    path = journal(tmp_path / "journal.jsonl", ("start", 0), ("train", 1), ("train", 2))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    journal(path, ("train", 3))
    records, notes = read_records(path)
    assert [r["step"] for r in records] == [0, 1, 3]
    assert len(notes) == 1
    assert "line 3" in notes[0]


@given(cut=st.integers(0, 400))
def test_no_cut_loses_a_record_before_it(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = journal(tmp_path_factory.mktemp("j") / "journal.jsonl", *[("train", s) for s in range(5)])
    data = path.read_bytes()
    path.write_bytes(data[: min(cut, len(data))])
    whole = data[: min(cut, len(data))].count(b"\n")
    records, _ = read_records(path)
    assert len(records) in (whole, whole + 1)  # a record that lacks only its line break is still one
    assert [r["step"] for r in records] == list(range(len(records)))


def test_numbers_that_json_lacks_survive(tmp_path: Path) -> None:
    writer = Journal(tmp_path / "journal.jsonl")
    writer.write("train", 1, loss=math.nan, grad_norm=math.inf)
    writer.close()
    line = (tmp_path / "journal.jsonl").read_text()
    record = json.loads(line, parse_constant=lambda name: pytest.fail(f"bare {name} in the journal"))
    assert math.isnan(number(record["loss"]))
    assert number(record["grad_norm"]) == math.inf


def test_a_newer_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text('{"v": 99, "kind": "train", "step": 1}\n')
    with pytest.raises(UnreadableError, match="version 99"):
        read_records(tmp_path / "journal.jsonl")


def test_a_run_counts_no_step_twice(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    recorder.write("start", 0, meta={"planned_steps": 9})
    for step in (1, 2, 3, 4):
        recorder.write("train", step, loss=float(step), epoch=0.1, tokens=1, targets=1, time=1.0)
    recorder.write("checkpoint", 2, path="checkpoint-2")
    recorder.resume(2)
    for step in (3, 4, 5):
        recorder.write("train", step, loss=10.0 * step, epoch=0.1, tokens=1, targets=1, time=1.0)
    recorder.close()
    run = read(tmp_path)[0]
    assert run.train is not None
    assert run.train.step.tolist() == [1, 2, 3, 4, 5]
    assert run.train.value.tolist() == [1.0, 2.0, 30.0, 40.0, 50.0]
    assert run.checkpoints[0].exists is False
    assert run.meta["planned_steps"] == 9
