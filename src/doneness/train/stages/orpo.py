"""TRL's DPOTrainer with the loss of ORPO."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import logsigmoid
from trl import DPOTrainer


class OrpoTrainer(DPOTrainer):  # type: ignore[misc]
    """Chosen answers' loss per token, less β times log σ of how the log odds of both answers differ."""

    def _precompute_ref_logps(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
        """There is no reference to score."""
        return dataset

    def _compute_loss(self, model: Any, inputs: Any, return_outputs: bool) -> Any:
        asked = inputs["completion_mask"]
        labels = inputs["input_ids"].masked_fill(asked == 0, -100)
        rows = {"input_ids": inputs["input_ids"], "attention_mask": inputs["attention_mask"], "use_cache": False}
        outputs = model(**rows, labels=labels, fused_lm_head=True)
        counts = asked[:, 1:].sum(dim=1)
        mean = outputs.log_probs[:, -(asked.shape[1] - 1) :].sum(dim=1) / counts
        chosen, rejected = mean.float().chunk(2)
        odds = _log_odds(chosen) - _log_odds(rejected)
        loss = (-chosen - self.beta * logsigmoid(odds)).mean()
        self._note(chosen.detach(), rejected.detach(), odds.detach())
        return (loss, outputs) if return_outputs else loss

    def _note(self, chosen: Any, rejected: Any, odds: Any) -> None:
        """What TRL logs of pairs, by its names."""
        kept = self._metrics["train" if self.model.training else "eval"]
        told = {
            "rewards/chosen": self.beta * chosen,
            "rewards/rejected": self.beta * rejected,
            "rewards/accuracies": (chosen > rejected).float(),
            "rewards/margins": self.beta * (chosen - rejected),
            "nll_loss": -chosen,
            "log_odds_chosen": odds,
        }
        for name, values in told.items():
            kept[name].append(self.accelerator.gather(values).mean().item())


def _log_odds(mean: Any) -> Any:
    below = mean.clamp(max=-1e-6)
    return below - torch.log(-torch.expm1(below))
