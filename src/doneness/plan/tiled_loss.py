"""The loss of which the logits are never whole, for counting: with the buffers of TRL's fused head on a GPU.

There, kernels work within one tile of logits (4,096 tokens by 32,768 words) and make nothing else. The gradients of
hidden states and of the output layer are added up in single precision.
"""

from __future__ import annotations

from typing import Any

import torch

_TOKENS, TILE_WORDS = 4096, 32768


def tiled_losses(hidden: Any, head: Any) -> Any:
    """What stands for the loss of every position; shape (n,).

    Args:
        hidden: shape (n, width).
        head: the output layer.
    """
    return _Tiled.apply(hidden, head.weight)


class _Tiled(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, hidden: Any, weight: Any) -> Any:
        compute = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else hidden.dtype
        ctx.compute = compute
        found = torch.zeros((4, len(hidden)), dtype=torch.float32, device=hidden.device).sum(0)
        _through_tiles(hidden, weight, compute, None, None)
        ctx.save_for_backward(hidden, weight)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        hidden, weight = ctx.saved_tensors
        of_hidden, of_weight = (
            torch.zeros(each.shape, dtype=torch.float32, device=each.device) if needed else None
            for each, needed in zip((hidden, weight), ctx.needs_input_grad, strict=True)
        )
        _through_tiles(hidden, weight, ctx.compute, of_hidden, of_weight)
        return (
            None if of_hidden is None else of_hidden.to(hidden.dtype),
            None if of_weight is None else of_weight.to(weight.dtype),
        )


def _through_tiles(hidden: Any, weight: Any, compute: Any, *held: Any) -> None:
    tile = torch.empty((min(len(hidden), _TOKENS), min(TILE_WORDS, len(weight))), dtype=compute, device=hidden.device)
    for start in range(0, len(hidden), _TOKENS):
        part = hidden[start : start + _TOKENS].to(compute)
        for first in range(0, len(weight), TILE_WORDS):
            words = weight[first : first + TILE_WORDS].to(compute)
            del words
        del part
    del tile, held
