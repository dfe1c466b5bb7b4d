"""Rows that a format can lose are counted, and the finding about lost rows names them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import reader_logs as logs
import tracker_logs as trackers
from bench.specimens import generated

from doneness.core import Status
from doneness.diagnose import diagnose
from doneness.runs import Run, read

STEPS = 200
SPECIMENS = {s.name: s.data for s in generated()}


def told(run: Run) -> Status:
    return next(f.status for f in diagnose(run).findings if f.code == "RN02")


def falling(step: int) -> float:
    return round(1.2 + 2.0 * 0.95**step, 4)


def hf_rows() -> list[dict[str, float]]:
    return [{"train/loss": falling(s), "train/global_step": s} for s in range(1, STEPS + 1)]


def wandb(folder: Path) -> Path:
    return logs.put(folder / "run-abc.wandb", trackers.wandb_run(hf_rows()))


def trackio(folder: Path) -> Path:
    return trackers.trackio(folder / "p.db", {"one": hf_rows()})


def mlflow_folder(folder: Path) -> Path:
    points = [(1_700_000_000_000 + s, falling(s), s) for s in range(1, STEPS + 1)]
    return trackers.mlflow_run(folder / "run", {"loss": points, "grad_norm": points})


def mlflow_database(folder: Path) -> Path:
    path = folder / "mlflow.db"
    with closing(sqlite3.connect(path)) as db:
        for statement in trackers.MLFLOW:
            db.execute(statement)
        db.execute("INSERT INTO runs VALUES ('a', 'one', 'FINISHED', 1, 'active', 0)")
        cells = [("loss", falling(s), 1_700_000_000_000 + s, "a", s, 0) for s in range(1, STEPS + 1)]
        db.executemany("INSERT INTO metrics VALUES (?, ?, ?, ?, ?, ?)", cells)
        db.commit()
    return path


def lightning(folder: Path) -> Path:
    rows = "".join(f"0,{s},{falling(s)},\n" for s in range(1, STEPS + 1))
    return logs.put(folder / "metrics.csv", f"epoch,step,train_loss_step,val_loss\n{rows}")


def events(folder: Path) -> Path:
    told = (logs.event(s, logs.scalar("train/loss", falling(s)), wall=s) for s in range(1, STEPS + 1))
    return logs.put(folder / "events.out.tfevents.1", logs.records(told))


def torchtune(folder: Path) -> Path:
    rows = "".join(f"Step {s} | loss:{falling(s)} lr:0.0001 tokens_per_second:900.5\n" for s in range(1, STEPS + 1))
    return logs.put(folder / "log.txt", rows)


def litgpt(folder: Path) -> Path:
    lines = "".join(
        f"Epoch 1 | iter {s} step {s} | loss train: {falling(s)}, val: n/a | iter time: 50.25 ms (step)\n"
        for s in range(1, STEPS + 1)
    )
    return logs.put(folder / "log.txt", lines)


WHOLE = [wandb, trackio, mlflow_folder, mlflow_database, lightning, events, torchtune, litgpt]


@pytest.mark.parametrize("make", WHOLE, ids=lambda make: make.__name__)
def test_a_whole_log_has_lost_nothing(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    run = read(make(tmp_path))[0]
    assert run.damage.seen >= STEPS
    assert (run.damage.lost, run.damage.cut) == (0, False)
    assert told(run) is Status.PASS


@pytest.mark.parametrize("make", [wandb, lightning, events, torchtune, litgpt], ids=lambda make: make.__name__)
@pytest.mark.parametrize("every", [7, 31])
def test_flipped_bytes_are_counted_and_named(tmp_path: Path, make: Callable[[Path], Path], every: int) -> None:
    path = make(tmp_path)
    content = bytearray(path.read_bytes())
    size = len(content) / STEPS
    hit = range(10, STEPS - 10, every)
    for row in hit:
        start = int(row * size)
        content[start : start + 4] = b"\xf7~\x01\xfe"
    path.write_bytes(content)
    run = read(path)[0]
    assert run.train is not None
    assert len(run.train) < STEPS
    assert run.damage.lost >= 0.5 * (STEPS - len(run.train))
    assert run.damage.lost <= 2 * len(hit)
    # Of a line of text, the damage may have met what does not count.
    assert told(run) in (Status.WARN, Status.FAIL) or run.damage.lost <= 0.01 * STEPS
    assert told(run) is not Status.PASS or (every == 31 and make in (torchtune, litgpt))


def test_a_stretch_of_zeros_costs_what_would_fit_into_it(tmp_path: Path) -> None:
    path = wandb(tmp_path)
    content = bytearray(trackers.wandb_run(hf_rows() * 5))
    content[1 << 15 : (1 << 15) + 8000] = bytes(8000)
    path.write_bytes(content)
    run = read(path)[0]
    assert run.damage.lost == pytest.approx(5 * STEPS - (run.damage.seen - run.damage.lost), rel=0.3)
    assert told(run) in (Status.WARN, Status.FAIL)


@pytest.mark.parametrize("damage", ["5.0", "1700000000000 1.5", "17000000 1.5 3 17000001 1.5 4", "\x00\x00"])
def test_lines_of_a_store_that_are_no_points_are_counted(tmp_path: Path, damage: str) -> None:
    path = mlflow_folder(tmp_path)
    file = path / "metrics" / "loss"
    lines = file.read_text().splitlines()
    lines[10:90:10] = [damage] * 8
    file.write_text("\n".join(lines) + "\n")
    run = read(path)[0]
    assert run.damage.lost == 8
    assert told(run) is Status.WARN


def test_cells_of_databases_that_are_no_numbers_are_counted(tmp_path: Path) -> None:
    for path, change in (
        (mlflow_database(tmp_path), "UPDATE metrics SET step = 'x' WHERE step % 20 = 3"),
        (trackio(tmp_path), "UPDATE metrics SET metrics = '{\"train/lo' WHERE step % 20 = 3"),
    ):
        with closing(sqlite3.connect(path)) as db:
            db.execute(change)
            db.commit()
        run = read(path)[0]
        assert run.damage.lost == 10
        assert told(run) is Status.WARN


@pytest.mark.parametrize("make", [trackio, mlflow_database], ids=lambda make: make.__name__)
def test_a_page_that_forgot_its_rows_is_named(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    path = make(tmp_path)
    content = bytearray(path.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    leaves = [p for p in range(size, len(content), size) if content[p] == 13 and content[p + 4] > 8]
    assert leaves
    # The number of cells in the header of a leaf: SQLite itself passes over the rest without a word.
    content[leaves[-1] + 4] = 2
    path.write_bytes(content)
    run = read(path)[0]
    assert run.train is not None
    assert len(run.train) < STEPS
    assert told(run) in (Status.WARN, Status.FAIL)


def test_an_event_file_without_a_whole_record_counts_for_its_folder(tmp_path: Path) -> None:
    first = events(tmp_path)
    content = bytearray(first.read_bytes())
    for place in range(30, len(content), 30):
        content[place] ^= 0x55
    logs.put(tmp_path / "events.out.tfevents.2", bytes(content))
    run = read(tmp_path)[0]
    assert run.train is not None
    assert len(run.train) == STEPS
    assert told(run) in (Status.WARN, Status.FAIL)


def test_a_newest_state_that_is_lost_leaves_an_unknown_gap(tmp_path: Path) -> None:
    rows = [{"step": s, "loss": falling(s), "epoch": s / 10} for s in range(1, STEPS + 1)]
    logs.put(tmp_path / "checkpoint-100" / "trainer_state.json", logs.state(rows[:100]))
    newest = logs.put(tmp_path / "checkpoint-200" / "trainer_state.json", logs.state(rows))
    assert told(read(tmp_path)[0]) is Status.PASS
    newest.write_bytes(b"\0" * 500)
    run = read(tmp_path)[0]
    assert run.last_step == 100
    assert told(run) is Status.WARN


def test_a_flipped_digit_is_no_resume(tmp_path: Path) -> None:
    for wrong in (b"step 35/240: train", b"step 735/240: train", b"step 13]5/240: train", b"step 13.5/240: train"):
        content = SPECIMENS["steps.log"].replace(b"step 135/240: train", wrong)
        run = read(logs.put(tmp_path / "steps.log", content))[0]
        assert run.train is not None
        assert run.train.step.tolist() == [s for s in range(1, 241) if s != 135]
        assert run.events == ()
        assert run.damage.lost == 1


def test_a_row_that_goes_back_alone_hides_no_others(tmp_path: Path) -> None:
    content = SPECIMENS["rows.jsonl"].replace(b'"step": 135}', b'"step": 35}')
    run = read(logs.put(tmp_path / "rows.jsonl", content))[0]
    assert run.train is not None
    assert run.train.step.tolist() == [s for s in range(1, 241) if s != 135]
    assert run.events == ()


def test_junk_within_a_row_of_text_is_counted(tmp_path: Path) -> None:
    lines = SPECIMENS["steps.log"].splitlines()
    for place, junk in ((20, b"{" * 3000), (60, b"\x01\x02 7\xfe" * 9), (90, b'"'), (120, b"\n")):
        lines[place] = lines[place][:6] + junk + lines[place][6:]
    run = read(logs.put(tmp_path / "steps.log", b"\n".join(lines) + b"\n"))[0]
    assert run.train is not None
    assert 240 - len(run.train) <= run.damage.lost <= 5
    assert told(run) is Status.WARN


def test_printed_rows_that_lost_their_bar_or_their_number_are_counted(tmp_path: Path) -> None:
    whole = SPECIMENS["printed.log"]
    run = read(logs.put(tmp_path / "printed.log", whole))[0]
    assert (run.damage.lost, run.damage.seen) == (0, 264)
    damaged = whole
    for s in (20, 50, 80):
        damaged = damaged.replace(b"| %d/240 [" % s, b"| ~/240 [")
        damaged = damaged.replace(b"{'eval_loss': ", b"{'eval_loss': 1.2.", 3)
    run = read(logs.put(tmp_path / "printed.log", damaged))[0]
    assert run.damage.lost >= 6
    assert told(run) is Status.WARN
