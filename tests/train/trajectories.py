"""Trainings whose course is known: the same steps whoever shares them. Recorded by record_goldens.py."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doneness.runs import read_records

STEPS = {"sft": 16, "dpo": 8}
# The last step of a pass has three rows, which two processes cannot halve.
BATCH, ROWS = 4, 27
GOLDENS = Path(__file__).parent / "goldens"
_WORDS = ("red", "blue", "green", "black", "white", "brown", "grey")


def rows_of(stage: str) -> list[dict[str, str]]:
    """Rows of many lengths, so that a token and a row are not the same share of a step."""
    found = []
    for i in range(ROWS):
        asked, said = _WORDS[i % 7], [_WORDS[(i + k) % 7] for k in range(1 + i % 5)]
        row = {"prompt": f"Say {i} after {asked}."}
        answers = {"completion": " ".join(said)}
        if stage == "dpo":
            answers = {"chosen": " ".join(said), "rejected": f"{asked} or {i}"}
        found.append(row | answers)
    return found


def write_recipe(place: Path, model: Path, stage: str, micro: int, *more: str) -> Path:
    """A recipe that trains these rows in `place`, and nothing beside: no evaluation, one checkpoint."""
    place.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row) + "\n" for row in rows_of(stage))
    (place / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    text = f"""
[run]
folder = "{place / "run"}"
stage = "{stage}"
threads = 1
preflight = false
[model]
path = "{model}"
device = "cpu"
[method]
rank = 4
alpha = 8
[data]
train = "rows.jsonl"
hold_out = "none"
max_length = 128
[optimizer]
learning_rate = 5e-3
batch_size = {BATCH}
micro_batch = {micro}
[schedule]
max_steps = {STEPS[stage]}
kind = "cosine"
[health]
every = 0
"""
    (place / "recipe.toml").write_text(text + "\n".join(more) + "\n", encoding="utf-8")
    return place / "recipe.toml"


def course(folder: Path) -> dict[str, list[float]]:
    """Loss and gradient norm of every step that counts."""
    records = [r for r in read_records(folder / "journal.jsonl")[0] if r["kind"] == "train"]
    return {name: [float(r[name]) for r in records] for name in ("loss", "grad_norm")}


@dataclass(frozen=True)
class Apart:
    """How far one course is from another: the largest deviation at a step, and the mean one with its sign."""

    largest: float
    drift: float

    @classmethod
    def of(cls, one: list[float], other: list[float]) -> Apart:
        assert len(one) == len(other)
        difference = (np.array(one) - np.array(other)) / np.array(other)
        return cls(float(np.abs(difference).max()), abs(float(difference.mean())))


def golden(stage: str) -> dict[str, Any]:
    return dict(json.loads((GOLDENS / f"{stage}.json").read_text(encoding="utf-8")))
