"""Rows with the same hash: found by sorting, in memory of a few bytes a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]


def matches(wanted: NDArray[Any], known: NDArray[Any]) -> Places:
    """For each hash the first place in `known` that has it; -1 for none, and for a hash of 0."""
    values, first = np.unique(known, return_index=True)
    if not values.size:
        return np.full(len(wanted), -1, np.int64)
    place = np.minimum(np.searchsorted(values, wanted), values.size - 1)
    return np.where((values[place] == wanted) & (wanted != 0), first[place], -1).astype(np.int64)


def groups(hashes: NDArray[Any]) -> tuple[Places, Places, Places]:
    """Rows sorted by hash, then place: (places, where each group begins, its size); a hash of 0 is in no group."""
    order = np.argsort(hashes, kind="stable").astype(np.int64)
    order = order[np.asarray(hashes)[order] != 0]
    ordered = np.asarray(hashes)[order]
    begins = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if ordered.size else order
    return order, begins, np.diff(np.concatenate((begins, [len(order)])))
