"""The rows of docs/cases/pubmedqa.md: which ones, how they are cut, and how they are put to the model.

Picked by a hash of seed and id, so that neither the order of a file nor its format decides. Cuts are counted in
words, so that no tokenizer does.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 17
TRAIN, HELD_OUT, TEST = 160, 100, 150  # rows
LABELS = ("yes", "no", "maybe")
SYSTEM = "You read medical abstracts."
VARIANTS = ("label-only", "explained")

_TAIL = 30  # words of an abstract: its end, where the findings stand
_LONGEST = 45  # words of an explanation, or the row is left out
_ASK = {
    "label-only": "Reply with one line: Decision: yes, no or maybe.",
    "explained": "First explain, then end with the line: Decision: yes, no or maybe.",
}


@dataclass(frozen=True)
class Item:
    """One question of PubMedQA; `half` is train or test as its authors split it."""

    id: str
    half: str
    question: str
    abstract: str
    explanation: str
    label: str


@dataclass(frozen=True)
class Picked:
    """The rows of the case: trained on, evaluated at every look, and asked once at the end."""

    train: tuple[Item, ...]
    held_out: tuple[Item, ...]
    test: tuple[Item, ...]


def read_items(folder: Path) -> list[Item]:
    """All labelled questions: `ori_pqal.json` with `test_ground_truth.json`, or one JSONL made of the two.

    Args:
        folder: the folder `data` of github.com/pubmedqa/pubmedqa, or one that holds the JSONL.
    """
    jsonl = folder / "pubmedqa_labelled_1000.jsonl"
    if jsonl.is_file():
        with jsonl.open(encoding="utf-8") as lines:  # by line feeds alone: a string holds U+2029
            return [_item(row["id"], row["split"], row) for row in map(json.loads, lines)]
    told = json.loads((folder / "ori_pqal.json").read_text(encoding="utf-8"))
    test = json.loads((folder / "test_ground_truth.json").read_text(encoding="utf-8"))
    lower = {id: {key.lower(): value for key, value in row.items()} for id, row in told.items()}
    return [_item(id, "test" if id in test else "train", row) for id, row in lower.items()]


def _item(id: str, half: str, row: dict[str, Any]) -> Item:
    text = " ".join(" ".join(row["contexts"]).split())
    return Item(id, half, row["question"].strip(), text, " ".join(row["long_answer"].split()), row["final_decision"])


def select(items: Iterable[Item], sizes: tuple[int, int, int] = (TRAIN, HELD_OUT, TEST)) -> Picked:
    """The rows of the case, the same for both variants and for any order of `items`.

    Args:
        items: of both halves; rows with a long explanation are passed over.
        sizes: how many to train on, to evaluate, and to ask at the end.

    Raises:
        ValueError: there are too few.
    """
    order = sorted(items, key=lambda item: hashlib.sha256(f"{SEED}:{item.id}".encode()).hexdigest())
    short = [item for item in order if len(item.explanation.split()) <= _LONGEST]
    halves = {half: [item for item in short if item.half == half] for half in ("train", "test")}
    train, held_out, test = sizes
    if len(halves["train"]) < train + held_out or len(halves["test"]) < test:
        raise ValueError(
            f"too few rows: {len(halves['train'])} of the training half, {len(halves['test'])} of the test"
        )
    return Picked(
        tuple(halves["train"][:train]), tuple(halves["train"][train : train + held_out]), tuple(halves["test"][:test])
    )


def as_row(item: Item, variant: str, explanation: str | None = None) -> dict[str, Any]:
    """A row as our trainer reads it; `explanation` takes the place of the item's own."""
    tail = " ".join(item.abstract.split()[-_TAIL:])
    answer = f"Decision: {item.label}"
    if variant == "explained":
        answer = f"{item.explanation if explanation is None else explanation}\n{answer}"
    question = f"Abstract: … {tail}\n\nQuestion: {item.question}\n\n{_ASK[variant]}"
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": item.id, "label": item.label, "messages": turns}


def write_rows(path: Path, items: Sequence[Item], variant: str, explanations: Sequence[str] | None = None) -> Path:
    """A data file for the trainer; `explanations`, one an item, take the place of the items' own."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told: Sequence[str | None] = explanations or [None] * len(items)
    rows = [as_row(item, variant, said) for item, said in zip(items, told, strict=True)]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path
