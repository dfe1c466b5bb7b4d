from __future__ import annotations

import math
from pathlib import Path

import pytest
import reader_logs as logs

from doneness.runs import Run, read


def text(tmp_path: Path, content: str) -> Run:
    return read(logs.put(tmp_path / "out.log", content))[0]


def points(run: Run, name: str = "train/loss") -> list[tuple[int, float]]:
    series = run.series[name]
    return list(zip(series.step.tolist(), series.value.tolist(), strict=True))


BARS = (
    "\x1b[32mLoading\x1b[0m 2/2 [00:01<00:00, 1.0s/it]\nMap: 50/50 [00:00<00:00, 9 examples/s]\n"
    "\r  5%|█ | 5/100 [00:05<01:00, 1.0s/it]{'loss': 2.5, 'grad_norm': nan, 'learning_rate': 1e-05, 'epoch': 0.05}\n"
    "\r 10%|█ | 10/100 [00:10<01:00, 1.0s/it]\n{'loss': '2.0', 'grad_norm': '1.5', 'epoch': '0.1'}\n"
    "\r 50%|█ | 1/2 [00:01<00:00, 2.0it/s]\r100%|█ | 2/2 [00:01<00:00, 2.0it/s]\n"
    "{'eval_loss': 2.25, 'eval_runtime': 3.0, 'epoch': 0.1}\n"
    "{'train_runtime': 9.0, 'train_loss': 2.25, 'epoch': 0.1}\n"
)


def test_printed_dicts_take_their_steps_from_the_bars(tmp_path: Path) -> None:
    run = text(tmp_path, BARS)
    assert run.kind == "hf_console"
    assert points(run) == [(5, 2.5), (10, 2.0)]
    assert points(run, "eval/loss") == [(10, 2.25)]
    assert math.isnan(points(run, "train/grad_norm")[0][1])
    assert run.meta["planned_steps"] == 100
    assert "train/train_loss" not in run.series


def test_printed_dicts_without_bars_are_counted(tmp_path: Path) -> None:
    rows = "".join(f"2026-01-01 | INFO | {{'loss': {3 - s}, 'epoch': {s}.0}}\n" for s in (1, 2))
    run = text(tmp_path, rows + "{'eval_loss': 1.5, 'epoch': 2.0}\n")
    assert points(run) == [(1, 2.0), (2, 1.0)]
    assert points(run, "eval/loss") == [(2, 1.5)]
    assert any("no step numbers" in n for n in run.notes)


def test_a_sweep_in_one_log_is_many_runs(tmp_path: Path) -> None:
    one = "{'loss': 2.0, 'epoch': 0.5}\n{'loss': 1.0, 'epoch': 1.0}\n"
    after = "{'train_runtime': 1.0, 'train_loss': 1.5, 'epoch': 1.0}\n{'eval_loss': 1.25, 'epoch': 1.0}\n"
    runs = read(logs.put(tmp_path / "sweep.log", (one + after) * 3))
    assert [points(r) for r in runs] == [[(1, 2.0), (2, 1.0)]] * 3
    assert all(len(r.evals or ()) == 1 for r in runs)


@pytest.mark.parametrize(
    ("content", "train", "evals"),
    [
        (
            "step 0: train loss 4.25, val loss 4.5\niter 0: loss 4.75, time 2000.00ms, mfu -100.00%\n"
            "iter 10: loss 3.5, time 20ms, mfu 1%\nstep 10: train loss 3.25, val loss 3.75\n",
            [(0, 4.75), (10, 3.5)],
            [(0, 4.5), (10, 3.75)],
        ),
        (
            "step 0: train loss 4, val loss 4.5\nstep 250: train loss 3, val loss 3.5\n",
            [(0, 4), (250, 3)],
            [(0, 4.5), (250, 3.5)],
        ),
        ("step 00001/00500 (0.20%) | loss: 5.5 | lrm: 1.00 | tok/sec: 22,429 | total time: 0.50m\n", [(1, 5.5)], None),
        ("\r1|50|Loss: 2.5: 1%|  | 50/5000\r1|51|Loss: 2.25: 1%| | 51/5000", [(50, 2.5), (51, 2.25)], None),
        (
            "Epoch 1 | iter 16 step 4 | loss train: 2.5, val: n/a | iter time: 1.5 ms (step)\n"
            "Epoch 1 | iter 32 step 8 | loss train: 2.0, val: 2.25 | iter time: 1.5 ms (step)\n",
            [(4, 2.5), (8, 2.0)],
            [(8, 2.25)],
        ),
        (
            "Iter 1: Val loss 2.5, Val took 3.1s\nIter 10: Train loss 2.25, Learning Rate 1e-05\n",
            [(10, 2.25)],
            [(1, 2.5)],
        ),
        ("Epoch [1/3], Loss: 0.5, Accuracy: 91.25%\nEpoch [2/3], Loss: nan\n", [(1, 0.5), (2, math.nan)], None),
        (
            "".join(f"Epoch [{e}/2], Step [{s}/200], Loss: {e}.5\n" for e in (1, 2) for s in (100, 200)),
            [(100, 1.5), (200, 1.5), (300, 2.5), (400, 2.5)],
            None,
        ),
    ],
    ids=["nanogpt", "nanogpt-evals", "nanochat", "torchtune", "litgpt", "mlx", "epochs", "steps-in-epochs"],
)  # fmt: skip
def test_lines_that_name_a_step_and_a_loss(
    tmp_path: Path, content: str, train: list[tuple[int, float]], evals: list[tuple[int, float]] | None
) -> None:
    run = text(tmp_path, content)
    assert repr(points(run)) == repr([(s, float(v)) for s, v in train])
    if evals is None:
        assert run.evals is None
    else:
        assert points(run, "eval/loss") == evals


def test_an_estimate_of_the_training_loss_is_kept_beside_the_curve(tmp_path: Path) -> None:
    run = text(tmp_path, "iter 0: loss 4.5, time 2ms\nstep 0: train loss 4.25, val loss 4.5\n")
    assert points(run, "train/estimate") == [(0, 4.25)]


def test_colour_codes_and_planned_steps(tmp_path: Path) -> None:
    run = text(tmp_path, "\x1b[1mstep 5/20\x1b[0m | \x1b[31mloss: 1,234.5\x1b[0m | lr: 1e-4 | grad norm: 0.5\n")
    assert points(run) == [(5, 1234.5)]
    assert run.meta["planned_steps"] == 20
    assert points(run, "train/learning_rate") == [(5, 1e-4)]
    assert points(run, "train/grad_norm") == [(5, 0.5)]
