"""What formulas in circulation answer for the memory of full fine-tuning, and the assumption that each hides.

| formula | says, for N parameters | hides |
|---|---|---|
| A | 2N + 2N + 12N = 16N, often written 4N + 4N + 12N and still called 112 GB for 7B | no activations, no logits |
| B | 2N + 4N + max(4N, activations) | no master copy, 16-bit Adam, gradients and activations never together |
| autocast | 18N | activations, logits |
| DeepSpeed's | 4N + 16N / n (ZeRO-2), 18N / n + 4 · largest layer (ZeRO-3) | activations; everything is trained |
| accelerate estimate-memory | 4 · weights, for Adam | activations, batch, sequence, adapters |
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from doneness.core import Message, say
from doneness.plan.memory import Memory, estimate_memory
from doneness.plan.setup import Setup
from doneness.plan.shape import ModelShape
from doneness.plan.spread import largest_layer


@dataclass(frozen=True, slots=True)
class Folk:
    """What a formula answers, bytes, and the sentence that says why ours differs."""

    name: str
    answer: float
    line: Message


def folk_formulas(shape: ModelShape, setup: Setup, ours: Memory) -> tuple[Folk, ...]:
    """Both circulating formulas, of full fine-tuning, beside our own of it."""
    n = float(shape.parameters)
    held = ours.items
    acts = held.get("activations", 0.0) + held.get("logits", 0.0)
    full = _full(shape, setup)
    numbers = {"billions": n / 1e9, "acts": acts / 1e9, "ours": full.total / 1e9}
    a, written = 16 * n, 20 * n
    b = 6 * n + max(4 * n, acts)
    return (
        Folk("A", a, say("plan.folk.a", answer=a / 1e9, written=written / 1e9, **numbers)),
        Folk("B", b, say("plan.folk.b", answer=b / 1e9, honest=(8 * n + acts) / 1e9, **numbers)),
    )


def _full(shape: ModelShape, setup: Setup) -> Memory:
    """The same rows with all weights trained, in half precision throughout."""
    return estimate_memory(shape, replace(setup, method="full", dtype="bf16", optimizer="adamw", layers=0, whole=0))


def accelerate_estimate(shape: ModelShape, bytes_each: float = 4.0) -> float:
    """`accelerate estimate-memory`, training with Adam: four times the weights."""
    return 4.0 * bytes_each * shape.parameters


def deepspeed_estimate(shape: ModelShape, devices: int, stage: int, offload: str = "none") -> float:
    """DeepSpeed's estimate_zero2 and estimate_zero3, bytes a device."""
    p = float(shape.parameters)
    if stage == 2:
        return 2 * p if offload != "none" else 4 * p + 16 * p / devices
    large = 4.0 * largest_layer(shape)
    if offload == "all":
        return large
    return large + (2 * p if offload == "optimizer" else 18 * p) / devices
