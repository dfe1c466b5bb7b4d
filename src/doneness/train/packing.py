"""Rows laid end to end instead of padded, and whether a model keeps them apart.

Positions begin anew with each row; by them transformers' attention knows where a row begins, and none sees another
(arXiv 2107.02027 has the idea, masking_utils of transformers the mask). A model that mixes tokens in other ways
(state spaces, convolutions) would see across, so each is tried before it is trained so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from doneness.config import Recipe
from doneness.models import Encoded
from doneness.models.by_row import attend_as_before, attend_by_row
from doneness.train.stages import of_tokens

_FINE = {"float32": 1e-3, "bfloat16": 0.05, "float16": 0.02}  # nats a token: what rounding does to a loss
_LONGEST = 512  # tokens of a row that the trial is made with


def lies_end_to_end(recipe: Recipe, model: Any, rows: Sequence[Any]) -> bool:
    """Whether rows of a forward pass are to lie end to end: it is asked for, and the model keeps them apart.

    The model then attends row by row, where it is one that can.
    """
    if not (recipe.data.packing and of_tokens(recipe) and recipe.optimizer.micro_batch > 1):
        return False
    attend_by_row(model)
    apart = keeps_apart(model, rows)
    if not apart:
        attend_as_before(model)
    return apart


def keeps_apart(model: Any, rows: Sequence[Encoded]) -> bool:
    """Whether the losses of two rows laid end to end are those of each by itself.

    Args:
        model: about to be trained.
        rows: the two shortest of them are tried.
    """
    import torch
    from torch.nn.functional import cross_entropy

    two = sorted(rows, key=lambda row: len(row.ids))[:2]
    if len(two) < 2:
        return False
    device = next(model.parameters()).device

    def losses(ids: Sequence[int], more: dict[str, Any]) -> Any:
        tokens = torch.tensor([ids], device=device)
        logits = model(input_ids=tokens, use_cache=False, **more).logits[0, :-1].float()
        return cross_entropy(logits, tokens[0, 1:], reduction="none")

    first, second = (row.ids[:_LONGEST] for row in two)
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            alone = losses(second, {})
            places = torch.tensor([[*range(len(first)), *range(len(second))]], device=device)
            after = losses([*first, *second], {"position_ids": places})[len(first) :]
    finally:
        model.train(was_training)
    if not alone.numel():
        return False
    fine = _FINE.get(str(next(model.parameters()).dtype).removeprefix("torch."), _FINE["bfloat16"])
    return bool((alone - after).abs().mean() < fine)
