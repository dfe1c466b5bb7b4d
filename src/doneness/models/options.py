"""How likely given continuations are: many at once, and what they begin with alike is read once.

The options of a question share its prompt, and prompts their system turn: each shared token goes through the model
once for all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.chat import Encoded
from doneness.models.decode_fit import under, why_not
from doneness.models.decode_pack import Pack, Pending, alike, pack
from doneness.models.decode_slots import Slots, attending, inputs
from doneness.models.head import target_losses
from doneness.models.imports import require
from doneness.models.nll import example_losses

Ids = Sequence[int]
_LINE = 4096  # tokens of a forward, and
_SLOTS = 32768  # slots of its cache, unless a single row has more


def row_losses(model: Any, rows: Sequence[tuple[Ids, Ids]], batch_size: int = 16) -> list[tuple[float, int]]:
    """Of every (context, target) the NLL of the target in nats, summed, and its tokens.

    Args:
        model: a causal language model, with or without adapters.
        rows: a target without a context is scored from its second token on.
        batch_size: rows at once, where the model cannot be run over rows in line.
    """
    whole = [[*context, *target] for context, target in rows]
    begins = [max(len(context), 1) for context, _ in rows]
    counts = [max(len(ids) - begin, 0) for ids, begin in zip(whole, begins, strict=True)]
    found = [0.0] * len(rows)
    asked = [i for i, count in enumerate(counts) if count]
    was_training = model.training
    model.eval()
    try:
        if why_not(model):
            encoded = [Encoded(str(i), tuple(whole[i]), begins[i]) for i in asked]
            losses = example_losses(model, encoded, 0, batch_size).nll if asked else np.zeros(0)
            for i, loss in zip(asked, losses.tolist(), strict=True):
                found[i] = loss
        else:
            for i, loss in _in_line(model, whole, begins, asked):
                found[i] = loss
    finally:
        model.train(was_training)
    return list(zip(found, counts, strict=True))


def _in_line(
    model: Any, whole: Sequence[Ids], begins: Sequence[int], asked: Sequence[int]
) -> Iterator[tuple[int, float]]:
    torch = require("torch")
    base = under(model)
    device = base.get_input_embeddings().weight.device
    with torch.inference_mode(), attending(base):
        for batch in batches(whole, asked):
            line, slots = lined([whole[i] for i in batch], device)
            chosen = [places[begins[i] - 1 : -1] for i, places in zip(batch, line.places, strict=True)]
            place = torch.from_numpy(np.concatenate(chosen)).to(device)
            wanted = torch.tensor([t for i in batch for t in whole[i][begins[i] :]], device=device)
            losses = target_losses(base, inputs(slots, line), torch.zeros_like(place), place, wanted)
            for i, each in zip(batch, _split(losses, chosen), strict=True):
                yield i, float(each.sum())


def batches(whole: Sequence[Ids], asked: Sequence[int]) -> Iterator[list[int]]:
    """Rows that go through the model together, those that begin alike beside each other."""
    batch: list[int] = []
    tokens, longest = 0, 0
    for i in sorted(asked, key=lambda i: list(whole[i])):
        own = len(whole[i]) - (alike(whole[batch[-1]], whole[i]) if batch else 0)
        longest = max(longest, len(whole[i]))
        if batch and (tokens + own > _LINE or (len(batch) + 1) * longest > _SLOTS):
            yield batch
            batch, tokens, own, longest = [], 0, len(whole[i]), len(whole[i])
        batch.append(i)
        tokens += own
    if batch:
        yield batch


def lined(rows: Sequence[Ids], device: Any) -> tuple[Pack, Slots]:
    """Sorted rows as one line, with what each shares with the one before it once, and an empty cache for it."""
    shared = [0, *(alike(one, other) for one, other in itertools.pairwise(rows))]
    pending = [Pending(i, 0, row, max(i - 1, 0), shared[i]) for i, row in enumerate(rows)]
    slots = Slots(len(rows), max(len(row) for row in rows))
    return pack(pending, slots.capacity, device), slots


def _split(losses: NDArray[np.float64], chosen: Sequence[NDArray[np.int64]]) -> list[NDArray[np.float64]]:
    return np.split(losses, np.cumsum([len(each) for each in chosen])[:-1])
