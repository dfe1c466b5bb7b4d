from __future__ import annotations

from pathlib import Path

import pytest
import reader_logs as logs

from doneness.runs import read


def test_a_log_alone_is_told_by_its_content(tmp_path: Path) -> None:
    content = [logs.factory_row(s, lr=1e-4) for s in (10, 20)] + [logs.factory_row(20, eval_loss=2.0)]
    del content[2]["loss"]
    run = read(logs.put(tmp_path / "anything.txt", logs.lines(content)))[0]
    assert run.kind == "llamafactory"
    assert run.meta["planned_steps"] == 90
    assert run.train is not None
    assert run.train.time.tolist() == [10.0, 20.0]
    assert run.series["train/learning_rate"].value.tolist() == [1e-4, 1e-4]
    assert run.evals is not None
    assert run.evals.value.tolist() == [2.0]


def test_the_state_beside_it_wins_and_takes_the_clock(tmp_path: Path) -> None:
    logs.put(tmp_path / "trainer_log.jsonl", logs.lines(logs.factory_row(s, learning_rate=7.0) for s in (10, 20, 30)))
    logs.put(tmp_path / "trainer_state.json", logs.state(logs.rows(20, 10)))
    logs.put(tmp_path / "training_args.yaml", "stage: dpo\nper_device_train_batch_size: 2\nmodel_name_or_path: a/b\n")
    logs.put(tmp_path / "all_results.json", '{"eval_loss": 1.25}')
    runs = read(tmp_path)
    assert len(runs) == 1
    run = runs[0]
    assert run.train is not None
    assert run.train.step.tolist() == [10, 20, 30]
    assert run.train.time.tolist() == [10.0, 20.0, 30.0]
    assert run.series["train/learning_rate"].value.tolist() == [1e-4, 1e-4, 7.0]
    assert run.series["train/grad_norm"].value.tolist() == [1.5, 1.5]
    facts = {k: run.meta[k] for k in ("method", "batch_size", "model", "final_eval_loss", "planned_steps")}
    assert facts == {"method": "dpo", "batch_size": 2, "model": "a/b", "final_eval_loss": 1.25, "planned_steps": 90}


def test_a_state_of_another_run_stays_another_run(tmp_path: Path) -> None:
    logs.put(tmp_path / "trainer_log.jsonl", logs.lines(logs.factory_row(s) for s in (10, 20)))
    logs.put(tmp_path / "trainer_state.json", logs.state(logs.rows(20, 10, start=8.0)))
    assert [r.kind for r in read(tmp_path)] == ["llamafactory", "hf_trainer"]


def test_the_clock_goes_on_over_a_resume(tmp_path: Path) -> None:
    first = [logs.factory_row(s) for s in (10, 20, 30, 40)]
    again = [logs.factory_row(s, elapsed_time=f"0:00:{s - 20:02d}") for s in (30, 40, 50)]
    run = read(logs.put(tmp_path / "trainer_log.jsonl", logs.lines(first + again)))[0]
    assert run.train is not None
    assert run.train.step.tolist() == [10, 20, 30, 40, 50]
    assert run.train.time.tolist() == [10, 20, 50, 60, 70]
    assert any("superseded" in n for n in run.notes)


def test_two_trainings_in_one_log_are_two_runs(tmp_path: Path) -> None:
    content = [logs.factory_row(s) for s in (10, 20, 30)] * 2
    runs = read(logs.put(tmp_path / "trainer_log.jsonl", logs.lines(content)))
    assert [r.last_step for r in runs] == [30, 30]
    assert "#2" in runs[1].name


def test_every_step_written_twice_is_kept_once(tmp_path: Path) -> None:
    content = [row for s in (10, 20, 30) for row in (logs.factory_row(s), logs.factory_row(s, loss=1.0))]
    run = read(logs.put(tmp_path / "trainer_log.jsonl", logs.lines(content)))[0]
    assert run.train is not None
    assert run.train.value.tolist() == [1.0, 1.0, 1.0]
    assert any("3 values" in n for n in run.notes)


@pytest.mark.parametrize("tail", ['{"current_steps": 40, "tot', "\x00\x00\x00"])
def test_a_damaged_tail_loses_only_itself(tmp_path: Path, tail: str) -> None:
    text = logs.lines(logs.factory_row(s) for s in (10, 20, 30)) + tail
    run = read(logs.put(tmp_path / "trainer_log.jsonl", text))[0]
    assert run.train is not None
    assert run.train.step.tolist() == [10, 20, 30]
    assert any("1 rows" in n for n in run.notes)
