"""A reward model: one number for an answer, higher for the chosen one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from doneness.models.pairs import EncodedPair, margin_losses
from doneness.models.parted import Parted, looking
from doneness.train.stages.base import Scored, Told


@dataclass(frozen=True)
class Reward:
    """TRL's reward model.

    Attributes:
        train, held_out: encoded pairs.
        batch_size: pairs scored at once.
        pad: id of the padding token.
    """

    train: Sequence[EncodedPair]
    held_out: Sequence[EncodedPair]
    batch_size: int
    pad: int

    def trainer(self) -> type:
        """TRL's RewardTrainer: −log σ of the difference of rewards."""
        from trl import RewardTrainer

        return RewardTrainer  # type: ignore[no-any-return]

    def arguments(self, common: dict[str, Any]) -> Any:
        """Rows are cut and encoded already."""
        from trl import RewardConfig

        return RewardConfig(**common, max_length=None)

    def dataset(self) -> list[dict[str, Any]]:
        """Question and answer together, for both answers."""
        return [{"chosen_ids": list(p.chosen.ids), "rejected_ids": list(p.rejected.ids)} for p in self.train]

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """TRL's: all chosen answers first, then the rejected ones."""
        from trl.trainer.reward_trainer import DataCollatorForPreference

        return DataCollatorForPreference(pad_token_id=self.pad)  # type: ignore[no-any-return]

    def more(self, model: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def built(self, trainer: Any) -> None:
        """Nothing."""

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens; all of them are read for the one number."""
        tokens = int(inputs["attention_mask"].sum())
        return tokens, tokens

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """−log σ of the difference of rewards, pair by pair."""
        rewards = self._rewards(model, told)
        chosen, rejected = rewards[::2], rewards[1::2]
        losses = margin_losses(step, self.held_out, chosen - rejected)
        metrics = {
            "accuracy": float((chosen > rejected).mean()),
            "margin": float((chosen - rejected).mean()),
            "min_reward": float(rewards.min()),
            "mean_reward": float(rewards.mean()),
            "max_reward": float(rewards.max()),
        }
        return Scored(losses, losses.mean, metrics)

    def _rewards(self, model: Any, told: Told) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Of every answer, chosen and rejected in turn, those of like length together."""
        import torch

        rows = [ids for pair in self.held_out for ids in (pair.chosen.ids, pair.rejected.ids)]
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        found, was_training = np.zeros(len(rows)), model.training
        model.eval()
        try:
            with looking(model):
                size, done = 2 * self.batch_size, 0
                own = Parted([order[at : at + size] for at in range(0, len(order), size)], model)
                for batch in own:
                    found[batch] = self._batch(torch, model, [rows[i] for i in batch])
                    done += len(batch) * own.processes
                    told(min(len(order), done) // 2)
                own.complete([found])
        finally:
            model.train(was_training)
        return found

    def _batch(self, torch: Any, model: Any, rows: Sequence[Sequence[int]]) -> Any:
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), self.pad, dtype=torch.long)
        mask = torch.zeros((len(rows), width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.tensor(row)
            mask[i, : len(row)] = 1
        device = next(model.parameters()).device
        logits = model(input_ids=ids.to(device), attention_mask=mask.to(device), use_cache=False).logits
        return logits.reshape(-1).float().cpu().numpy()
