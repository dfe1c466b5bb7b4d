from __future__ import annotations

from pathlib import Path

import pytest
import reader_logs as logs

from doneness.core import UnreadableError
from doneness.runs import read
from doneness.runs.readers.tfrecord import masked_crc

NAME = "events.out.tfevents.1"


def losses(last: int, first: int = 1) -> list[bytes]:
    return [logs.event(s, logs.scalar("train/loss", 0.5 * s), wall=s) for s in range(first, last + 1)]


def test_the_checksum_is_that_of_the_format() -> None:
    import numpy as np

    known = masked_crc(np.frombuffer(b"123456789", dtype=np.uint8)[None, :])[0]
    plain = 0xE3069283
    assert int(known) == (((plain >> 15) | (plain << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def test_scalars_simple_and_as_tensors_over_many_steps(tmp_path: Path) -> None:
    events = []
    for step in (1, 127, 128, 300, 70_000):
        events.append(logs.event(step, logs.scalar("train/loss", 0.5 * step), wall=step))
        events.append(
            logs.event(step, logs.tensor("eval/loss", 0.25), logs.scalar("train/learning_rate", 0.5), wall=step)
        )
    run = read(logs.put(tmp_path / "no-telling-name", logs.records(events)))[0]
    assert run.kind == "tensorboard"
    assert run.train is not None
    assert run.evals is not None
    assert run.train.step.tolist() == [1, 127, 128, 300, 70_000]
    assert run.train.value.tolist() == [0.5, 63.5, 64.0, 150.0, 35_000.0]
    assert run.train.time.tolist() == [0, 126, 127, 299, 69_999]
    assert run.evals.value.tolist() == [0.25] * 5
    assert len(run.series["train/learning_rate"]) == 5
    assert run.notes == ()


def test_two_trainings_in_one_file_are_two_runs(tmp_path: Path) -> None:
    runs = read(logs.put(tmp_path / NAME, logs.records(losses(9) + losses(5))))
    assert [r.last_step for r in runs] == [9, 5]


def test_the_trainers_summary_is_no_point(tmp_path: Path) -> None:
    summary = logs.event(3, logs.scalar("train/train_runtime", 9.0), logs.scalar("train/train_loss", 7.0))
    run = read(logs.put(tmp_path / NAME, logs.records([*losses(3), summary])))[0]
    assert "train/train_loss" not in run.series
    assert run.train is not None
    assert len(run.train) == 3


def test_a_cut_tail_and_a_flipped_byte_cost_only_themselves(tmp_path: Path) -> None:
    whole = logs.records(losses(300))
    run = read(logs.put(tmp_path / NAME, whole[:-5]))[0]
    assert run.last_step == 299
    assert any("cut" in n for n in run.notes)
    value = whole.index(logs.event(150, logs.scalar("train/loss", 75.0), wall=150)) + 20
    run = read(logs.put(tmp_path / NAME, whole[:value] + bytes([whole[value] ^ 1]) + whole[value + 1 :]))[0]
    assert run.train is not None
    assert 150 not in run.train.step.tolist()
    assert len(run.train) == 299


def test_a_damaged_length_is_passed_over(tmp_path: Path) -> None:
    whole = logs.records(losses(300))
    length = whole.index(logs.event(150, logs.scalar("train/loss", 75.0), wall=150)) - 12
    for wrong in (whole[length] ^ 3, 255):
        damaged = whole[:length] + bytes([wrong]) + whole[length + 1 :]
        run = read(logs.put(tmp_path / NAME, damaged))[0]
        assert run.train is not None
        assert run.train.step.tolist() == [s for s in range(1, 301) if s != 150]
        assert any("damaged" in n for n in run.notes)


def test_files_of_one_folder_continue_one_another_or_stand_alone(tmp_path: Path) -> None:
    logs.put(tmp_path / "run" / "events.out.tfevents.1", logs.records(losses(20)))
    logs.put(tmp_path / "run" / "events.out.tfevents.2", logs.records(losses(30, first=16)))
    run = read(tmp_path / "run")[0]
    assert run.train is not None
    assert run.train.step.tolist() == list(range(1, 31))
    logs.put(tmp_path / "two" / "events.out.tfevents.1", logs.records(losses(20)))
    logs.put(tmp_path / "two" / "events.out.tfevents.2", logs.records(losses(30)))
    assert [r.last_step for r in read(tmp_path / "two")] == [20, 30]


def test_a_file_without_scalars_says_so(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="nothing was logged"):
        read(logs.put(tmp_path / NAME, logs.records([])))
