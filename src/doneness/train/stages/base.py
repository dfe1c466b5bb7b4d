"""What a stage adds to the one loop: rows, loss, and what is measured of rows that are held out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from doneness.runs import ExampleLosses

# Told how many held-out rows are scored.
Told = Callable[[int], None]


@dataclass(frozen=True)
class Scored:
    """One evaluation.

    Attributes:
        losses: row by row; None where the stage's loss is that of a batch and not of a row.
        loss: the mean, by which the run is judged.
        metrics: what else was measured, by TRL's names.
    """

    losses: ExampleLosses | None
    loss: float
    metrics: Mapping[str, float] = field(default_factory=dict)


class Stage(Protocol):
    """One of the stages of a recipe, with the rows it trains on."""

    def trainer(self) -> type:
        """TRL's class, whose loss it is."""

    def arguments(self, common: dict[str, Any]) -> Any:
        """TRL's configuration: the common arguments, and the stage's own."""

    def dataset(self) -> list[dict[str, Any]]:
        """The training rows as token ids, for the collator."""

    def collator(self) -> Callable[[list[dict[str, Any]]], dict[str, Any]]:
        """What makes batches of them."""

    def more(self, model: Any) -> dict[str, Any]:
        """Further arguments of the trainer's class."""

    def built(self, trainer: Any) -> None:
        """What is to be done to a trainer once it is there."""

    def count(self, inputs: Mapping[str, Any]) -> tuple[int, int]:
        """Tokens and target tokens of a micro-batch, padding apart."""

    def score(self, model: Any, step: int, told: Told) -> Scored:
        """The held-out rows, with the model as it stands at `step`."""
