"""TRL's SFTTrainer, whose head is spared the tokens that carry no loss on a CPU as well.

On a GPU TRL projects target tokens alone. On a CPU it projects every token, and once more in the backward pass: of a
small model's step that was a quarter.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch.nn.functional import nll_loss
from trl import SFTTrainer

from doneness.train.stages.head_loss import Head

_MOST = 1 << 28  # bytes of logits held at once, as float32; where more would be, TRL's way is gone
_PART = 32  # places whose entropy is taken at once: it needs a copy, beside everything the backward pass waits for


class TargetsOnly(SFTTrainer):  # type: ignore[misc]
    """The same loss and the same logs.

    Attributes:
        head: the output layer, where its loss can be had block by block.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head = Head.of(self._core) if self._able() else None

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Summed over target tokens, divided by those of the accumulated batch."""
        places = None if return_outputs else self._places(inputs)
        head = self._head()
        if places is None or (head is None and not self._fits(inputs, places)):
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        asked = {name: value for name, value in inputs.items() if name != "labels"}
        asked |= {"logits_to_keep": places, "use_cache": False}
        labels = inputs["labels"][:, places + 1]
        total = self._whole(model, asked, labels) if head is None else self._by_block(head, model, asked, labels)
        self._note_tokens(inputs)
        counted = num_items_in_batch is not None
        loss = total / torch.as_tensor(num_items_in_batch if counted else (labels != -100).sum())
        # The Trainer's averaging over processes undone: the count is of all of them.
        return loss * self.accelerator.num_processes if counted and self.args.average_tokens_across_devices else loss

    def _by_block(self, head: Head, model: Any, asked: Any, labels: Any) -> Any:
        """The summed loss, with the logits of a few tokens at a time."""
        _, states = head.before(lambda: model(**asked))
        counts = labels != -100
        total, entropy, right = head.losses(states[counts], labels[counts])
        self._note(counts.sum(), entropy.detach(), right)
        return total

    def _whole(self, model: Any, asked: Any, labels: Any) -> Any:
        """The summed loss, of the logits that the model itself computes."""
        # The logits are not kept: they are as large as what is made of them.
        shares = model(**asked).logits.float().log_softmax(dim=-1).flatten(0, 1)
        labels = labels.flatten()
        counts, told = labels != -100, shares.detach()
        entropies = torch.cat([-part.exp().mul_(part).sum(dim=-1) for part in told.split(_PART)])
        self._note(counts.sum(), entropies[counts].sum(), (told.argmax(dim=-1) == labels)[counts].sum())
        return nll_loss(shares, labels, reduction="sum", ignore_index=-100)

    def _places(self, inputs: Any) -> Any:
        """Where any row's next token carries loss, shape (k,); None where TRL's own way is to be gone."""
        labels, args = inputs["labels"], self.args
        other = self.aux_loss_enabled or self.compute_loss_func is not None or self.label_smoother is not None
        if labels.device.type != "cpu" or other or args.loss_type != "nll" or not self._able():
            return None
        places = (labels[:, 1:] != -100).any(dim=0).nonzero()[:, 0]
        return places if len(places) else None

    def _fits(self, inputs: Any, places: Any) -> bool:
        """Whether all logits of these places may be held at once."""
        vocabulary = self.model.config.get_text_config().vocab_size
        return bool(4 * inputs["labels"].shape[0] * len(places) * vocabulary <= _MOST)

    def _head(self) -> Head | None:
        """The output layer, where it may be passed by in this step."""
        spread = self.is_fsdp_enabled or self.is_deepspeed_enabled
        return self.head if self.head and not spread and self.head.usable(self.accelerator.num_processes == 1) else None

    @property
    def _core(self) -> Any:
        """The model under its adapters."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def _able(self) -> bool:
        """Whether the model's own forward pass takes the places to project, and peft does not move them."""
        return "logits_to_keep" in inspect.signature(self._core.forward).parameters

    def _note(self, count: Any, entropy: Any, right: Any) -> None:
        """What TRL logs of a micro-batch, by its names; each a sum over its target tokens."""
        kept, gather = self._metrics["train" if self.model.training else "eval"], self.accelerator.gather_for_metrics
        of = gather(count).sum()
        for name, value in (("entropy", entropy), ("mean_token_accuracy", right)):
            kept[name].append((gather(value).sum() / of).item() if of > 0 else 0.0)

    def _note_tokens(self, inputs: Any) -> None:
        """How many tokens it has seen, as TRL counts them."""
        if self.model.training:
            mask = inputs.get("attention_mask")
            own = torch.tensor(inputs["input_ids"].shape[1]) if mask is None else mask.sum()
            self._total_train_tokens += self.accelerator.gather_for_metrics(own).sum().item()
        self._metrics["train" if self.model.training else "eval"]["num_tokens"] = [self._total_train_tokens]
