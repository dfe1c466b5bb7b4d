from __future__ import annotations

import math
from pathlib import Path

import pytest
import reader_logs as logs
import tracker_logs as trackers
from test_text import BARS

from doneness.core import UnreadableError
from doneness.runs import Run, read

REAL = Path(__file__).parent / "fixtures" / "run-abcd1234.wandb"
FOLDER = "offline-run-20260101_000000-abc"


def one(path: Path) -> Run:
    runs = read(path)
    assert len(runs) == 1
    return runs[0]


def steps(run: Run) -> list[int]:
    assert run.train is not None
    return run.train.step.tolist()


def test_a_file_that_wandb_wrote() -> None:
    run = one(REAL)
    assert (run.kind, run.name, run.notes) == ("wandb", "small", ())
    assert steps(run) == list(range(1, 13))
    assert run.train is not None
    assert run.train.value[0] == 2.875
    assert math.isnan(run.train.value[6])
    assert run.train.epoch[-1] == 3.0
    assert run.evals is not None
    assert run.evals.step.tolist() == [4, 8, 12]
    assert run.evals.value.tolist() == [2.25, 2.0, 1.75]
    expected = {"planned_steps": 12, "batch_size": 4, "model": "a/b", "train_seconds": 12.0}
    assert dict(run.meta) == expected
    assert "train/train_loss" not in run.series


@pytest.mark.parametrize("nested", [True, False])
def test_the_three_kinds_of_histories(tmp_path: Path, nested: bool) -> None:
    lightning = [{"train_loss_step": 2.0, "epoch": 0, "trainer/global_step": s} for s in range(9, 100, 10)]
    hand = [{"loss": 2.0, "lr": 1e-4, "note": "text", "pic": {"_type": "histogram", "values": [1]}} for _ in range(5)]
    for rows, expected in (
        (trackers.hf_rows(12), list(range(1, 13))),
        (lightning, list(range(9, 100, 10))),
        (hand, list(range(5))),
    ):
        run = one(logs.put(tmp_path / "x.wandb", trackers.wandb_run(rows, nested=nested)))
        assert steps(run) == expected
        assert not any("pic" in name or "note" in name for name in run.series)


def test_values_that_are_no_plain_numbers(tmp_path: Path) -> None:
    rows = [{"loss": v, "deep": {"val": {"acc": 0.5}}} for v in (2.0, "NaN", "Infinity", None, True, 1)]
    run = one(logs.put(tmp_path / "x.wandb", trackers.wandb_run(rows)))
    assert run.train is not None
    assert run.train.step.tolist() == [0, 1, 2, 5]
    assert run.train.value.tolist()[::3] == [2.0, 1.0]
    assert run.series["train/deep/val/acc"].value.tolist() == [0.5] * 6


def test_records_longer_than_a_block_are_put_together(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"loss": 2.0 - 0.01 * s} for s in range(60)]
    for row in rows[::7]:
        row["prompt"] = "x" * 80_000
    run = one(logs.put(tmp_path / "x.wandb", trackers.wandb_run(rows)))
    assert steps(run) == list(range(60))
    assert run.notes == ()


def test_a_cut_anywhere_keeps_the_rows_before_it(tmp_path: Path) -> None:
    whole = trackers.wandb_run(trackers.hf_rows(400))
    full = steps(one(logs.put(tmp_path / "x.wandb", whole)))
    edges = 0
    for cut in range(len(whole) // 2, len(whole), 997):
        run = one(logs.put(tmp_path / "x.wandb", whole[:cut]))
        kept = steps(run)
        assert kept == full[: len(kept)]
        assert len(kept) >= 400 * cut / len(whole) - 4
        edges += not any("cut in the middle" in note for note in run.notes)
    assert edges <= 2  # only where the cut falls between two records


def test_a_flipped_byte_costs_one_row_and_a_damaged_length_too(tmp_path: Path) -> None:
    whole = trackers.wandb_run(trackers.hf_rows(400, evals=1000))
    place = whole.index(b"2.0\x12", len(whole) // 3) if b"2.0\x12" in whole[len(whole) // 3 :] else len(whole) // 2
    damaged = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
    run = one(logs.put(tmp_path / "x.wandb", damaged))
    assert len(steps(run)) == 399
    assert any("1 rows are damaged" in note for note in run.notes)
    header = next(p for p in range(place, 0, -1) if whole[p + 6] == 1 and whole[p + 7] == 8)
    damaged = whole[: header + 4] + b"\xff\x7f" + whole[header + 6 :]
    assert len(steps(one(logs.put(tmp_path / "x.wandb", damaged)))) == 399


def test_a_power_cut_that_left_zeros(tmp_path: Path) -> None:
    whole = trackers.wandb_run(trackers.hf_rows(400))
    run = one(logs.put(tmp_path / "x.wandb", whole[: len(whole) // 2] + bytes(len(whole) // 2)))
    assert 150 < len(steps(run)) < 250
    assert any("cut in the middle" in note for note in run.notes)


def test_a_folder_of_runs_reads_each_once(tmp_path: Path) -> None:
    home = tmp_path / "project" / "wandb"
    for number, run_id in enumerate(("aaa", "bbb")):
        folder = home / f"run-2026010{number}_000000-{run_id}"
        logs.put(folder / f"run-{run_id}.wandb", trackers.wandb_run(trackers.hf_rows(20 + number), run_id))
        logs.put(folder / "files" / "output.log", BARS)
    (home / "latest-run").symlink_to("run-20260101_000000-bbb", target_is_directory=True)
    for place in (tmp_path, home):
        assert [(r.name, r.last_step, r.kind) for r in read(place)] == [("aaa", 20, "wandb"), ("bbb", 21, "wandb")]
    assert one(home / "latest-run").name == "bbb"


def test_a_resumed_run_in_two_folders_is_one(tmp_path: Path) -> None:
    for day, rows in ((1, trackers.hf_rows(30)), (2, trackers.hf_rows(50, first=21))):
        folder = tmp_path / "wandb" / f"run-2026010{day}_000000-abc"
        logs.put(folder / "run-abc.wandb", trackers.wandb_run(rows))
    run = one(tmp_path / "wandb")
    assert steps(run) == list(range(1, 51))
    assert any("superseded" in note for note in run.notes)


def test_the_console_output_stands_in_where_there_is_no_history(tmp_path: Path) -> None:
    folder = tmp_path / "wandb" / FOLDER
    logs.put(folder / "files" / "output.log", BARS)
    logs.put(folder / "files" / "config.yaml", "wandb_version: 1\n\nseed:\n    desc: null\n    value: 7\n")
    run = one(tmp_path / "wandb")
    assert (run.kind, run.name, run.meta["seed"]) == ("hf_console", "abc", 7)
    logs.put(folder / "run-abc.wandb", trackers.wandb_run([{"accuracy": 0.5}]))
    run = one(folder)
    assert run.kind == "hf_console"
    assert any("console output" in note for note in run.notes)
    logs.put(folder / "run-abc.wandb", trackers.wandb_run(trackers.hf_rows(3)))
    assert one(folder).kind == "wandb"


@pytest.mark.parametrize(
    "content",
    [b":W&B", b":W&B\xe1\xbe\x00", b":W&B\xe1\xbe\x00" + bytes(70_000), b":W&B" + b"\x07" * 70_000, b"junk" * 9],
)
def test_a_file_without_history_gets_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableError) as caught:
        read(logs.put(tmp_path / FOLDER / "run-abc.wandb", content).parent)
    assert "run-abc.wandb" in str(caught.value)


def test_a_damaged_run_hides_no_other(tmp_path: Path) -> None:
    logs.put(tmp_path / "wandb" / "run-20260101_000000-a" / "run-a.wandb", b"")
    logs.put(tmp_path / "wandb" / "run-20260102_000000-b" / "run-b.wandb", trackers.wandb_run(trackers.hf_rows(3), "b"))
    run = one(tmp_path / "wandb")
    assert run.name == "b"
    assert any("1 files could not be read" in note for note in run.notes)
