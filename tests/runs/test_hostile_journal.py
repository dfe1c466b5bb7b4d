"""Journals that a crash, a disk or a person damaged: what is usable is used, the rest is named."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from doneness.core import StorageError, UnreadableError, speaking
from doneness.runs import Journal, read, read_records
from doneness.runs.control import waiting
from doneness.runs.journal import number
from doneness.runs.recorder import Recorder

GOOD = [
    {"v": 1, "kind": "start", "step": 0, "at": "", "meta": {"planned_steps": 4}},
    {"v": 1, "kind": "train", "step": 1, "at": "", "loss": 2.0},
    {"v": 1, "kind": "eval", "step": 1, "at": "", "loss": 2.5, "file": None},
]
DEEP = json.loads("[" * 60 + "]" * 60)


def written(folder: Path, *lines: Any) -> Path:
    path = folder / "journal.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line) for line in (*GOOD, *lines)]
    path.write_text("\n".join(texts) + "\n")
    return path


@pytest.mark.parametrize(
    "line",
    [
        {"v": "x", "kind": "train", "step": 2},
        {"v": None, "kind": "train", "step": 2},
        {"v": 10**400, "kind": "train", "step": 2},
        {"v": 1, "kind": ["train"], "step": 2},
        {"v": 1, "kind": {}, "step": 2},
        {"v": 1, "kind": "train", "step": -1},
        {"v": 1, "kind": "train", "step": 10**30},
        {"v": 1, "kind": "train", "step": True},
        {"v": 1, "kind": "train", "step": 2.0},
        {"v": 1, "kind": "train", "step": 2, "at": 5},
        {"v": 1, "kind": "checkpoint", "step": 2},
        {"v": 1, "kind": "checkpoint", "step": 2, "path": 3},
        {"v": 1, "kind": "checkpoint", "step": 2, "path": "n" * 300},
        {"v": 1, "kind": "checkpoint", "step": 2, "path": "a\0b"},
        {"v": 1, "kind": "eval", "step": 2, "loss": 1.0, "file": 5},
        {"v": 1, "kind": "eval", "step": 2, "loss": 1.0, "file": ["x"]},
        {"v": 1, "kind": "start", "step": 2, "meta": [1]},
        {"v": 1, "kind": "start", "step": 2, "meta": None},
        {"v": 1, "kind": "end", "step": 2},
        {"v": 1, "kind": "end", "step": 2, "reason": None},
        {"v": 1, "kind": "request", "step": 2},
        {"v": 1, "kind": "decision", "step": 2, "reason": DEEP},
        "[" * 100_000,
        "[1, 2]",
        "null",
        '{"v":1,"kind":"train","step":' + "9" * 5000 + "}",
        '{"v":1,"kind":"train"}',
        "\udcff\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
    ids=lambda line: str(line)[:50],
)
def test_an_unusable_line_is_passed_over_with_a_note(tmp_path: Path, line: Any) -> None:
    path = written(tmp_path, line)
    records, notes = read_records(path)
    assert len(records) == 3
    assert len(notes) == 1 and "line 4" in notes[0] and "passed over" in notes[0]
    run = read(tmp_path)[0]
    assert run.last_step == 1 and run.meta["planned_steps"] == 4
    assert run.notes == tuple(notes)


def test_a_note_names_the_field_and_speaks_chinese(tmp_path: Path) -> None:
    path = written(tmp_path, {"v": 1, "kind": "checkpoint", "step": 2, "path": 3})
    assert "checkpoint" in read_records(path)[1][0] and "path" in read_records(path)[1][0]
    with speaking("zh"):
        assert "已跳过" in read_records(path)[1][0]


def test_many_damaged_lines_are_counted_not_listed(tmp_path: Path) -> None:
    notes = read_records(written(tmp_path, *["{"] * 500))[1]
    assert len(notes) == 21 and "480" in notes[-1]


def test_an_unknown_kind_of_a_later_version_is_kept(tmp_path: Path) -> None:
    assert read_records(written(tmp_path, {"v": 1, "kind": "future", "step": 2}))[0][-1]["kind"] == "future"


def test_a_newer_version_is_refused_whatever_its_records_look_like(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="line 4: journal version 2"):
        read_records(written(tmp_path, {"v": 2, "event": "x"}))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(10**400, math.inf), (-(10**400), -math.inf), ("9" * 400, math.inf), ("3.5", 3.5), (True, None), ([1], None)],
)
def test_a_number_beyond_all_floats_is_infinite(value: Any, expected: float | None) -> None:
    assert math.isnan(number(value)) if expected is None else number(value) == expected


def test_writing_into_a_deleted_folder_is_said(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    recorder = Recorder(folder)
    recorder.write("start", 0, meta={})
    shutil.rmtree(folder)
    with pytest.raises(StorageError, match="run folder was deleted while it was being written") as caught:
        recorder.write("train", 1, loss=1.0)
    assert str(folder) in str(caught.value)
    # Also where another run has begun under the same name.
    Journal(folder / "journal.jsonl").close()
    with pytest.raises(StorageError, match="deleted"):
        recorder.write("train", 2, loss=1.0)


def test_a_folder_that_was_moved_is_still_written(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run")
    recorder.write("start", 0, meta={})
    (tmp_path / "run").rename(tmp_path / "moved")
    recorder.write("train", 1, loss=1.0)
    assert len(read_records(tmp_path / "moved" / "journal.jsonl")[0]) == 2


@pytest.mark.parametrize("below", ["file", "file/run"])
def test_a_run_folder_that_is_a_file_is_said(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="cannot write"):
        Recorder(tmp_path / below)


def test_a_nested_request_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "control.jsonl").write_text("[" * 100_000 + '\n{"request": "stop"}\n')
    assert [each.action for each in waiting(tmp_path)] == ["stop"]
