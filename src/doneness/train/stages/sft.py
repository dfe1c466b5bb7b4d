"""Supervised fine-tuning, and pretraining, which is the same loss on every token of a text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.models import Encoded, example_losses
from doneness.train.stages.base import Scored, Told


@dataclass(frozen=True)
class Supervised:
    """Rows of which some tokens carry loss.

    Attributes:
        train, held_out: encoded rows.
        batch_size: rows scored at once.
        pad: id of the padding token.
        packed: rows of a micro-batch lie end to end; else they are padded to the longest.
        answers: rows are questions with answers, and not texts.
    """

    train: Sequence[Encoded]
    held_out: Sequence[Encoded]
    batch_size: int
    pad: int
    packed: bool = False
    answers: bool = True

    def trainer(self) -> type:
        """TRL's SFTTrainer: the loss is summed over target tokens, divided by those of the accumulated batch."""
        from doneness.train.stages.targets_only import TargetsOnly

        return TargetsOnly

    def arguments(self, common: dict[str, Any]) -> Any:
        """Rows are cut and encoded already."""
        from trl import SFTConfig

        return SFTConfig(**common, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})

    def dataset(self) -> list[dict[str, Any]]:
        """Token ids, and labels of −100 where a token carries no loss."""
        return [{"input_ids": list(row.ids), "labels": list(row.labels)} for row in self.train]

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """TRL's, which pads on the right, or lays end to end."""
        from trl.trainer.sft_trainer import DataCollatorForLanguageModeling

        return DataCollatorForLanguageModeling(pad_token_id=self.pad, padding_free=self.packed)  # type: ignore[no-any-return]

    def more(self, model: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def built(self, trainer: Any) -> None:
        """Nothing."""

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens, and those with a label; the first token of a row is predicted by nothing."""
        mask = inputs.get("attention_mask")
        tokens = int(inputs["input_ids"].numel() if mask is None else mask.sum())
        return tokens, int((inputs["labels"][:, 1:] != -100).sum())

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """The summed loss of every row and of its spans, and how many answers the model gives word for word."""
        exact = np.zeros(len(self.held_out), dtype=np.bool_)
        losses = example_losses(model, self.held_out, step, self.batch_size, told, exact, shared=True)
        return Scored(losses, losses.mean, {"exact": float(exact.mean())} if self.answers else {})
