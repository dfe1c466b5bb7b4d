"""The tokens of several rows in one line, without padding, and where each of them stands.

A forward then costs what its tokens cost: one row may have a whole prompt to read, the next a single token, a third a
window of its draft. Only attention, which is little of the work, sees rows again, padded among rows of like length.

What rows begin with alike is read once: the keys and values of a shared token are written to every row that has it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.models.imports import require

# Rows with half the new tokens of the longest are padded to it; beyond this many padded tokens they are not.
_PADDED = 256
# Numbers of the attention mask of a group; it is float, and as large again for every head that shares a key head.
_MASK = 4 * 1024 * 1024


@dataclass(frozen=True)
class Pending:
    """New tokens of one row.

    Attributes:
        row: its place in the cache.
        start: position of the first of them; what stands before is in the cache.
        tokens: at least one.
        like, shared: the first `shared` tokens are those of the earlier pending row `like`, at the same positions.
    """

    row: int
    start: int
    tokens: Sequence[int]
    like: int = 0
    shared: int = 0


@dataclass
class Group:
    """Rows whose queries are padded to one length.

    Attributes:
        rows: which of the cache; a slice where they follow one another.
        gather: the queries as places in the line; tensor (rows, queries).
        positions: of the queries; tensor (rows, queries).
        whole: nothing stands before these tokens in any of the rows.
        length: slots of the cache that any of them looks at.
    """

    rows: Any
    gather: Any
    positions: Any
    whole: bool
    length: int
    masks: dict[tuple[int, int | None], Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Pack:
    """One forward.

    Attributes:
        tokens, positions: tensors (1, tokens).
        source: for every write to the cache the token that is written; None where each is written once, in order.
        slots: for every write, row × capacity + position; tensor (writes,).
        groups: for attention.
        order: where the tokens stand among the padded queries of all groups; tensor (tokens,).
        places: of every pending row, where its tokens stand in the line.
    """

    tokens: Any
    positions: Any
    source: Any
    slots: Any
    groups: tuple[Group, ...]
    order: Any
    places: tuple[NDArray[np.int64], ...]


def pack(pending: Sequence[Pending], capacity: int, device: Any) -> Pack:
    """Put the new tokens of all rows into one line.

    Args:
        pending: in the order of the line.
        capacity: slots of a row of the cache.
        device: of the tensors.
    """
    torch = require("torch")

    def moved(values: NDArray[np.int64]) -> Any:
        return torch.from_numpy(values).to(device)

    places, own = _places(pending)
    tokens = np.concatenate([np.asarray(p.tokens[p.shared :], dtype=np.int64) for p in pending])
    positions = np.concatenate([np.arange(p.start + p.shared, p.start + len(p.tokens)) for p in pending])
    slots = np.concatenate([p.row * capacity + p.start + np.arange(len(p.tokens)) for p in pending])
    source = None if len(slots) == len(tokens) else moved(np.concatenate(places))
    groups: list[Group] = []
    order = np.empty(len(tokens), dtype=np.int64)
    offset = 0
    for chosen in _grouped([len(each) for each in own], [p.start + len(p.tokens) for p in pending]):
        longest = max(len(own[i]) for i in chosen)
        gather = np.stack([own[i][np.minimum(np.arange(longest), len(own[i]) - 1)] for i in chosen])
        for k, i in enumerate(chosen):
            order[own[i]] = offset + k * longest + np.arange(len(own[i]))
        offset += gather.size
        rows = [pending[i].row for i in chosen]
        groups.append(
            Group(
                slice(rows[0], rows[-1] + 1) if rows == list(range(rows[0], rows[-1] + 1)) else moved(np.array(rows)),
                moved(gather),
                moved(positions[gather]),
                all(pending[i].start + pending[i].shared == 0 for i in chosen),
                max(pending[i].start + len(pending[i].tokens) for i in chosen),
            )
        )
    line = (moved(tokens)[None], moved(positions)[None])
    return Pack(*line, source, moved(slots), tuple(groups), moved(order), tuple(places))


def _places(pending: Sequence[Pending]) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Of every row the places of all its tokens, and of those that are its own."""
    places: list[NDArray[np.int64]] = []
    own: list[NDArray[np.int64]] = []
    at = 0
    for p in pending:
        fresh = np.arange(at, at + len(p.tokens) - p.shared)
        places.append(np.concatenate([places[p.like][: p.shared], fresh]) if p.shared else fresh)
        own.append(fresh)
        at += len(fresh)
    return places, own


def _grouped(counts: Sequence[int], lengths: Sequence[int]) -> list[list[int]]:
    """Rows that are padded together, by how many queries they have; rows without any are in no group."""
    present = [i for i, count in enumerate(counts) if count]
    if max(counts) * len(present) <= _PADDED:
        return [present]
    groups: list[list[int]] = []
    for i in sorted(present, key=lambda i: -counts[i]):
        if groups:
            first = groups[-1][0]
            size = (len(groups[-1]) + 1) * counts[first] * max(lengths[k] for k in (*groups[-1], i))
            if 2 * counts[i] >= counts[first] and size <= _MASK:
                groups[-1].append(i)
                continue
        groups.append([i])
    # Neighbours in the cache stay neighbours, so that it need not be copied for them.
    return [sorted(group) for group in groups]


def alike(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two rows begin with in common."""
    for at, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return at
    return min(len(one), len(other))
