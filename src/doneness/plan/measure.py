"""How fast this machine trains this model, and what memory that takes: a few real steps, timed and weighed.

The steps are handed in: they are the trainer's own, and the trainer lies on the other side of the house.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from doneness.plan.time import Rate

_SPREAD = 1.2  # a handful of steps on a busy machine: what was seen, a fifth wider either way


class Trainer(Protocol):
    """A trainer that is about to begin."""

    def micro_batch(self, rows: Sequence[Any]) -> int:
        """Forward and backward of these rows; the tokens computed, padding included. Gradients stay."""

    def update(self) -> None:
        """One step of the optimizer with the gradients there are; they are gone afterwards."""

    def tensors(self) -> dict[str, list[Any]]:
        """What lies there between micro-batches, by the names of `Memory.items`: tensors on the device."""


class Weighed(NamedTuple):
    """Bytes of one step of the longest rows.

    Attributes:
        held: that lay there before it, by the names of `Memory.items`.
        peak: the most within it, `held` included.
        reserved: the most that the allocator took from the device; 0 on a CPU, where live tensors are counted.
    """

    held: dict[str, int]
    peak: int
    reserved: int


def measure_rate(trainer: Trainer, batches: Sequence[Sequence[Any]], micro_batches: int = 1) -> Rate:
    """Tokens a second, padding included, of the trainer's steps on real rows.

    The first batch warms up and is not counted.

    Args:
        trainer: about to begin.
        batches: the rows of each micro-batch; at least two.
        micro_batches: that one step of the optimizer is made of; each bears its share of it.

    Raises:
        ValueError: fewer than two batches.
    """
    if len(batches) < 2:
        raise ValueError(f"at least two micro-batches are needed, got {len(batches)}")
    rates = []
    for rows in batches:
        begun = time.perf_counter()
        tokens = trainer.micro_batch(rows)
        through = time.perf_counter()
        trainer.update()
        stepped = time.perf_counter() - through
        rates.append(tokens / (through - begun + stepped / micro_batches))
    rates = sorted(rates[1:])
    return Rate(rates[0] / _SPREAD, rates[len(rates) // 2], rates[-1] * _SPREAD)


def measure_step(trainer: Trainer, rows: Sequence[Any], device: Any, accumulates: bool) -> Weighed:
    """Weigh one step. On a GPU the allocator is asked, on a CPU live tensors are counted.

    Args:
        trainer: whose optimizer has made a step, so that its states are there.
        rows: the longest of a micro-batch.
        device: of the model.
        accumulates: gradients of earlier micro-batches lie there during the step.
    """
    import gc

    if accumulates:
        trainer.micro_batch(rows)
    gc.collect()
    held = {name: _bytes(tensors) for name, tensors in trainer.tensors().items()}
    if device.type == "cuda":
        return _on_gpu(trainer, rows, device, held)
    from doneness.plan.live import LiveBytes

    live = LiveBytes()
    live.count(each for tensors in trainer.tensors().values() for each in tensors)
    live.forget_peak()
    with live:
        _step(trainer, rows)
    return Weighed(held, live.peak, 0)


def _on_gpu(trainer: Trainer, rows: Sequence[Any], device: Any, held: dict[str, int]) -> Weighed:
    import torch

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    _step(trainer, rows)
    return Weighed(held, int(torch.cuda.max_memory_allocated(device)), int(torch.cuda.max_memory_reserved(device)))


def _step(trainer: Trainer, rows: Sequence[Any]) -> None:
    trainer.micro_batch(rows)
    trainer.update()


def _bytes(tensors: Iterable[Any]) -> int:
    """Of their storages, each once."""
    found = {each.untyped_storage().data_ptr(): int(each.untyped_storage().nbytes()) for each in tensors}
    return sum(found.values())
