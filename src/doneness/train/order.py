"""Which rows make a step, and which of them each process takes: the same rows in a step however it is split.

A step is `batch_size` rows of a shuffled pass, whether one process takes them in one micro-batch, in several, or
several processes share them. The last step of a pass has what is left; a process for which nothing is left goes along
with a row that does not count, since all must meet when gradients are added up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from doneness.config import Recipe
from doneness.models.together import share


@dataclass(frozen=True)
class Split:
    """How a step's rows are taken.

    Attributes:
        batch: rows of a step, over all processes.
        micro: rows of a forward pass.
        rank, processes: whose share it is, and how many there are; batch is a multiple of micro × processes.
    """

    batch: int
    micro: int
    rank: int = 0
    processes: int = 1

    def share(self, rows: Sequence[int]) -> list[list[int]]:
        """The micro-batches of this process in a step of these rows, as many as in every other.

        A row that does not count, which there is where none is left, is given as −1 − row.
        """
        micro, n = self.micro, len(rows)
        if n == self.batch:
            # Micro-batch by micro-batch in turn: rows of like length, which lie together, are everybody's.
            stride = micro * self.processes
            return [list(rows[at : at + micro]) for at in range(self.rank * micro, n, stride)]
        least, more = divmod(n, self.processes)
        begin = self.rank * least + min(self.rank, more)
        own = list(rows[begin : begin + least + (self.rank < more)])
        parts = [own[at : at + micro] for at in range(0, len(own), micro)]
        most = math.ceil((least + bool(more)) / micro)
        return parts + [[-1 - rows[0]]] * (most - len(parts))

    def uneven(self, rows: int) -> bool:
        """Whether processes take different numbers of a step's `rows`."""
        return rows % self.processes > 0


class Order:
    """The steps of every pass.

    Args:
        lengths: tokens of each row.
        split: how a step is taken.
        seed: of the shuffling; a pass has its own.
        kind: "random"; "length" for rows of like length in a step; "given" for the order that they come in.
    """

    def __init__(self, lengths: Sequence[int], split: Split, seed: int, kind: str = "random") -> None:
        self.lengths, self.split, self.seed, self.kind = list(lengths), split, seed, kind
        self._known: tuple[int, list[int]] = (-1, [])

    @property
    def steps(self) -> int:
        """Steps of a pass."""
        return math.ceil(len(self.lengths) / self.split.batch)

    def rows(self, step: int) -> list[int]:
        """The rows of step number `step`, from 1, over all processes."""
        done, at = divmod(step - 1, self.steps)
        return self._pass(done)[at * self.split.batch : (at + 1) * self.split.batch]

    def uneven(self, step: int) -> bool:
        """Whether processes take different numbers of rows of step number `step`, from 1."""
        return self.split.uneven(len(self.rows(step)))

    def _pass(self, number: int) -> list[int]:
        if self._known[0] != number:
            self._known = (number, self._drawn(torch.Generator().manual_seed(self.seed + number)))
        return self._known[1]

    def _drawn(self, generator: torch.Generator) -> list[int]:
        if self.kind == "length":
            from transformers.trainer_pt_utils import get_length_grouped_indices

            found: list[int] = get_length_grouped_indices(self.lengths, self.split.batch, generator=generator)
            return found
        if self.kind == "given":
            return list(range(len(self.lengths)))
        return [int(row) for row in torch.randperm(len(self.lengths), generator=generator).tolist()]


class Share:
    """The micro-batches of this process, pass by pass: a batch sampler for torch's loader."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.epoch = 0

    @property
    def batch_sampler(self) -> Share:
        """Itself: where the Trainer looks for whom to tell of a new pass."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Pass number `epoch` begins, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        split, rows = self.order.split, len(self.order.lengths)
        whole = rows // split.batch * (split.batch // (split.micro * split.processes))
        return whole + math.ceil(math.ceil(rows % split.batch / split.processes) / split.micro)

    def __iter__(self) -> Iterator[list[int]]:
        first = self.epoch * self.order.steps + 1
        for step in range(first, first + self.order.steps):
            yield from self.order.split.share(self.order.rows(step))


class Marked:
    """A data set of which a row is also had as −1 − its number, marked as one that does not count."""

    def __init__(self, data: Any, mark: str) -> None:
        self.data, self.mark = data, mark

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return dict(self.data[place]) if place >= 0 else {**self.data[-1 - place], self.mark: True}


def order_of(recipe: Recipe, lengths: Sequence[int], trainer: type) -> Order | None:
    """The order of a recipe's training rows.

    Args:
        recipe: of the run.
        lengths: tokens of each row.
        trainer: TRL's class; None is returned for one that draws its rows itself.
    """
    if "get_train_dataloader" in vars(trainer):
        return None
    split = Split(recipe.optimizer.batch_size, recipe.optimizer.micro_batch, *share())
    kind = "length" if recipe.data.group_by_length else "random"
    # Each row's neighbour is fixed before: its rows were shuffled then.
    return Order(lengths, split, recipe.run.seed, "given" if recipe.run.stage == "kto" else kind)
