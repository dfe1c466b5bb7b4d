"""The question turned round: the largest batch, sequence, rank or model that a card holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from doneness.plan.memory import Memory, estimate_memory
from doneness.plan.setup import Setup
from doneness.plan.shape import ModelShape
from doneness.plan.shapes import WORDS, named_shape

_MOST = {"micro_batch": 4096, "seq": 1 << 20, "rank": 4096}


@dataclass(frozen=True, slots=True)
class Largest:
    """The most that fits, all else as it is; 0 where not even the least does.

    Attributes:
        micro_batch, seq, rank: rows at once, tokens a row, rank of adapters (0 also where there are none).
        models: by method the largest size word that fits, with the rest of the setup.
    """

    micro_batch: int
    seq: int
    rank: int
    models: dict[str, str]


def fits(memory: Memory, card: float) -> bool:
    """Whether the upper end of the range is within what the card gives, bytes."""
    return memory.high <= card


def largest(shape: ModelShape, setup: Setup, card: float) -> Largest:
    """What fits on `card`, bytes, one thing changed at a time."""

    def most(name: str) -> int:
        return _most(lambda n: fits(estimate_memory(shape, replace(setup, **_one(name, n))), card), _MOST[name])

    models = {method: _model(setup, method, card) for method in ("full", "lora", "qlora")}
    return Largest(most("micro_batch"), most("seq"), most("rank") if setup.method != "full" else 0, models)


def _one(name: str, value: int) -> dict[str, Any]:
    return {name: value}


def _most(holds: Callable[[int], bool], limit: int) -> int:
    """The largest number up to `limit` that holds, where all below it do."""
    if not holds(1):
        return 0
    low, high = 1, 2
    while high < limit and holds(high):
        low, high = high, 2 * high
    high = min(high, limit + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _model(setup: Setup, method: str, card: float) -> str:
    found, size = "", 0
    chosen: Any = method
    for word in WORDS:
        shape = named_shape(word)[1]
        memory = estimate_memory(shape, replace(setup, method=chosen, layers=0, whole=0))
        if shape.parameters > size and fits(memory, card):
            found, size = word, shape.parameters
    return found
