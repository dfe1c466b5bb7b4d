"""The trainer's loss on a CPU, for counting: the output layer and its cross-entropy, a few tokens at a time.

What `train.stages.head_loss` does, operation by operation, with its buffers and without its sums.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import linear

BLOCK = 4 * 1024 * 1024  # logits at once


def is_plain(base: Any, packed: bool) -> bool:
    """Whether nothing happens to the logits of a model, no scale and no soft cap, so that its loss is taken in blocks.

    The model is tried with one token; where rows are `packed`, with a row's edges beside it.
    """
    layer = base.get_output_embeddings()
    if type(layer) is not torch.nn.Linear:
        return False
    with torch.no_grad():
        token = torch.zeros((1, 1), dtype=torch.long, device=layer.weight.device)
        asked: dict[str, Any] = {"input_ids": token, "use_cache": False}
        if packed:
            asked["position_ids"] = torch.zeros_like(token)
            asked["position_ids"]._doneness_bounds = [(0, 1)]
        found, states = _let_through(layer, lambda: base(**asked))
    return found.logits is states


def block_loss(model: Any, base: Any, asked: dict[str, Any]) -> Any:
    """What stands for the summed loss of every place that is kept.

    Args:
        model: with its adapters.
        base: the model under them.
        asked: what the model is called with.
    """
    layer = base.get_output_embeddings()
    _, states = _let_through(layer, lambda: model(**asked))
    return _Blocks.apply(states.flatten(0, 1).clone(), layer.weight)


def _let_through(layer: Any, call: Any) -> tuple[Any, Any]:
    kept: list[Any] = []

    def through(states: Any) -> Any:
        kept.append(states)
        return states

    layer.forward = through
    try:
        return call(), kept[0]
    finally:
        del layer.forward


class _Blocks(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, states: Any, weight: Any) -> Any:
        for_states, for_weight = ctx.needs_input_grad
        back = torch.empty_like(states) if for_states else None
        of_weight = torch.zeros_like(weight, dtype=torch.float32) if for_weight else None
        for at in range(0, len(states), size := max(1, BLOCK // len(weight))):
            cut = slice(at, at + size)
            logits = linear(states[cut], weight)
            kind, shares = logits.dtype, logits.float().log_softmax(dim=-1)
            del logits
            chances = shares.exp()
            shares.mul_(chances)
            del shares
            moved = chances.to(kind)
            del chances
            if back is not None:
                back[cut] = moved @ weight
            if of_weight is not None:
                of_weight += moved.T @ states[cut]
        kept = (back, None if of_weight is None else of_weight.to(weight.dtype))
        ctx.save_for_backward(*kept)
        return states.new_zeros((), dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, by_loss: Any) -> Any:
        return tuple(None if each is None else each.mul_(by_loss) for each in ctx.saved_tensors)
