from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import reader_logs as logs

from doneness.core import UnreadableError
from doneness.runs import Run, read


def csv(tmp_path: Path, text: str) -> Run:
    return read(logs.put(tmp_path / "log.csv", text))[0]


def points(run: Run, name: str) -> list[tuple[int, float]]:
    series = run.series[name]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def test_lightning_rows_are_sparse(tmp_path: Path) -> None:
    run = csv(tmp_path, "epoch,step,train_loss,val_loss\n0,49,3.5,\n0,99,3.0,\n0,99,,3.2\n1,149,2.5,\n1,149,,nan\n")
    assert points(run, "train/loss") == [(49, 3.5), (99, 3.0), (149, 2.5)]
    assert points(run, "eval/loss")[0] == (99, 3.2)
    assert math.isnan(points(run, "eval/loss")[1][1])


def test_the_index_of_an_epoch_is_not_passes_done(tmp_path: Path) -> None:
    run = csv(tmp_path, "epoch,step,loss\n" + "".join(f"{s // 5},{s},1.0\n" for s in range(20)))
    assert run.train is not None
    assert all(math.isnan(e) for e in run.train.epoch)


def test_keras_counts_epochs(tmp_path: Path) -> None:
    run = csv(tmp_path, "epoch,accuracy,loss,val_accuracy,val_loss\n0,0.5,2.0,0.4,2.1\n1,0.6,1.5,0.5,1.9\n")
    assert points(run, "train/loss") == [(1, 2.0), (2, 1.5)]
    assert points(run, "eval/loss") == [(1, 2.1), (2, 1.9)]
    assert points(run, "eval/accuracy") == [(1, 0.4), (2, 0.5)]
    assert run.train is not None
    assert run.train.epoch.tolist() == [1, 2]
    assert any("one epoch is taken as one step" in n for n in run.notes)


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: {"history": d, "params": {"epochs": 2}}])
def test_keras_history_json(tmp_path: Path, wrap: object) -> None:
    content = wrap({"loss": [2.0, 1.5], "val_loss": [2.1, 1.9]})  # type: ignore[operator]
    run = read(logs.put(tmp_path / "h.json", json.dumps(content, indent=1)))[0]
    assert points(run, "eval/loss") == [(1, 2.1), (2, 1.9)]
    assert any("rows are counted" in n for n in run.notes)


def test_a_wide_export_holds_a_run_for_each_name(tmp_path: Path) -> None:
    head = (
        '"Step","a - b - train/loss","a - b - train/loss__MIN","c - train/loss","c - train/loss__MAX","c - val/loss"\n'
    )
    runs = read(logs.put(tmp_path / "w.csv", head + '"0","3","3","4","4",""\n"1","2","2","","","5"\n'))
    assert [r.name for r in runs] == ["a - b", "c"]
    assert points(runs[0], "train/loss") == [(0, 3.0), (1, 2.0)]
    assert points(runs[1], "train/loss") == [(0, 4.0)]
    assert points(runs[1], "eval/loss") == [(1, 5.0)]
    assert not any("__M" in name for run in runs for name in run.series)


def test_iterations_come_before_the_trackers_own_count(tmp_path: Path) -> None:
    run = csv(tmp_path, "iter,_step,_runtime,train/loss,val/loss,lr\n0,0,1.5,4,4.1,1e-3\n250,26,9.5,3,3.1,1e-3\n")
    assert points(run, "train/loss") == [(0, 4.0), (250, 3.0)]
    assert run.train is not None
    assert run.train.time.tolist() == [1.5, 9.5]
    assert "train/learning_rate" in run.series


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_delimiters_and_comments(tmp_path: Path, delimiter: str) -> None:
    text = "# my run\n" + delimiter.join(["Step", "Training Loss", "Validation Loss"]) + "\n"
    run = csv(tmp_path, text + delimiter.join(["10", "1.5", "1.75"]) + "\n")
    assert points(run, "train/loss") == [(10, 1.5)]
    assert points(run, "eval/loss") == [(10, 1.75)]


def test_utf16_from_a_windows_shell(tmp_path: Path) -> None:
    logs.put(tmp_path / "log.csv", "step,loss\r\n1,2.5\r\n2,2.0\r\n".encode("utf-16"))
    assert points(read(tmp_path / "log.csv")[0], "train/loss") == [(1, 2.5), (2, 2.0)]


def test_without_steps_rows_are_counted_and_it_is_said(tmp_path: Path) -> None:
    run = csv(tmp_path, "loss,lr\n3,0.1\n2,0.1\n")
    assert points(run, "train/loss") == [(1, 3.0), (2, 2.0)]
    assert any("no step numbers" in n for n in run.notes)


def test_a_mapping_goes_before_any_guess(tmp_path: Path) -> None:
    logs.put(tmp_path / "log.csv", "n,objective,held,loss\n5,1,2,9\n6,3,4,9\n")
    mapping = {"n": "step", "objective": "train/loss", "held": "eval/loss"}
    run = read(tmp_path / "log.csv", mapping=mapping)[0]
    assert points(run, "train/loss") == [(5, 1.0), (6, 3.0)]
    assert points(run, "eval/loss") == [(5, 2.0), (6, 4.0)]
    logs.put(tmp_path / "log.jsonl", '{"n": 5, "objective": 1}\n{"n": 6, "objective": 3}\n')
    run = read(tmp_path / "log.jsonl", mapping=mapping)[0]
    assert points(run, "train/loss") == [(5, 1.0), (6, 3.0)]


def test_rows_of_another_width_are_lost_and_told(tmp_path: Path) -> None:
    run = csv(tmp_path, "step,loss\n" + "".join(f"{s},1.0\n" for s in range(1, 20)) + "20,1.0,7\n21,1.")
    assert run.last_step == 21
    assert any("1 rows" in n for n in run.notes)


def test_a_table_of_runs_is_no_log(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="a table of 2 runs"):
        csv(tmp_path, "run_name,run_id,state,train/loss\na,1,finished,2\nb,2,finished,3\n")


def test_json_lines_of_any_trainer(tmp_path: Path) -> None:
    content = [
        {"global_step/max_steps": "5/20", "loss": 2.0, "elapsed_time": "1m 5s", "memory(GiB)": 3.5},
        {"global_step/max_steps": "10/20", "loss": 1.5, "elapsed_time": "2m 5s", "tag": "x"},
        {"global_step/max_steps": "10/20", "eval_loss": 1.75},
        {"global_step/max_steps": "10/20", "train_runtime": 3.0, "train_loss": 7.0},
    ]
    run = read(logs.put(tmp_path / "logging.jsonl", logs.lines(content)))[0]
    assert points(run, "train/loss") == [(5, 2.0), (10, 1.5)]
    assert points(run, "eval/loss") == [(10, 1.75)]
    assert run.train is not None
    assert run.train.time.tolist() == [65.0, 125.0]


def test_a_json_array_of_rows_also_cut(tmp_path: Path) -> None:
    text = json.dumps([{"step": s, "loss": 2.0, "val_loss": None} for s in (1, 2, 3)])
    assert read(logs.put(tmp_path / "a.json", text))[0].last_step == 3
    run = read(logs.put(tmp_path / "b.json", text[:-20]))[0]
    assert run.last_step == 2
    assert any("cut" in n for n in run.notes)


def test_numbers_as_text_count_and_words_do_not(tmp_path: Path) -> None:
    run = read(logs.put(tmp_path / "a.jsonl", '{"step": 1, "loss": "NaN"}\n{"step": "2", "loss": "2.5", "x": "b"}\n'))[
        0
    ]
    assert math.isnan(points(run, "train/loss")[0][1])
    assert points(run, "train/loss")[1] == (2, 2.5)
    assert "train/x" not in run.series


def test_training_data_is_no_log(tmp_path: Path) -> None:
    logs.put(tmp_path / "data.jsonl", '{"instruction": "what is a loss", "output": "loss 3"}\n' * 5)
    with pytest.raises(UnreadableError, match="no training log"):
        read(tmp_path / "data.jsonl")
