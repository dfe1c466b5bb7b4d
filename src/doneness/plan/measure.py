"""How fast this machine trains this model: a few real steps, timed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from doneness.plan.time import Rate


def measure_rate(
    model: Any, batches: Sequence[Sequence[Sequence[int]]], labels: Sequence[Sequence[Sequence[int]]]
) -> Rate:
    """Tokens a second, padding included, of forward and backward on real micro-batches.

    The first batch warms up and is not counted. Gradients are dropped; weights do not move.

    Args:
        model: as it will be trained, adapters included.
        batches: token ids of the rows of each micro-batch; at least two batches.
        labels: of each row the tokens that carry loss in their places, −100 in all others.

    Raises:
        ValueError: fewer than two batches.
    """
    if len(batches) < 2:
        raise ValueError(f"at least two micro-batches are needed, got {len(batches)}")
    rates = [_one(model, rows, told) for rows, told in zip(batches, labels, strict=True)][1:]
    model.zero_grad(set_to_none=True)
    rates.sort()
    middle = rates[len(rates) // 2]
    # A handful of steps on a busy machine: the spread seen is widened by a fifth either way.
    return Rate(rates[0] / 1.2, middle, rates[-1] * 1.2)


def _one(model: Any, rows: Sequence[Sequence[int]], told: Sequence[Sequence[int]]) -> float:
    import torch

    device = next(model.parameters()).device
    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), -100, dtype=torch.long)
    for i, (row, aims) in enumerate(zip(rows, told, strict=True)):
        ids[i, : len(row)] = torch.tensor(list(row))
        mask[i, : len(row)] = 1
        labels[i, : len(row)] = torch.tensor(list(aims))
    started = time.perf_counter()
    out = model(input_ids=ids.to(device), attention_mask=mask.to(device), labels=labels.to(device), use_cache=False)
    out.loss.backward()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return len(rows) * width / (time.perf_counter() - started)


def measure_step(model: Any, rows: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """Bytes of one forward and backward pass: held before, at the peak, and reserved by the allocator (0 on a CPU).

    On a GPU the allocator is asked; on a CPU live tensors are counted. Gradients are dropped.

    Args:
        model: as it will be trained.
        rows: token ids of the longest rows of a micro-batch.
        labels: of each row, see `measure_rate`.
    """
    import gc

    import torch

    from doneness.plan.live import LiveBytes

    gc.collect()
    device = next(model.parameters()).device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        held = int(torch.cuda.memory_allocated(device))
        _one(model, rows, labels)
        peak, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
        model.zero_grad(set_to_none=True)
        return held, int(peak), int(reserved)
    live = LiveBytes()
    live.count([*model.parameters(), *model.buffers()])
    held = live.now
    with live:
        _one(model, rows, labels)
    model.zero_grad(set_to_none=True)
    return held, live.peak, 0
