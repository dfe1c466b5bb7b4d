"""The output layer and its cross-entropy as one function, a few tokens at a time.

As two they hold the logits of every target token, their log-probabilities and the gradients of both until the backward
pass is through: of a vocabulary of 49,152 and 200 tokens 150 MB, at the very moment when everything else a step keeps
is there too. A block's gradient is known as soon as its logits are, so nothing of a block outlives it, and nothing is
computed twice (Liger-Kernel's fused linear cross-entropy, Hsu et al. 2024, does the same by kernels of its own).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn.functional import linear

_BLOCK = 4 * 1024 * 1024  # logits at once; as float32 and with their log-probabilities 32 MiB


class HeadLoss(torch.autograd.Function):  # type: ignore[misc]
    """Summed cross-entropy of `linear(states, weight, bias)`, and what is logged of it.

    Arguments of `apply`:
        states: hidden states, one a target token; shape (n, width).
        weight: of the output layer; shape (vocabulary, width).
        bias: shape (vocabulary,), or None.
        labels: the tokens that are to be predicted; shape (n,).

    Returns:
        The loss, the entropy of the predictions and how many first choices are right, each summed over the n; the loss
        and the entropy in nats, in float32. Only the loss has gradients.
    """

    @staticmethod
    def forward(ctx: Any, states: Any, weight: Any, bias: Any, labels: Any) -> Any:
        """Losses and gradients block by block."""
        for_states, for_weight, for_bias, _ = ctx.needs_input_grad
        back = torch.empty_like(states) if for_states else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if for_weight else None
        of_bias = torch.zeros_like(bias, dtype=torch.float32) if for_bias else None
        loss, entropy = states.new_zeros((), dtype=torch.float32), states.new_zeros((), dtype=torch.float32)
        right = labels.new_zeros(())
        for at in range(0, len(labels), size := max(1, _BLOCK // len(weight))):
            cut, wanted = slice(at, at + size), labels[at : at + size]
            logits = linear(states[cut], weight, bias)
            kind, shares = logits.dtype, logits.float().log_softmax(dim=-1)
            del logits
            loss -= shares.gather(1, wanted[:, None]).sum()
            right += (shares.argmax(dim=-1) == wanted).sum()
            chances = shares.exp()
            entropy -= shares.mul_(chances).sum()
            del shares
            # The gradient of a loss by its logits: what was predicted, less what was to be.
            chances[torch.arange(len(wanted), device=chances.device), wanted] -= 1.0
            moved = chances.to(kind)
            del chances
            if back is not None:
                back[cut] = moved @ weight
            if of_weight is not None:
                of_weight += moved.T @ states[cut]
            if of_bias is not None:
                of_bias += moved.sum(dim=0)
        kinds = (states.dtype, weight.dtype, weight.dtype)
        found = zip((back, of_weight, of_bias), kinds, strict=True)
        ctx.save_for_backward(*(None if each is None else each.to(kind) for each, kind in found))
        ctx.mark_non_differentiable(entropy, right)
        return loss, entropy, right

    @staticmethod
    def backward(ctx: Any, by_loss: Any, *_: Any) -> Any:
        """The gradients are there already; each is as large as the loss is weighed."""
        return *(None if each is None else each.mul_(by_loss) for each in ctx.saved_tensors), None


class Head:
    """A model's output layer, where it is a plain one and nothing happens to its logits: no scale, no soft cap.

    Attributes:
        layer: a `torch.nn.Linear`.
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    @classmethod
    def of(cls, core: Any) -> Head | None:
        """Of a model under its adapters; None where its logits are anything else. The model is tried with one token."""
        layer = core.get_output_embeddings()
        if type(layer) is not torch.nn.Linear or layer.weight.device.type != "cpu":
            return None
        head = cls(layer)
        with torch.no_grad(), torch.random.fork_rng(devices=[]):  # dropout draws, and a run's draws are its own
            found, states = head.before(lambda: core(input_ids=torch.zeros((1, 1), dtype=torch.long), use_cache=False))
        return head if found.logits is states else None

    def usable(self, alone: bool) -> bool:
        """Whether it may be passed by in this step; `alone`: in one process, where nobody waits for its gradients."""
        layer = self.layer
        hooks = (layer._forward_hooks, layer._forward_pre_hooks, layer._backward_hooks, layer._backward_pre_hooks)
        if any(hooks) or "forward" in vars(layer) or hasattr(layer.weight, "device_mesh"):
            return False
        return alone or not layer.weight.requires_grad

    def before(self, call: Callable[[], Any]) -> tuple[Any, Any]:
        """What `call` of the model returns, and the hidden states that reached the layer, which lets them through."""
        kept: list[Any] = []

        def through(states: Any) -> Any:
            kept.append(states)
            return states

        self.layer.forward = through
        try:
            found = call()
        finally:
            del self.layer.forward
        return found, kept[0] if len(kept) == 1 else None

    def losses(self, states: Any, labels: Any) -> tuple[Any, Any, Any]:
        """As `HeadLoss` returns them."""
        found: tuple[Any, Any, Any] = HeadLoss.apply(states, self.layer.weight, self.layer.bias, labels)
        return found
