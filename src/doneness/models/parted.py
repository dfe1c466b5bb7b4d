"""Batches of rows that are parted among processes, and what each found of them put together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from numpy.typing import NDArray

from doneness.models.imports import require
from doneness.models.together import gathered, parted, share


def looking(model: Any) -> AbstractContextManager[Any]:
    """No gradients; tensors that training goes on with, where weights are parted among processes and put together."""
    torch = require("torch")
    found: AbstractContextManager[Any] = torch.no_grad() if parted(model) else torch.inference_mode()
    return found


class Parted:
    """The batches of this process, in turn with the others'.

    Where weights are parted, all processes must call the model equally often: one for which no batch is left takes
    the first again, and what it finds is the same.

    Attributes:
        processes: how many share the batches; 1 where they are not shared.
    """

    def __init__(self, batches: Sequence[Sequence[int]], model: Any, shared: bool = True) -> None:
        rank, self.processes = share() if shared else (0, 1)
        self._own = list(batches[rank :: self.processes])
        if batches and parted(model) and len(self._own) < math.ceil(len(batches) / self.processes):
            self._own.append(batches[0])

    def __iter__(self) -> Iterator[Any]:
        return iter(self._own)

    def complete(self, found: Sequence[NDArray[Any]]) -> None:
        """Fill in what the other processes found, in place; all must call it.

        Args:
            found: arrays with a number for every row; this process has filled in those of its batches.
        """
        if self.processes == 1:
            return
        places = sorted({place for batch in self._own for place in batch})
        for theirs, parts in gathered((places, [each[places] for each in found])):
            for each, part in zip(found, parts, strict=True):
                each[theirs] = part
