"""TRL's SFTTrainer, whose head is spared the tokens that carry no loss on a CPU as well.

On a GPU TRL projects target tokens alone. On a CPU it projects every token, and once more in the backward pass, which
saves memory that a small batch does not need: of a small model's step that was a quarter.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn.functional import nll_loss
from trl import SFTTrainer

_MOST = 1 << 28  # bytes of logits, as float32; larger ones are left to TRL, which never has them all
_PART = 32  # places whose entropy is taken at once: it needs a copy, beside everything the backward pass waits for


class TargetsOnly(SFTTrainer):  # type: ignore[misc]
    """The same loss and the same logs."""

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Summed over target tokens, divided by those of the accumulated batch."""
        places = None if return_outputs else self._places(inputs)
        if places is None:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        asked = {name: value for name, value in inputs.items() if name != "labels"}
        # The logits are not kept: they are as large as what is made of them.
        shares = model(**asked, logits_to_keep=places, use_cache=False).logits.float().log_softmax(dim=-1).flatten(0, 1)
        labels = inputs["labels"][:, places + 1].flatten()
        total = nll_loss(shares, labels, reduction="sum", ignore_index=-100)
        self._note(inputs, shares.detach(), labels)
        counted = num_items_in_batch is not None
        loss = total / torch.as_tensor(num_items_in_batch if counted else (labels != -100).sum())
        # The Trainer's averaging over processes undone: the count is of all of them.
        return loss * self.accelerator.num_processes if counted and self.args.average_tokens_across_devices else loss

    def _places(self, inputs: Any) -> Any:
        """Where any row's next token carries loss, shape (k,); None where TRL's own way is to be gone."""
        labels, args = inputs["labels"], self.args
        other = self.aux_loss_enabled or self.compute_loss_func is not None or self.label_smoother is not None
        if labels.device.type != "cpu" or other or args.loss_type != "nll" or not self._able():
            return None
        places = (labels[:, 1:] != -100).any(dim=0).nonzero()[:, 0]
        size = 4 * labels.shape[0] * len(places) * self.model.config.get_text_config().vocab_size
        return places if 0 < size <= _MOST else None

    def _able(self) -> bool:
        """Whether the model's own forward pass takes the places to project, and peft does not move them."""
        core = self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model
        return "logits_to_keep" in inspect.signature(core.forward).parameters

    def _note(self, inputs: Any, shares: Any, labels: Any) -> None:
        """What TRL logs of a micro-batch, by its names; `shares` are log-probabilities, shape (places, vocabulary)."""
        kept, gather = self._metrics["train" if self.model.training else "eval"], self.accelerator.gather_for_metrics
        counts = labels != -100
        entropies = torch.cat([-part.exp().mul_(part).sum(dim=-1) for part in shares.split(_PART)])
        entropy, right = entropies[counts].sum(), (shares.argmax(dim=-1) == labels)[counts].sum()
        of = gather(counts.sum()).sum()
        for name, value in (("entropy", entropy), ("mean_token_accuracy", right)):
            kept[name].append((gather(value).sum() / of).item() if of > 0 else 0.0)
        if self.model.training:
            mask = inputs.get("attention_mask")
            own = torch.tensor(inputs["input_ids"].shape[1]) if mask is None else mask.sum()
            self._total_train_tokens += gather(own).sum().item()
        kept["num_tokens"] = [self._total_train_tokens]
