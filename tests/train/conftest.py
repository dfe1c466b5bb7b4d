from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from doneness.config import Recipe, build_recipe
from doneness.testing.tiny import write_rows

WORDS = ["red", "blue", "green", "black", "white", "brown", "grey", "pink", "gold", "teal"]
ROWS = [(f"What colour is {a} {b}?", f"{a}, mostly {b}.") for a in WORDS for b in WORDS[:4]]


class Quiet:
    """A watcher that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def began(self, step: int, total: int) -> None:
        self.told.append(("began", step, total))

    def trained(self, record: dict[str, Any]) -> None:
        self.told.append(("trained", record["step"]))

    def evaluated(self, record: dict[str, Any], decision: Any) -> None:
        self.told.append(("evaluated", record["step"], decision))

    def cooling(self, step: int, end: int) -> None:
        self.told.append(("cooling", step, end))

    def interrupted(self) -> None:
        self.told.append(("interrupted",))

    def scoring(self, step: int, done: int, total: int) -> None:
        self.told.append(("scoring", step, done, total))


@pytest.fixture
def make_recipe(tmp_path: Path, tiny_model: Path) -> Callable[..., Recipe]:
    train = write_rows(tmp_path / "train.jsonl", ROWS[:24])
    held_out = write_rows(tmp_path / "eval.jsonl", ROWS[24:36])

    def make(name: str = "run", *overrides: str) -> Recipe:
        raw = {
            "run": {"folder": str(tmp_path / name), "threads": 1, "preflight": False},
            "model": {"path": str(tiny_model), "device": "cpu"},
            "method": {"rank": 4, "alpha": 8},
            "data": {"train": str(train), "eval": str(held_out), "max_length": 128},
            "optimizer": {"learning_rate": 5e-3, "batch_size": 8, "micro_batch": 4},
            "schedule": {"epochs": 3.0, "kind": "cosine"},
            "stopping": {"on_stop": "note"},
        }
        return build_recipe(raw, overrides)

    return make
