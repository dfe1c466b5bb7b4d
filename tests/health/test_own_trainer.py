"""Health in our own trainer: the same run with it and without, through a kill, and with a spoilt row."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.config import Recipe, build_recipe
from doneness.runs import read
from doneness.testing.tiny import write_rows
from doneness.workflows.train import train_run
from tests.train.conftest import Quiet, make_recipe  # noqa: F401
from tests.train.dying import kill_at

pytestmark = pytest.mark.model
Make = Callable[..., Recipe]
TIMES = {"at", "time", "steps_per_second", "tokens_per_second", "targets_per_second", "peak_memory_bytes"}


def records(recipe: Recipe, kind: str) -> list[dict[str, Any]]:
    lines = (Path(recipe.run.folder) / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


@pytest.mark.parametrize("method", ["lora", "full"])
def test_measuring_does_not_change_the_run_by_a_bit(make_recipe: Make, method: str) -> None:  # noqa: F811
    settings = (f"method.kind={method}", "method.dropout=0.1", "schedule.max_steps=4", "optimizer.max_grad_norm=0.1")
    without = make_recipe("without", "health.every=0", *settings)
    every = make_recipe("every", "health.every=1", *settings)
    for recipe in (without, every):
        train_run(recipe, Quiet())
    for kind in ("train", "eval"):
        kept = ("step", "loss", "grad_norm", "learning_rate", "tokens", "targets")
        a, b = ([{k: r.get(k) for k in kept} for r in records(each, kind)] for each in (without, every))
        assert a == b and len(a) >= 4
    name = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    a_file, b_file = (Path(r.run.folder) / "checkpoint-4" / name for r in (without, every))
    assert a_file.read_bytes() == b_file.read_bytes()
    assert records(without, "health") == []
    measured = records(every, "health")
    assert [r["step"] for r in measured] == [1, 2, 3, 4]
    # Before clipping, as the Trainer logs it.
    logged = {r["step"]: r["grad_norm"] for r in records(every, "train")}
    assert all(r["grad"]["all"] == pytest.approx(logged[r["step"]], rel=1e-4) for r in measured)
    assert max(logged.values()) > 0.1
    assert [("lora" in r, r["noise"]["rows"], r["noise"]["n"]) for r in measured] == [
        (method == "lora", 8, n) for n in (1, 2, 3, 4)
    ]


def test_the_series_of_a_run_hold_what_was_measured(make_recipe: Make) -> None:  # noqa: F811
    recipe = make_recipe("series", "health.every=2", "schedule.max_steps=4")
    run = train_run(recipe, Quiet()).run
    rows = records(recipe, "health")
    assert run.series["health/grad/q"].step.tolist() == [1, 2, 4]
    assert run.series["health/grad/q"].value.tolist() == [r["grad"]["q"] for r in rows]
    assert run.series["health/lora/1"].value.tolist() == [r["lora"]["1"] for r in rows]
    assert run.series["health/tokens_per_second"].tokens.tolist() == [r["tokens"] for r in rows]
    assert "health/peak_memory_bytes/rss" in run.series
    assert [e.kind for e in run.events if e.kind in ("health", "spike")] == []
    # Before the first step B is zero, so that LoRA grows from nothing.
    assert 0 < run.series["health/lora/0"].value[0] < run.series["health/lora/0"].value[-1]


def test_a_killed_run_measures_on_as_if_nothing_had_been(make_recipe: Make, tmp_path: Path) -> None:  # noqa: F811
    whole, broken = (make_recipe(name, "health.every=2", "schedule.max_steps=7") for name in ("whole", "broken"))
    train_run(whole, Quiet())
    kill_at(broken, 5, tmp_path)
    train_run(broken, Quiet())
    runs = [read(each.run.folder)[0] for each in (whole, broken)]
    names = [name for name in runs[0].series if name.startswith("health/") and not TIMES & set(name.split("/"))]
    assert len(names) > 15
    for name in names:
        a, b = (run.series[name] for run in runs)
        assert a.step.tolist() == b.step.tolist()
        assert a.value.tolist() == b.value.tolist(), name
        assert a.tokens.tolist() == b.tokens.tolist()


def test_a_spoilt_row_is_named(tiny_model: Path, tmp_path: Path) -> None:
    """One row of nonsense among rows that are all alike."""
    rows = [(f"Row {i}?", "red, mostly red, mostly red.") for i in range(60)]
    rows[37] = ("Row 37?", "".join(chr(97 + (7 * i * i + 3 * i) % 26) for i in range(120)))
    raw = {
        "run": {"folder": str(tmp_path / "run"), "threads": 1, "seed": 3},
        "model": {"path": str(tiny_model), "device": "cpu"},
        "method": {"kind": "full"},
        "data": {
            "train": str(write_rows(tmp_path / "train.jsonl", rows)),
            "eval": str(write_rows(tmp_path / "eval.jsonl", [("Held out?", "red, mostly red.")])),
        },
        "optimizer": {"learning_rate": 1e-2, "batch_size": 2, "micro_batch": 1},
        "schedule": {"max_steps": 60, "kind": "constant"},
        "evaluation": {"every": 60},
        "stopping": {"enabled": False},
        "checkpoints": {"with_evaluations": False},
    }
    run = train_run(build_recipe(raw), Quiet()).run
    spikes = [e for e in run.events if e.kind == "spike"]
    assert spikes
    assert run.train is not None
    spoilt = [e for e in spikes if any(name.endswith("38") for name in e.data["rows"])]
    assert spoilt, [e.data for e in spikes]
    for event in spikes:
        assert event.data["count"] == len(event.data["rows"]) == 2
        place = run.train.step.tolist().index(event.step)
        assert event.data["loss"] == run.train.value[place]
        before = run.train.value[place - 8 : place]
        assert event.data["expected"] == pytest.approx(float(np.median(before)))
        assert event.data["deviations"] > 7
