"""Tokens and steps of a run, counted as the trainer will make them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Budget:
    """What a run will process.

    Attributes:
        rows: training rows.
        batch_size: rows in one optimizer step.
        steps_per_epoch: ⌈rows / batch_size⌉; the last step of an epoch may be smaller.
        steps: optimizer steps in all.
        epochs: steps / steps_per_epoch.
        tokens, target_tokens: of one pass over the rows after cutting, padding apart; target tokens
            are those that carry loss.
        total_tokens, total_target_tokens: of the whole run; exact where an epoch is not broken off, or the order of
            rows is given.
        padding_share: padding in what the first pass computes, 0 to 1, in the given order.
        truncated: rows longer than the limit.
        emptied: rows whose target tokens were all cut away.
        longest: tokens of the longest row after cutting.
    """

    rows: int
    batch_size: int
    steps_per_epoch: int
    steps: int
    epochs: float
    tokens: int
    target_tokens: int
    total_tokens: int
    total_target_tokens: int
    padding_share: float
    truncated: int
    emptied: int
    longest: int


def budget(
    lengths: Sequence[int],
    target_lengths: Sequence[int],
    batch_size: int,
    micro_batch: int,
    *,
    epochs: float | None = None,
    max_steps: int | None = None,
    max_length: int | None = None,
    steps_per_epoch: int | None = None,
    order: Callable[[int], Sequence[int]] | None = None,
    packed: bool = False,
) -> Budget:
    """Count the tokens and steps of a run.

    Args:
        lengths: tokens of each row before cutting, in the order of the file; shape (rows,).
        target_lengths: target tokens of each row, at its end; shape (rows,).
        batch_size: rows in one optimizer step.
        micro_batch: rows in one forward pass.
        epochs: passes over the rows, perhaps a fraction; steps are rounded up.
        max_steps: optimizer steps; stands above `epochs` where both are given.
        max_length: longer rows lose their end.
        steps_per_epoch: where it is not ⌈rows / batch_size⌉.
        order: the numbers of the rows of step 1, 2, …; None takes them as they come.
        packed: rows of a forward pass lie end to end; nothing is padded.

    Raises:
        ValueError: no rows, lengths that do not fit, sizes below 1, or neither epochs nor max_steps.
    """
    size, target = np.asarray(lengths, dtype=np.int64), np.asarray(target_lengths, dtype=np.int64)
    _validate(size, target, batch_size, micro_batch, epochs, max_steps, max_length)
    limit = int(size.max()) if max_length is None else max_length
    cut = np.maximum(size - limit, 0)
    kept, aims = size - cut, np.maximum(target - cut, 0)
    rows = len(kept)
    per_epoch = steps_per_epoch or math.ceil(rows / batch_size)
    # The tiny slack keeps 0.1 · 30 = 3.0000000000000004 from costing a step.
    steps = max_steps if max_steps is not None else math.ceil((epochs or 0.0) * per_epoch - 1e-9)
    whole = steps // per_epoch
    given = order or (lambda step: _in_turn(step, per_epoch, batch_size, rows))
    begun = [row for step in range(whole * per_epoch + 1, steps + 1) for row in given(step)]
    first = () if packed else (given(step) for step in range(1, min(steps, per_epoch) + 1))
    computed = _padded(kept, first, micro_batch)
    alone = int(kept.sum()) if whole else int(kept[begun].sum())
    return Budget(
        rows=rows,
        batch_size=batch_size,
        steps_per_epoch=per_epoch,
        steps=steps,
        epochs=steps / per_epoch,
        tokens=int(kept.sum()),
        target_tokens=int(aims.sum()),
        total_tokens=int(whole * kept.sum() + kept[begun].sum()),
        total_target_tokens=int(whole * aims.sum() + aims[begun].sum()),
        padding_share=1.0 - alone / computed if computed else 0.0,
        truncated=int(np.count_nonzero(cut)),
        emptied=int(np.count_nonzero((target > 0) & (aims == 0))),
        longest=int(kept.max()),
    )


def _in_turn(step: int, per_epoch: int, batch_size: int, rows: int) -> range:
    """The rows of step number `step` where they are taken as they come."""
    first = (step - 1) % per_epoch * batch_size
    return range(first, min(first + batch_size, rows))


def _padded(kept: NDArray[np.int64], steps: Iterable[Sequence[int]], micro_batch: int) -> int:
    """Tokens computed in these steps when each micro-batch is padded to its longest row."""
    total = 0
    for rows in steps:
        batch = kept[list(rows)]
        for first in range(0, len(batch), micro_batch):
            part = batch[first : first + micro_batch]
            total += int(part.max()) * len(part)
    return total


def _validate(
    size: NDArray[np.int64],
    target: NDArray[np.int64],
    batch_size: int,
    micro_batch: int,
    epochs: float | None,
    max_steps: int | None,
    max_length: int | None,
) -> None:
    if size.ndim != 1 or size.shape != target.shape or not len(size):
        raise ValueError(f"lengths and target_lengths must be vectors of one length, got {size.shape}, {target.shape}")
    if (size < 0).any() or (target < 0).any() or (target > size).any():
        raise ValueError("a row's target tokens must be between 0 and its tokens")
    if batch_size < 1 or micro_batch < 1 or (max_length is not None and max_length < 1):
        raise ValueError("batch_size, micro_batch and max_length must be at least 1")
    if epochs is None and max_steps is None:
        raise ValueError("one of epochs and max_steps is needed")
    if (epochs is not None and not epochs > 0) or (max_steps is not None and max_steps < 1):
        raise ValueError(f"epochs and max_steps must be positive, got {epochs} and {max_steps}")
