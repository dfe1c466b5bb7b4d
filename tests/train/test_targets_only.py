"""Projecting target tokens alone is TRL's loss, its gradients and its logs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer
from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

from doneness.testing.tiny import make_tiny_model
from doneness.train.stages import targets_only
from doneness.train.stages.targets_only import TargetsOnly

ROWS = [
    {"input_ids": list(range(40, 60)), "labels": [-100] * 12 + list(range(52, 60))},
    {"input_ids": list(range(70, 79)), "labels": [-100] * 7 + [77, 78]},
    {"input_ids": [1, 2, 3], "labels": [-100, 2, 3]},
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_model(tmp_path_factory.mktemp("tiny") / "model")


def found(
    kind: type, folder: Path, packed: bool, items: int | None, by_block: bool = True
) -> tuple[float, list[Any], dict[str, list[float]]]:
    """A loss, its gradients, and what was noted."""
    from datasets import Dataset

    torch.manual_seed(0)
    collate = DataCollatorForLanguageModeling(pad_token_id=0, padding_free=packed)
    arguments = SFTConfig(
        output_dir=str(folder / "out"), use_cpu=True, bf16=False, report_to="none", gradient_checkpointing=False,
        max_length=None, dataset_kwargs={"skip_prepare_dataset": True},
    )  # fmt: skip
    trainer = kind(
        model=AutoModelForCausalLM.from_pretrained(folder),
        args=arguments,
        train_dataset=Dataset.from_list(ROWS),
        data_collator=collate,
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    if kind is TargetsOnly:
        assert trainer.head is not None
        trainer.head = trainer.head if by_block else None
    trainer.model.train()
    loss = trainer.compute_loss(trainer.model, collate(ROWS), num_items_in_batch=items and torch.tensor(items))
    loss.backward()
    gradients = [p.grad for p in trainer.model.parameters()]
    return float(loss.detach()), gradients, dict(trainer._metrics["train"])


@pytest.mark.parametrize("by_block", [True, False])
@pytest.mark.parametrize(("packed", "items"), [(False, None), (False, 31), (True, 31)])
def test_it_is_the_loss_of_trl(folder: Path, packed: bool, items: int | None, by_block: bool) -> None:
    loss, gradients, noted = found(TargetsOnly, folder, packed, items, by_block)
    theirs, others, logged = found(SFTTrainer, folder, packed, items)
    assert loss == pytest.approx(theirs, abs=1e-6)
    for one, other in zip(gradients, others, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)
    assert noted.keys() == logged.keys()
    for name, values in logged.items():
        assert noted[name] == pytest.approx(values, abs=1e-5)


def test_large_logits_are_left_to_trl_where_they_would_be_held_at_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {*range(11, 19), 6, 7, 0, 1}  # before a target of any row
    bytes_of = 4 * len(ROWS) * len(places) * 320
    noted: list[int] = []
    monkeypatch.setattr(TargetsOnly, "_note", lambda self, count, entropy, right: noted.append(int(count)))
    for most, by_block, expected in ((bytes_of, False, [12]), (bytes_of - 1, False, []), (bytes_of - 1, True, [12])):
        monkeypatch.setattr(targets_only, "_MOST", most)
        noted.clear()
        found(TargetsOnly, folder, False, 31, by_block)
        assert noted == expected
