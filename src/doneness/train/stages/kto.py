"""KTO: answers marked as good or bad, each by itself (arXiv 2402.01306)."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from doneness.config import PreferenceSection
from doneness.models import Encoded, example_losses
from doneness.models.chat import Answer
from doneness.models.pairs import Marked
from doneness.train.stages.base import Scored, Told
from doneness.train.stages.reference import Reference, drop_copy


@dataclass
class Kto:
    """TRL's KTO.

    Attributes:
        train, held_out: encoded answers with their marks.
        preference: the recipe's section.
        batch_size: rows scored at once.
        pad: id of the padding token.
        reference: of the held-out rows.
    """

    train: Sequence[Marked]
    held_out: Sequence[Marked]
    preference: PreferenceSection
    batch_size: int
    pad: int
    reference: Reference

    def trainer(self) -> type:
        """TRL's KTOTrainer."""
        from trl import KTOTrainer

        return KTOTrainer  # type: ignore[no-any-return]

    def arguments(self, common: dict[str, Any]) -> Any:
        """The loss and its weights; answers were cut already."""
        from trl import KTOConfig

        own = self.preference
        weights = {"desirable_weight": own.desirable_weight, "undesirable_weight": own.undesirable_weight}
        # Each row's neighbour is fixed before: TRL takes them in their order, which is a shuffled one.
        common = {name: value for name, value in common.items() if name != "train_sampling_strategy"}
        return KTOConfig(**common, beta=own.beta, max_length=None, **weights)

    def dataset(self) -> list[dict[str, Any]]:
        """Each row with the answer of another question, of which TRL takes how far the policy has moved."""
        return [
            {
                "prompt_ids": list(each.row.ids[: each.row.start]),
                "completion_ids": list(each.row.ids[each.row.start :]),
                "KL_completion_ids": list(other.row.ids[other.row.start :]),
                "label": each.good,
            }
            for each, other in zip(self.train, _others(self.train), strict=True)
        ]

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """TRL's."""
        from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

        return DataCollatorForUnpairedPreference(pad_token_id=self.pad)  # type: ignore[no-any-return]

    def more(self, model: Any) -> dict[str, Any]:
        """A copy as the reference where there are no adapters to be switched off."""
        from peft import PeftModel

        return {} if isinstance(model, PeftModel) else {"ref_model": copy.deepcopy(model).requires_grad_(False)}

    def built(self, trainer: Any) -> None:
        """Of new adapters no copy is needed."""
        drop_copy(trainer.model)

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens and those of the answers, the other question's apart."""
        return int(inputs["attention_mask"].sum()), int(inputs["completion_mask"].sum())

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """The loss over all held-out rows, with one estimate of the policy's distance for all of them.

        No loss row by row is kept: a row's share of it, between 0 and 1, is no likelihood.
        """
        rows = [each.row for each in self.held_out]
        other = [_joined(a.row, b.row) for a, b in zip(self.held_out, _others(self.held_out), strict=True)]
        halves = [*rows, *other]
        found = -example_losses(model, halves, step, self.batch_size, lambda done: told(done // 2), shared=True).nll
        own, mixed = found[: len(rows)], found[len(rows) :]
        reference = self.reference.of(step, own=own, mixed=mixed)
        beta, good = self.preference.beta, np.array([each.good for each in self.held_out])
        distance = max(0.0, float((mixed - reference["mixed"]).mean()))
        reward = beta * (own - reference["own"])
        weight = np.where(good, self.preference.desirable_weight, self.preference.undesirable_weight)
        kept = 1.0 / (1.0 + np.exp(-np.where(good, 1.0, -1.0) * (reward - beta * distance)))
        chosen, rejected = float(reward[good].mean()), float(reward[~good].mean())
        error = sum(float(each.var(ddof=1)) / each.size for each in (reward[good], reward[~good]) if each.size > 1)
        metrics = {
            "rewards/chosen": chosen,
            "rewards/rejected": rejected,
            "rewards/margins": chosen - rejected,
            "rewards/margins_se": error**0.5,
            "logps/chosen": float(own[good].mean()),
            "logps/rejected": float(own[~good].mean()),
            "kl": distance,
        }
        return Scored(None, float((weight * (1.0 - kept)).mean()), metrics)


def _others(rows: Sequence[Marked]) -> list[Marked]:
    """The row before each, around the end."""
    return [rows[-1], *rows[:-1]]


def _joined(question: Encoded, answer: Encoded) -> Encoded:
    """The one row's question with the other row's answer."""
    ids = question.ids[: question.start] + answer.ids[answer.start :]
    return replace(question, ids=ids, spans={}, several=(Answer(question.start, len(ids)),))
