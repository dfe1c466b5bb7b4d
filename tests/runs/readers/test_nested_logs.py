"""Logs beside and beneath the log of a run: each training once, and none in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import reader_logs as logs

from doneness.cli.main import main
from doneness.runs import Journal, read
from doneness.workflows.check import check_all

CSV = "step,loss,val_loss\n" + "".join(f"{s},{3 - 0.1 * s:.3f},{3.1 - 0.1 * s:.3f}\n" for s in range(1, 9))


def events(rows: list[logs.Row]) -> bytes:
    told = (
        logs.event(r["step"], logs.scalar("train/loss", r["loss"]), logs.scalar("train/grad_norm", r["grad_norm"]))
        for r in rows
    )
    return logs.records(told)


def output(root: Path, last: int = 30) -> Path:
    """A Trainer's output folder with everything that it leaves there of one training."""
    rows = logs.rows(last)
    for step in (10, last):
        logs.put(root / f"checkpoint-{step}" / "trainer_state.json", logs.state(logs.rows(step)))
        logs.put(root / f"checkpoint-{step}" / "metrics.csv", CSV)
    logs.put(root / "trainer_state.json", logs.state(rows))
    logs.put(root / "all_results.json", '{"epoch": 3.0, "eval_loss": 2.5}\n')
    logs.put(root / "eval_results.json", '{"epoch": 3.0, "eval_loss": 2.5}\n')
    logs.put(root / "runs" / "Nov22_host" / "events.out.tfevents.1.host.1.0", events(rows))
    bare = logs.records([logs.event(0, logs.tensor("args", 1.0)[:3])])
    logs.put(root / "runs" / "Nov22_host" / "1700000000.1" / "events.out.tfevents.1.host.1.1", bare)
    printed = "".join(f"{{'loss': {r['loss']}, 'grad_norm': 1.5, 'epoch': {r['epoch']}}}\n" for r in rows)
    logs.put(root / "train.log", printed)
    return root


def test_a_trainers_output_folder_is_one_run(tmp_path: Path) -> None:
    root = output(tmp_path / "out")
    (run,) = read(root)
    assert (run.kind, run.name, run.last_step, run.notes) == ("hf_trainer", "out", 30, ())
    assert len(check_all([root]).judged) == 1


def test_llamafactorys_output_folder_is_one_run(tmp_path: Path) -> None:
    root = output(tmp_path / "out")
    logs.put(root / "trainer_log.jsonl", logs.lines(logs.factory_row(s) for s in range(1, 31)))
    (run,) = read(root)
    assert (run.kind, run.last_step) == ("llamafactory", 30)


def test_our_journal_in_a_trainers_output_folder_is_one_run(tmp_path: Path) -> None:
    root = output(tmp_path / "out")
    journal = Journal(root / "doneness" / "journal.jsonl")
    journal.write("start", 0)
    for row in logs.rows(30):
        journal.write("train", row["step"], loss=row["loss"])
    journal.close()
    assert [run.kind for run in read(root)] == ["journal"]


def test_runs_beneath_a_run_are_read(tmp_path: Path) -> None:
    logs.put(tmp_path / "trainer_state.json", logs.state(logs.rows(20)))
    for name, start in (("lr1", 2.0), ("lr2", 2.5)):
        logs.put(tmp_path / "sweep" / name / "trainer_state.json", logs.state(logs.rows(30, start=start)))
    logs.put(tmp_path / "old" / "metrics.csv", CSV)
    assert [(r.name, r.last_step) for r in read(tmp_path)] == [
        (tmp_path.name, 20),
        ("metrics", 8),
        ("lr1", 30),
        ("lr2", 30),
    ]


def test_a_run_branched_off_from_the_one_above_is_no_copy_of_it(tmp_path: Path) -> None:
    logs.put(tmp_path / "trainer_state.json", logs.state(logs.rows(30)))
    logs.put(tmp_path / "branch" / "trainer_state.json", logs.state(logs.rows(60)))
    logs.put(tmp_path / "copy" / "trainer_state.json", logs.state(logs.rows(30)))
    assert [run.last_step for run in read(tmp_path)] == [30, 60]


def test_an_event_file_hides_no_log_beside_it(tmp_path: Path) -> None:
    logs.put(tmp_path / "events.out.tfevents.1.host.1.0", events(logs.rows(30)))
    logs.put(tmp_path / "other.csv", CSV)
    logs.put(tmp_path / "hand.txt", "step 1: loss 2.0\nstep 2: loss 1.5\n")
    assert [run.kind for run in read(tmp_path)] == ["tensorboard", "text", "csv"]


def test_losses_that_are_zero_throughout_make_no_two_runs_one(tmp_path: Path) -> None:
    def state(reward: float) -> str:
        return logs.state({"step": s, "loss": 0.0, "reward": reward + 0.01 * s} for s in range(1, 31))

    logs.put(tmp_path / "trainer_state.json", state(0.1))
    logs.put(tmp_path / "beside" / "trainer_state.json", state(0.3))
    assert len(read(tmp_path)) == 2


def test_another_training_into_the_same_folder_is_named(tmp_path: Path) -> None:
    root = output(tmp_path / "out")
    logs.put(root / "runs" / "Nov21_host" / "events.out.tfevents.0.host.1.0", events(logs.rows(12, start=5.0)))
    (run,) = read(root)
    assert any("other trainings into this folder" in note and "Nov21_host" in note for note in run.notes)


def test_a_further_log_that_goes_on_is_named(tmp_path: Path) -> None:
    root = output(tmp_path / "out")
    logs.put(root / "runs" / "Nov22_host" / "events.out.tfevents.1.host.1.0", events(logs.rows(37)))
    (run,) = read(root)
    assert run.last_step == 30
    assert any("up to step 37" in note and "Nov22_host" in note for note in run.notes)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("two.csv", "it;Verlust;Rate\n10;2.7;0.1\n20;2.6;0.1\n"),
        ("numbers.tsv", "Schritt\tVerlust\n10\t2.7\n20\t2.6\n"),
        ("rows.jsonl", '{"step": 1, "verlust": 2.7}\n{"step": 2, "verlust": 2.6}\n'),
    ],
)
def test_a_table_without_losses_is_named(tmp_path: Path, name: str, content: str) -> None:
    logs.put(tmp_path / "log.csv", CSV)
    logs.put(tmp_path / "sub" / name, content)
    (run,) = read(tmp_path)
    assert any("1 files could not be read" in note and name in note and "--map" in note for note in run.notes)


def test_rows_to_train_on_are_no_tables_without_losses(tmp_path: Path) -> None:
    logs.put(tmp_path / "log.csv", CSV)
    logs.put(tmp_path / "train.jsonl", '{"question": "why?", "label": 1}\n{"question": "when?", "label": 0}\n')
    logs.put(tmp_path / "train.csv", "question,answer,label\nwhy?,so,1\nwhen?,now,0\n")
    (run,) = read(tmp_path)
    assert run.notes == ()


def test_a_console_log_in_a_collection_is_a_run_of_its_own(tmp_path: Path) -> None:
    logs.put(tmp_path / "trainer_log.jsonl", logs.lines(logs.factory_row(s) for s in range(1, 31)))
    other = logs.rows(12, start=5.0)
    printed = "".join(f"{{'loss': {r['loss']}, 'grad_norm': 1.5, 'epoch': {r['epoch']}}}\n" for r in other)
    logs.put(tmp_path / "other.log", printed)
    (run,) = read(tmp_path)
    assert any("other trainings into this folder" in note and "other.log" in note for note in run.notes)
    logs.put(tmp_path / "third" / "trainer_state.json", logs.state(logs.rows(20, start=9.0)))
    assert sorted(run.kind for run in read(tmp_path)) == ["hf_console", "hf_trainer", "llamafactory"]


def test_what_cannot_be_read_beside_other_logs_is_named_on_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "b"):
        logs.put(tmp_path / name / "metrics.csv", CSV if name == "a" else CSV.replace("3,", "3,1"))
    logs.put(tmp_path / "trainer_state.json", "\x80 no JSON")
    found = check_all([tmp_path])
    assert len(found.judged) == 2 and found.unreadable == []
    assert len(found.beside) == 1 and "trainer_state.json" in found.beside[0]
    assert main(["check", str(tmp_path)]) == 0
    assert "trainer_state.json" in capsys.readouterr().err
