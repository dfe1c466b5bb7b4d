"""Rows of a text log that damage left readable, and that are not what was written: strays among their own kind."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_STRAY = 0.1  # at most this share of a log's rows are strays; more of them are a kind of their own
_GAP = 3  # intervals: neighbours further apart than this say nothing about what stands between them


@dataclass
class TextRow:
    """What one line tells; totals are those of "12/500"."""

    values: dict[str, float]
    step: int | None
    of: int | None
    epoch: float | None
    epochs: int | None

    @property
    def kind(self) -> str:
        """Which loss it tells, the training's where it tells several."""
        return next((name for name in ("loss", "train_loss", "val_loss", "test_loss") if name in self.values), "")


def without_strays(rows: list[TextRow]) -> tuple[list[TextRow], int]:
    """The rows in their order without strays, and how many of those there were.

    A stray says a plain "loss" where nearly every line says "train loss", or its step lies outside of what the
    rows before and behind it tell, which follow each other closely: a resume goes on from where it went back to,
    a flipped digit does not.
    """
    found = _named(rows)
    kinds: dict[str, list[int]] = {}
    for place, row in enumerate(found):
        kinds.setdefault(row.kind, []).append(place)
    wrong: set[int] = set()
    for places in kinds.values():
        stepped = [p for p in places if found[p].step is not None]
        wrong.update(stepped[i] for i in astray([found[p].step or 0 for p in stepped]))
    kept = [row for place, row in enumerate(found) if place not in wrong]
    return kept, len(rows) - len(kept)


def _named(rows: list[TextRow]) -> list[TextRow]:
    plain = sum("loss" in row.values for row in rows)
    named = sum("train_loss" in row.values for row in rows)
    return rows if plain > _STRAY * named else [row for row in rows if "loss" not in row.values]


def astray(steps: Sequence[int]) -> list[int]:
    """Positions whose step does not lie between its two neighbours, where those ascend and are close together."""
    gaps = [b - a for a, b in itertools.pairwise(steps) if b > a]
    if not gaps:
        return []
    near = _GAP * statistics.median(gaps)
    found = [
        i
        for i in range(1, len(steps) - 1)
        if steps[i - 1] < steps[i + 1] <= steps[i - 1] + near and not steps[i - 1] <= steps[i] <= steps[i + 1]
    ]
    return found if len(found) <= _STRAY * len(steps) else []
