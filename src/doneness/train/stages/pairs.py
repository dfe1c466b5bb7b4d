"""DPO and ORPO: a chosen answer against a rejected one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.config import PreferenceSection
from doneness.models.pairs import EncodedPair, margin_losses, reward_metrics, score_pairs
from doneness.train.stages.base import Scored, Told
from doneness.train.stages.reference import Reference, drop_copy

Floats = NDArray[np.float64]


@dataclass
class Pairs:
    """What DPO and ORPO share.

    Attributes:
        train, held_out: encoded pairs.
        preference: the recipe's section.
        batch_size: pairs scored at once.
        pad: id of the padding token.
    """

    train: Sequence[EncodedPair]
    held_out: Sequence[EncodedPair]
    preference: PreferenceSection
    batch_size: int
    pad: int

    def dataset(self) -> list[dict[str, Any]]:
        """The question's tokens and both answers', as TRL's collator has them."""
        return [
            {
                "prompt_ids": list(pair.chosen.ids[: pair.chosen.start]),
                "chosen_ids": list(pair.chosen.ids[pair.chosen.start :]),
                "rejected_ids": list(pair.rejected.ids[pair.rejected.start :]),
            }
            for pair in self.train
        ]

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """TRL's: all chosen answers first, then the rejected ones."""
        from trl.trainer.dpo_trainer import DataCollatorForPreference

        return DataCollatorForPreference(pad_token_id=self.pad)  # type: ignore[no-any-return]

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens of both halves, and those of the answers."""
        return int(inputs["attention_mask"].sum()), int(inputs["completion_mask"].sum())


@dataclass
class Dpo(Pairs):
    """Direct preference optimisation (arXiv 2305.18290), and TRL's other losses of the same ratios.

    The reference is the model as it stands before the first step: adapters switched off, or a copy where every weight
    moves. Of the held-out pairs it is scored once and lies in the run folder.
    """

    reference: Reference

    def trainer(self) -> type:
        """TRL's DPOTrainer."""
        from trl import DPOTrainer

        return DPOTrainer  # type: ignore[no-any-return]

    def arguments(self, common: dict[str, Any]) -> Any:
        """The loss and its strength; answers were cut already."""
        from trl import DPOConfig

        losses, weights = [self.preference.loss], None
        if self.preference.sft_weight:
            losses, weights = [self.preference.loss, "sft"], [1.0, self.preference.sft_weight]
        own = {"loss_type": losses, "loss_weights": weights, "label_smoothing": self.preference.label_smoothing}
        return DPOConfig(**common, beta=self.preference.beta, max_length=None, **own)

    def more(self, model: Any) -> dict[str, Any]:
        """A copy as the reference where there are no adapters to be switched off."""
        from peft import PeftModel

        return {} if isinstance(model, PeftModel) else {"ref_model": copy.deepcopy(model).requires_grad_(False)}

    def built(self, trainer: Any) -> None:
        """Of new adapters no copy is needed."""
        drop_copy(trainer.model)

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """Rewards β·log(π/π_ref) of both answers, and −log σ of their difference."""
        found = score_pairs(model, self.held_out, self.batch_size, told, shared=True)
        reference = self.reference.of(step, chosen=found.chosen, rejected=found.rejected)
        beta = self.preference.beta
        chosen, rejected = beta * (found.chosen - reference["chosen"]), beta * (found.rejected - reference["rejected"])
        losses = margin_losses(step, self.held_out, chosen - rejected)
        return Scored(losses, losses.mean, reward_metrics(found, chosen, rejected))


class Orpo(Pairs):
    """Odds-ratio preference optimisation (arXiv 2403.07691): the chosen answer's loss less β · log σ(log odds ratio).

    The supervised part is over the answer's tokens, as in the paper and in LLaMA-Factory; TRL's counts the question
    with them. There is no reference.
    """

    def trainer(self) -> type:
        """TRL's DPOTrainer with this loss in place of its own."""
        from doneness.train.stages.orpo import OrpoTrainer

        return OrpoTrainer

    def arguments(self, common: dict[str, Any]) -> Any:
        """Without a reference: TRL then takes its scores from the rows, and this loss asks for none."""
        from trl import DPOConfig

        return DPOConfig(**common, beta=self.preference.beta, max_length=None, precompute_ref_log_probs=True)

    def more(self, model: Any) -> dict[str, Any]:
        """Nothing."""
        return {}

    def built(self, trainer: Any) -> None:
        """No reference is needed."""
        if "ref" in getattr(trainer.model, "peft_config", {}):
            trainer.model.delete_adapter("ref")

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """Rewards β · mean log-probability of a token of each answer, and the whole loss of every pair."""
        found = score_pairs(model, self.held_out, self.batch_size, told, shared=True)
        chosen, rejected = found.chosen / found.chosen_tokens, found.rejected / found.rejected_tokens
        odds = log_odds(chosen) - log_odds(rejected)
        losses = margin_losses(step, self.held_out, odds)
        beta = self.preference.beta
        loss = float((-chosen + beta * losses.nll).mean())
        more = {"nll_loss": float(-chosen.mean()), "log_odds_chosen": float(odds.mean())}
        return Scored(losses, loss, {**reward_metrics(found, beta * chosen, beta * rejected), **more})


def log_odds(mean: Floats) -> Floats:
    """log(p / (1 − p)) of p = exp(mean), mean below zero; shape as given."""
    below = np.minimum(mean, -1e-12)
    return np.asarray(below - np.log(-np.expm1(below)), dtype=np.float64)
