"""A model, and everything random, as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np


@contextmanager
def untouched(model: Any) -> Iterator[None]:
    """Put back whatever trying a step may change: random numbers, gradients, modes, buffers, what TRL adds.

    Weights need no copy: nothing here makes an optimizer step.
    """
    import torch

    cards = torch.cuda.is_available()
    numbers = (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002  # what libraries draw from
    on_cards = torch.cuda.get_rng_state_all() if cards else []
    modes = {name: module.training for name, module in model.named_modules()}
    moving = {name: p.requires_grad for name, p in model.named_parameters()}
    buffers = {name: b.detach().clone() for name, b in model.named_buffers()}
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    forward, checkpointing = vars(base).get("forward"), _checkpointing(base)
    adapters = set(getattr(model, "peft_config", {}))
    try:
        yield
    finally:
        for name in set(getattr(model, "peft_config", {})) - adapters:
            model.delete_adapter(name)  # the reference that TRL makes of adapters
        if not checkpointing and _checkpointing(base):
            (getattr(base, "activation_checkpointing_disable", None) or base.gradient_checkpointing_disable)()
            if hasattr(base, "_require_grads_hook"):
                base.disable_input_require_grads()
        if forward is None:
            vars(base).pop("forward", None)
        else:
            base.forward = forward
        for name, module in model.named_modules():
            module.training = modes.get(name, module.training)
        for name, parameter in model.named_parameters():
            parameter.grad = None
            parameter.requires_grad_(moving.get(name, parameter.requires_grad))
        with torch.no_grad():
            for name, buffer in model.named_buffers():
                if name in buffers and buffer.shape == buffers[name].shape:
                    buffer.copy_(buffers[name])
        random.setstate(numbers[0])
        np.random.set_state(numbers[1])  # noqa: NPY002
        torch.set_rng_state(numbers[2])
        if cards:
            torch.cuda.set_rng_state_all(on_cards)
            torch.cuda.empty_cache()


def _checkpointing(base: Any) -> bool:
    """Whether activations are computed anew in the backward pass; transformers 5.23 renamed it."""
    new = hasattr(type(base), "is_activation_checkpointing")
    return bool(getattr(base, "is_activation_checkpointing" if new else "is_gradient_checkpointing", False))
