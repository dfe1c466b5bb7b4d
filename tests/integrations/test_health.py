"""Health in TRL's SFTTrainer, as its users write it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from doneness.core import DonenessError
from doneness.integrations import DonenessCallback, Monitor
from doneness.integrations.health import hash_of, names_of
from doneness.runs import read
from tests.integrations.conftest import said

pytestmark = [pytest.mark.model, pytest.mark.filterwarnings("ignore::FutureWarning")]
Make = Callable[..., Any]


@pytest.fixture
def sft(tiny_model: Path, settings: dict[str, Any], sft_rows: Any) -> Make:
    from peft import LoraConfig
    from trl import SFTConfig, SFTTrainer

    def make(callback: DonenessCallback, rows: Any = None, lora: bool = True, **changes: Any) -> Any:
        usual = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3, "eval_steps": 4, "bf16": False}
        return SFTTrainer(
            model=str(tiny_model),
            args=SFTConfig(**(settings | usual | changes)),
            train_dataset=sft_rows[0] if rows is None else rows,
            eval_dataset=sft_rows[1],
            peft_config=LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM") if lora else None,
            callbacks=[callback],
        )

    return make


def journal(tmp_path: Path, kind: str) -> list[dict[str, Any]]:
    lines = (tmp_path / "out" / "doneness" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [record for line in lines if (record := json.loads(line))["kind"] == kind]


def test_a_trl_run_is_measured(sft: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trainer = sft(DonenessCallback(health=2), max_grad_norm=0.05)
    trainer.train()
    found, logged = journal(tmp_path, "health"), {r["step"]: r for r in journal(tmp_path, "train")}
    assert [r["step"] for r in found] == [1, 2, 4, 6, 8]
    for record in found:
        assert record["grad"]["all"] == pytest.approx(logged[record["step"]]["grad_norm"], rel=1e-4)
        assert set(record["grad"]) == {"all", "q", "k", "v", "o", "mlp"} == set(record["update"])
        assert set(record["lora"]) == {"0", "1"} and set(record["peak_memory_bytes"]) == {"rss"}
        assert record["tokens"] == logged[record["step"]]["tokens"]
    assert max(r["grad_norm"] for r in logged.values()) > 0.05
    assert [r["noise"]["rows"] for r in found] == [6, 6, 6, 6, 6]
    # Twenty-four rows in four steps: two passes in eight.
    data = trainer.train_dataset
    assert logged[8]["tokens"] == 2 * sum(len(row["input_ids"]) for row in data)
    assert logged[8]["targets"] == 2 * sum(int((np.asarray(row["labels"][1:]) != -100).sum()) for row in data)
    assert found[1]["tokens_per_second"] > 0
    run = read(tmp_path / "out" / "doneness")[0]
    assert run.series["health/update/all"].step.tolist() == [1, 2, 4, 6, 8]
    assert said(caplog) == []
    assert not trainer.model._forward_pre_hooks
    assert not any(p._backward_hooks for p in trainer.model.parameters())


def test_measuring_changes_nothing_and_can_be_switched_off(sft: Make, tmp_path: Path) -> None:
    losses = []
    for health in (0, 1):
        callback = DonenessCallback(tmp_path / f"run-{health}", health=health)
        trainer = sft(callback, max_steps=4, eval_strategy="no", lora=False)
        trainer.train()
        losses.append([row["loss"] for row in trainer.state.log_history if "loss" in row])
    assert losses[0] == losses[1] and len(losses[0]) == 4
    names = [{name for name in read(tmp_path / f"run-{h}")[0].series if name.startswith("health/")} for h in (0, 1)]
    assert names[0] == set() and "health/grad/embedding" in names[1] and not any("lora" in name for name in names[1])


def test_a_spoilt_row_is_found_in_the_data_set(sft: Make, tmp_path: Path) -> None:
    from datasets import Dataset

    text = "".join(chr(97 + (7 * i * i + 3 * i) % 26) for i in range(120))
    rows = [{"prompt": f"Row {i}?", "completion": "red, mostly red, mostly red."} for i in range(50)]
    rows[31] = {"prompt": "Row 31?", "completion": text}
    trainer = sft(
        DonenessCallback(), Dataset.from_list(rows), lora=False, max_steps=50, eval_strategy="no", learning_rate=1e-2,
        per_device_train_batch_size=1, gradient_accumulation_steps=2, lr_scheduler_type="constant",
    )  # fmt: skip
    trainer.train()
    spikes = journal(tmp_path, "spike")
    assert any("train[31]" in r["rows"] for r in spikes), spikes
    assert all(r["count"] == 2 and r["first"] == r["step"] for r in spikes)


def test_an_error_of_ours_ends_the_measuring_alone(
    sft: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*args: Any) -> None:
        raise RuntimeError("no norm")

    monkeypatch.setattr("doneness.health.gauge._norms", broken)
    trainer = sft(DonenessCallback(), max_steps=4)
    trainer.train()
    assert trainer.state.global_step == 4 and journal(tmp_path, "health") == []
    assert [r["where"] for r in journal(tmp_path, "error")] == ["health.pre_optimizer_step"]
    assert len(journal(tmp_path, "train")) == 4 and len(journal(tmp_path, "eval")) == 1
    assert not trainer.model._forward_pre_hooks


@pytest.mark.parametrize("value", [-1, 2.5, True, "ten"])
def test_how_often_must_be_a_number_of_steps(value: Any) -> None:
    with pytest.raises(DonenessError, match="health must be"):
        DonenessCallback(health=value)


def test_rows_are_named_by_their_place_or_by_their_hash() -> None:
    import torch

    rows = [[5, 6, 7], [8, 9], [5, 6]]
    ids = torch.tensor([[5, 6, 7], [8, 9, 0], [1, 2, 0]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0], [1, 1, 0]])
    data = [{"input_ids": row} for row in rows]
    assert names_of([(ids, mask)], data) == ["train[0]", "train[1]", hash_of([1, 2])]
    assert names_of([(ids[:1], None)], object()) == [hash_of([5, 6, 7])]
    assert names_of([(ids[:1], None)], [{"text": "no tokens"}]) == [hash_of([5, 6, 7])]


def test_a_loop_of_ones_own_names_its_rows(tmp_path: Path) -> None:
    asked = []

    def rows() -> list[str]:
        asked.append(1)
        return ["a", "b"]

    with Monitor(tmp_path / "run") as monitor:
        for step in range(1, 41):
            monitor.log_train(step, loss=9.0 if step == 30 else 2.0 + 0.01 * (step % 5), rows=rows)
        monitor.log_health(40, {"grad": {"all": 1.0}, "tokens_per_second": 10.0})
    assert len(asked) == 1
    run = read(tmp_path / "run")[0]
    spike = next(e for e in run.events if e.kind == "spike")
    assert (spike.step, spike.data["first"], spike.data["rows"]) == (30, 30, ["a", "b"])
    assert run.series["health/grad/all"].value.tolist() == [1.0]
    with Monitor(tmp_path / "quiet", spikes=False) as monitor:
        for step in range(1, 41):
            monitor.log_train(step, loss=9.0 if step == 30 else 2.0)
    assert not [e for e in read(tmp_path / "quiet")[0].events if e.kind == "spike"]
