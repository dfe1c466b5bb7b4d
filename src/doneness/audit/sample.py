"""A part of the rows that stands for all: the same one whatever their order, and all of them where they fit."""

from __future__ import annotations

import heapq
from typing import Any

_LONGEST = 600  # characters kept of a text


class Sample:
    """The texts whose keys are smallest, each key once: a draw without replacement, as keys are hashes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[int, int, str]] = []  # largest key first
        self._keys: set[int] = set()
        self.offered = 0

    def offer(self, key: int, place: int, text: str) -> None:
        """Take a text where there is room, or where its key is smaller than another's."""
        self.offered += 1
        key >>= 1  # so that its negative is a number that any format can hold
        if key in self._keys:
            return
        item = (-key, -place, text[:_LONGEST])
        if len(self._heap) < self._most:
            heapq.heappush(self._heap, item)
        elif item > self._heap[0]:
            self._keys.discard(-heapq.heapreplace(self._heap, item)[0])
        else:
            return
        self._keys.add(key)

    @property
    def texts(self) -> list[tuple[int, str]]:
        """(place, text) by place."""
        return sorted((-place, text) for _, place, text in self._heap)

    def __len__(self) -> int:
        return len(self._heap)

    def state(self) -> list[Any]:
        """Plain values."""
        return [self.offered, [list(item) for item in self._heap]]

    def restore(self, state: list[Any]) -> None:
        """Take up what `state` returned."""
        self.offered = state[0]
        self._heap = [(key, place, text) for key, place, text in state[1]]
        heapq.heapify(self._heap)
        self._keys = {-key for key, _, _ in self._heap}
