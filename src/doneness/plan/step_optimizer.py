"""The optimizer of a step that is counted: the real one, or one with states of the right size."""

from __future__ import annotations

from typing import Any

from doneness.plan.setup import Setup

_SMALL = 4096  # parameters below which bitsandbytes keeps states in single precision
_BLOCK = 256  # numbers a scale, of 8-bit states


def make_optimizer(moving: list[Any], setup: Setup) -> Any:
    """An optimizer of the trained parameters.

    On a GPU torch works on all parameters at once, which takes a copy of their size; on a CPU on one after the other.
    """
    import torch

    if setup.optimizer == "adamw_8bit":
        return EightBit(moving)
    if setup.optimizer == "adafactor":
        from transformers.optimization import Adafactor

        return Adafactor(moving, lr=1e-3, scale_parameter=False, relative_step=False)
    together = setup.device == "cuda"
    if setup.optimizer in ("sgd", "momentum"):
        return torch.optim.SGD(moving, lr=1e-3, momentum=0.9 if setup.optimizer == "momentum" else 0, foreach=together)
    return torch.optim.AdamW(moving, lr=1e-3, foreach=together)


class EightBit:
    """States in one byte a number and a scale for 256, as bitsandbytes keeps Adam's; its kernels take nothing else."""

    def __init__(self, moving: list[Any]) -> None:
        self.moving = moving
        self.states: list[Any] = []

    def step(self) -> None:
        """Make the states at the first step."""
        import torch

        if self.states:
            return
        for p in self.moving:
            small = p.numel() < _SMALL
            kept = torch.float32 if small else torch.uint8
            for _ in range(2):
                self.states.append(torch.zeros(p.numel(), dtype=kept, device=p.device))
                if not small:
                    scales = -(-p.numel() // _BLOCK)
                    self.states.append(torch.zeros(scales, dtype=torch.float32, device=p.device))
