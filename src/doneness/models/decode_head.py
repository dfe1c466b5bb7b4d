"""The output layer on a CPU, a part of the vocabulary at a time.

Of a few dozen places a vocabulary of 49,152 makes a product so long and flat that the kernels of one call run at half
the pace of those of the layers: what they pack of the weights falls out of the cache before it is used again. In parts
of a thousand tokens it stays there. Every logit is the same sum as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from doneness.models.imports import require

_PART = 1024  # tokens of the vocabulary
_PLACES = (4, 192)  # fewer or more of them are as fast in one product


@contextmanager
def by_parts(model: Any) -> Iterator[None]:
    """The model's output layer works so within, where it is a plain one in float32 on a CPU.

    Args:
        model: a transformers model.
    """
    torch = require("torch")
    head = model.get_output_embeddings()
    if type(head) is not torch.nn.Linear or not _suits(torch, head) or "forward" in vars(head):
        yield
        return
    head.forward = lambda states: _product(torch, head, states)
    try:
        yield
    finally:
        del head.forward


def _suits(torch: Any, head: Any) -> bool:
    weight = head.weight
    plain = type(weight) in (torch.nn.Parameter, torch.Tensor) and weight.dtype == torch.float32
    hooked = head._forward_hooks or head._forward_pre_hooks
    return plain and weight.device.type == "cpu" and head.bias is None and len(weight) > 8 * _PART and not hooked


def _product(torch: Any, head: Any, states: Any) -> Any:
    """As the layer's own `forward`."""
    weight, flat = head.weight, states.reshape(-1, states.shape[-1])
    if not _PLACES[0] <= len(flat) <= _PLACES[1] or states.dtype != weight.dtype or torch.is_grad_enabled():
        return torch.nn.functional.linear(states, weight)
    logits = flat.new_empty((len(flat), len(weight)))
    for at in range(0, len(weight), _PART):
        torch.mm(flat, weight[at : at + _PART].t(), out=logits[:, at : at + _PART])
    return logits.view(*states.shape[:-1], len(weight))
