"""Losses of train and validation rows in one column, evaluations of Megatron, fractional steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import reader_logs as logs

from doneness.runs import Run, read


def points(run: Run, name: str = "train/loss") -> list[tuple[int, float]]:
    series = run.series[name]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


def written(tmp_path: Path, rows: list[dict[str, Any]], form: str) -> list[Run]:
    if form == "jsonl":
        return read(logs.put(tmp_path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in rows)))
    head = list(rows[0])
    lines = [",".join(head), *(",".join(str(row[k]) for k in head) for row in rows)]
    return read(logs.put(tmp_path / "log.csv", "\n".join(lines) + "\n"))


def rows_of(column: str, *words: str, steps: int = 6) -> list[dict[str, Any]]:
    pairs = [(s, i, w) for s in range(10, 10 * steps + 1, 10) for i, w in enumerate(words)]
    return [{"step": s, column: w, "loss": float(s) + i / 10, "acc": 0.5 + i / 10} for s, i, w in pairs]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("column", ["split", "Phase", "mode", "stage", "set", "subset"])
@pytest.mark.parametrize("word", ["val", "valid", "Validation", "eval", "dev"])
def test_two_kinds_of_loss_never_become_one(tmp_path: Path, form: str, column: str, word: str) -> None:
    (run,) = written(tmp_path, rows_of(column, "train", word), form)
    assert points(run) == [(s, float(s)) for s in range(10, 61, 10)]
    assert points(run, "eval/loss") == [(s, s + 0.1) for s in range(10, 61, 10)]
    assert points(run, "eval/acc")[0] == (10, 0.6)
    assert not any("logged twice" in note for note in run.notes)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_further_sets_stand_beside_the_main_one(tmp_path: Path, form: str) -> None:
    (run,) = written(tmp_path, rows_of("split", "train", "val", "test", "val_math", "code"), form)
    for i, name in enumerate(("train/loss", "eval/loss", "eval:test/loss", "eval:math/loss", "eval:code/loss")):
        assert points(run, name) == [(s, s + i / 10) for s in range(10, 61, 10)]


def test_many_rows_are_read_alike(tmp_path: Path) -> None:
    (run,) = written(tmp_path, rows_of("split", "train", "val", steps=6000), "jsonl")
    assert [len(points(run, name)) for name in ("train/loss", "eval/loss")] == [6000, 6000]
    assert points(run, "eval/loss")[-1] == (60_000, 60_000.1)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_one_kind_after_the_other_is_one_training(tmp_path: Path, form: str) -> None:
    rows = sorted(rows_of("split", "train", "val"), key=lambda row: row["split"])
    (run,) = written(tmp_path, rows, form)
    assert points(run) == [(s, float(s)) for s in range(10, 61, 10)]
    assert points(run, "eval/loss") == [(s, s + 0.1) for s in range(10, 61, 10)]


def test_an_epoch_of_both_kinds_is_one_step(tmp_path: Path) -> None:
    rows = [{"epoch": e, "phase": p, "loss": e + x} for e in (1, 2, 3) for p, x in (("train", 0.0), ("val", 0.5))]
    (run,) = written(tmp_path, rows, "csv")
    assert points(run) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert points(run, "eval/loss") == [(1, 1.5), (2, 2.5), (3, 3.5)]


def test_words_of_no_split_change_nothing(tmp_path: Path) -> None:
    rows = [{"step": s, "stage": w, "loss": float(s)} for s, w in ((1, "warmup"), (2, "train"), (3, "cooldown"))]
    (run,) = written(tmp_path, rows, "jsonl")
    assert points(run) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    numbered = written(tmp_path, [{"step": s, "stage": s % 2, "loss": 1.0} for s in (1, 2, 3)], "jsonl")[0]
    assert points(numbered, "train/stage") == [(1, 1.0), (2, 0.0), (3, 1.0)]


def test_a_column_that_was_named_is_divided_too(tmp_path: Path) -> None:
    rows = [{"step": s, "split": w, "mine": s + x} for s in (1, 2, 3) for w, x in (("train", 0.0), ("dev", 0.5))]
    path = logs.put(tmp_path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in [{"loss": 0, "step": 0}, *rows]))
    (run,) = read(path, mapping={"mine": "train/loss"})
    assert points(run) == [(1, 1.0), (2, 2.0), (3, 3.0)]
    assert points(run, "eval/loss") == [(1, 1.5), (2, 2.5), (3, 3.5)]


MEGATRON = (
    " iteration {0:8d}/    1000 | consumed samples: 25600 | elapsed time per iteration (ms): 500.0 | "
    "learning rate: 1.0E-04 | global batch size: 256 | lm loss: {1:.6E} | loss scale: 1.0 | grad norm: 1.2 | "
    "number of skipped iterations:   0 | number of nan iterations:   0 |\n"
)
EVALUATED = (
    " ----------------\n validation loss at iteration {0} {2}| lm loss value: {1:.6E} | lm loss PPL: 1.007442E+01 | \n"
)


def test_megatron_writes_its_evaluations_in_lines_of_their_own(tmp_path: Path) -> None:
    text = "".join(MEGATRON.format(s, 3.0 - s / 1000) for s in range(10, 201, 10))
    for step in (100, 200):
        at = text.index(f"{step + 10:8d}/") - len(" iteration ") if step < 200 else len(text)
        text = text[:at] + EVALUATED.format(step, 3.5 - step / 1000, "") + text[at:]
    text += EVALUATED.format(200, 4.0, "on test set ") + (
        " validation loss at the end of training for test data | lm loss value: 4.1E+00 | lm loss PPL: 60 |\n"
    )
    (run,) = read(logs.put(tmp_path / "out.log", text))
    assert points(run) == [(s, pytest.approx(3.0 - s / 1000)) for s in range(10, 201, 10)]
    assert points(run, "eval/loss") == [(100, 3.4), (200, 3.3)]
    assert points(run, "test/loss") == [(200, 4.1)]
    assert run.number("planned_steps") == 1000
    assert not any("validation loss" in note for note in run.notes)


def test_a_validation_loss_that_was_not_understood_is_said(tmp_path: Path) -> None:
    text = "".join(f"step {s} loss {3 - s / 10:.2f}\nValidation loss improved (2.5 -> 2.4)\n" for s in range(1, 9))
    (run,) = read(logs.put(tmp_path / "out.log", text))
    assert "eval/loss" not in run.series
    (note,) = [n for n in run.notes if "validation loss" in n]
    assert note.startswith("8 lines") and note.endswith("Validation loss improved (2.5 -> 2.4)")
    understood = "".join(f"step {s} loss {3 - s / 10:.2f}\nstep {s} val loss {3 - s / 20:.2f}\n" for s in range(1, 9))
    (run,) = read(logs.put(tmp_path / "fine.log", understood))
    assert len(points(run, "eval/loss")) == 8
    assert not any("validation loss" in n for n in run.notes)


def test_fractions_are_no_steps(tmp_path: Path) -> None:
    (run,) = read(logs.put(tmp_path / "log.csv", "step,train_loss,val_loss\n0.1,4,\n0.2,3,3.5\n0.3,2,\n0.4,1,1.5\n"))
    assert points(run) == [(1, 4.0), (2, 3.0), (3, 2.0), (4, 1.0)]
    assert points(run, "eval/loss") == [(2, 3.5), (4, 1.5)]
    assert any("fractions" in n and "4 values" in n for n in run.notes)
    (whole,) = read(logs.put(tmp_path / "whole.csv", "step,loss\n1.0,4\n2.0,3\n3.0,2\n"))
    assert points(whole) == [(1, 4.0), (2, 3.0), (3, 2.0)]
    assert not any("fractions" in n for n in whole.notes)
