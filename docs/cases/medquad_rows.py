"""The rows of docs/cases/medquad.md: which ones of MedQuAD, and where their answers are cut.

Documents are laid out by a hash of seed and name, and all questions about one document stand on one side: MedQuAD asks
up to a dozen about each, and a split by rows would put half of them on either side. Answers end at the end of a
sentence.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SEED = 29
TRAIN, HELD_OUT = 600, 100  # rows
LONGEST = 96  # tokens of an answer
_SHORTEST = 12  # tokens: below it stand answers such as "See symptoms above."
# The same question in other words, to tell an answer known by heart from one that is known.
_OTHERWISE = {
    "information": "Can you explain what {0} is?",
    "symptoms": "How does somebody notice that they have {0}?",
    "treatment": "What can be done for a person with {0}?",
    "causes": "Where does {0} come from?",
    "frequency": "How common is {0}?",
    "inheritance": "Does {0} run in families?",
    "exams and tests": "By which examinations is {0} found?",
    "genetic changes": "Which genes have to do with {0}?",
    "outlook": "What is to be expected by a person who has {0}?",
    "prevention": "How can one avoid {0}?",
    "susceptibility": "Which people get {0}?",
    "research": "What is being studied about {0}?",
    "complications": "What may {0} lead to?",
    "considerations": "What should be kept in mind about {0}?",
}


@dataclass(frozen=True)
class Item:
    """One question of MedQuAD; `about` is the disease, `document` the page that it was taken from."""

    id: str
    document: str
    kind: str
    about: str
    question: str
    answer: str

    @property
    def otherwise(self) -> str:
        """The question in other words."""
        return _OTHERWISE.get(self.kind, "Tell me about {0}.").format(self.about)


def read_items(folder: Path) -> list[Item]:
    """All questions with an answer, of `medquad_full.jsonl.gz` in `folder`."""
    with gzip.open(folder / "medquad_full.jsonl.gz", "rt", encoding="utf-8", newline="\n") as lines:
        rows = [json.loads(line) for line in lines]
    return [
        Item(
            f"{row['subset']}/{row['id']}",
            f"{row['subset']}/{row['doc']}",
            row["qtype"],
            row["focus"],
            " ".join(row["question"].split()).replace(" ?", "?"),
            " ".join(row["answer"].split()),
        )
        for row in rows
        if row["answer"].strip()
    ]


def cut(text: str, longest: int, tokens: Callable[[str], int]) -> str:
    """As many whole sentences from the beginning as have no more than `longest` tokens; empty where not one fits."""
    ends = [found.end() for found in re.finditer(r"[.!?](?=\s|$)", text)]
    fitting = [end for end in ends if end <= 8 * longest and tokens(text[:end]) <= longest]
    return text[: fitting[-1]] if fitting else ""


def select(
    items: Iterable[Item], tokens: Callable[[str], int], sizes: tuple[int, int] = (TRAIN, HELD_OUT)
) -> tuple[list[Item], list[Item]]:
    """Rows to train on and rows held out, the same for any order of `items`; no question or answer twice.

    Raises:
        ValueError: there are too few.
    """
    documents: dict[str, list[Item]] = {}
    for item in sorted(items, key=lambda item: item.id):
        documents.setdefault(item.document, []).append(item)
    order = sorted(documents, key=lambda name: hashlib.sha256(f"{SEED}:{name}".encode()).hexdigest())
    asked: set[str] = set()
    answered: set[str] = set()
    sides: tuple[list[Item], list[Item]] = ([], [])
    for name in order:
        side = 0 if len(sides[0]) < sizes[0] else 1
        for item in documents[name][:3]:  # of a document three rows at most, so that 600 rows are of 200 and more
            answer = cut(item.answer, LONGEST, tokens)
            if not answer or tokens(answer) < _SHORTEST or item.question.lower() in asked or answer in answered:
                continue
            asked.add(item.question.lower())
            answered.add(answer)
            if len(sides[side]) < sizes[side]:
                sides[side].append(Item(item.id, item.document, item.kind, item.about, item.question, answer))
        if len(sides[1]) >= sizes[1]:
            return sides
    raise ValueError(f"too few rows: {len(sides[0])} and {len(sides[1])}")


def write_rows(path: Path, items: Sequence[Item]) -> Path:
    """A data file for the trainer, rows of one document as one cluster."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(_row(item), ensure_ascii=False) for item in items]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
    return path


def _row(item: Item) -> dict[str, Any]:
    turns = [{"role": "user", "content": item.question}, {"role": "assistant", "content": item.answer}]
    return {"id": item.id, "cluster": item.document, "messages": turns}
