"""Whether gradients reach every weight that is to move."""

from __future__ import annotations

from typing import Any

from doneness.config import Recipe
from doneness.train.preflight.found import Found, named

_OF_ADAPTERS = ("lora_A", "lora_B", "lora_embedding_A", "lora_embedding_B", "lora_magnitude_vector")
# While the second factor is zero, as it is before the first step, so is the first factor's gradient.
_FIRST = ("lora_A", "lora_embedding_A")


def look_at_trained(recipe: Recipe, model: Any, found: Found) -> None:
    """What the method is to train is open to be trained; asked before the step that shows whether it is reached."""
    names = [(name, p.requires_grad) for name, p in model.named_parameters() if ".ref." not in name]
    if not any(moves for _, moves in names):
        found.fault("nothing_trained")
        return
    whole = recipe.method.kind == "full" and not recipe.method.layers
    frozen = [n for n, moves in names if not moves and (whole or any(part in n for part in _OF_ADAPTERS))]
    if frozen:
        found.fault("frozen", count=len(frozen), names=named(frozen))


def look_at_gradients(recipe: Recipe, model: Any, found: Found) -> None:
    """After a backward pass: name tensors without a gradient, and those whose gradient is zero or not finite."""
    import torch

    trained = [(n, p) for n, p in model.named_parameters() if p.requires_grad and ".ref." not in n]
    # An expert that no token was sent to has none, and may have one at the next step.
    lacking = [n for n, p in trained if p.grad is None and "expert" not in n]
    if lacking:
        found.fault("no_gradient", count=len(lacking), all=len(trained), names=named(lacking))
    there = [(n, p.grad) for n, p in trained if p.grad is not None]
    # One number for each, fetched together: a wait for the GPU, and not hundreds.
    largest = torch.stack([grad.detach().abs().max().float().cpu() for _, grad in there]).tolist() if there else []
    broken = [n for (n, _), most in zip(there, largest, strict=True) if not most < float("inf")]
    if broken:
        found.fault("bad_gradient", count=len(broken), all=len(trained), names=named(broken))
    new = not recipe.method.adapter
    still = [
        n
        for (n, _), most in zip(there, largest, strict=True)
        if most == 0.0 and "expert" not in n and not (new and any(part in n for part in _FIRST))
    ]
    if there and len(still) == len([n for n, _ in there if not (new and any(part in n for part in _FIRST))]):
        found.fault("zero_gradients", all=len(trained))
    elif still:
        found.doubt("zero_gradient", count=len(still), all=len(trained), names=named(still))
    if not lacking and not broken:
        found.measure("gradients", count=len(trained))
