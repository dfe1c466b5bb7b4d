"""Which method and which size of model for a card, and what is known of the order that is told of them.

The order goes: 7B by QLoRA is worse than 7B by LoRA, which is about as good as 7B in full, and all are worse than 32B
by QLoRA. It holds two comparisons that are each well or ill supported; the sentences in the catalogue say which.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from doneness.core import Message, say
from doneness.plan.memory import Memory, estimate_memory
from doneness.plan.setup import Setup
from doneness.plan.shapes import named_shape

SIZES = ("1b", "3b", "8b", "14b", "32b", "70b")
_METHODS: tuple[Literal["qlora", "lora", "full"], ...] = ("qlora", "lora", "full")


@dataclass(frozen=True, slots=True)
class Choice:
    """One size and method, with the rows of the setup."""

    word: str
    name: str
    method: str
    memory: Memory


def choices(setup: Setup) -> tuple[Choice, ...]:
    """Every size by every method, one row at a time with checkpointing: the least that is usually trained with."""
    found = []
    for word in SIZES:
        name, shape = named_shape(word)
        for method in _METHODS:
            least = replace(setup, method=method, micro_batch=1, checkpointing=True, double_quant=True, layers=0,
                            whole=0,
                            dtype="bf16" if setup.device == "cuda" else setup.dtype)  # fmt: skip
            found.append(Choice(word, name, method, estimate_memory(shape, least)))
    return tuple(found)


def evidence() -> tuple[Message, ...]:
    """What is known for and against the order."""
    return tuple(say(f"plan.order.{name}") for name in ("claim", "quantised", "full", "larger", "ours"))
