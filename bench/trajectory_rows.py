"""The rows that the recorded trajectories were trained on: short ones of four public medical sets.

Every set is laid out in an order of its own hashes, so that the choice depends on nothing but the file.
Rows of one document stay together, on one side of the split; a question stands on one side alone.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Item = dict[str, Any]


@dataclass(frozen=True)
class Source:
    """Where rows come from.

    Attributes:
        file: its name in the data folder.
        licence: of the set.
        what: the set and what is asked, in a line.
        rows: of the file's objects, numbered from 1, those that may be used.
        longest: tokens of a row, chat markup included.
        spans: of the answers, whose losses are summed apart.
    """

    file: str
    licence: str
    what: str
    rows: Callable[[Iterator[tuple[int, Item]]], Iterator[Item]]
    longest: int
    spans: tuple[str, ...] = ()


def _row(name: str, question: str, answer: str, **more: str) -> Item:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return {"id": name, "messages": said, **more}


def _medquad(items: Iterator[tuple[int, Item]]) -> Iterator[Item]:
    seen = set()
    for _, item in items:
        answer = " ".join(item["answer"].split())
        # Answers about frequency are one sentence with another number in it.
        if not 60 <= len(answer) <= 260 or item["qtype"] == "frequency" or answer in seen:
            continue
        seen.add(answer)
        yield _row(
            f"{item['subset']}/{item['id']}", item["question"], answer, cluster=f"{item['subset']}/{item['doc']}"
        )


def _conclusions(items: Iterator[tuple[int, Item]]) -> Iterator[Item]:
    for _, item in items:
        yield _row(item["id"], item["question"], item["long_answer"])


def _labels(items: Iterator[tuple[int, Item]]) -> Iterator[Item]:
    for _, item in items:
        # The last part of an abstract tells most; thirty words of it keep the row short.
        told = " ".join(item["contexts"][-1].split()[-30:])
        asked = f"{told}\n{item['question']} Answer yes, no or maybe."
        yield _row(item["id"], asked, item["final_decision"], label=item["final_decision"])


def _chinese(items: Iterator[tuple[int, Item]]) -> Iterator[Item]:
    for line, item in items:
        turns = item["conversations"]
        if len(turns) == 2:
            yield _row(f"line-{line}", turns[0]["value"], turns[1]["value"])


SOURCES: dict[str, Source] = {
    "medquad": Source(
        "medquad_full.jsonl.gz", "CC BY 4.0", "MedQuAD: a question and its short answer", _medquad, longest=74
    ),
    "conclusions": Source(
        "pubmedqa_labelled_1000.jsonl", "MIT", "PubMedQA: the question and the conclusion", _conclusions, longest=86
    ),
    "labels": Source(
        "pubmedqa_labelled_1000.jsonl", "MIT", "PubMedQA: yes, no or maybe", _labels, longest=100, spans=("label",)
    ),
    "chinese": Source(
        "medicalgpt_medical_sft_1k_zh.jsonl", "Apache-2.0", "MedicalGPT: Chinese questions and answers", _chinese, 90
    ),
}


def write_rows(source: str, train: int, held_out: int, data: Path, place: Path, model: Path) -> None:
    """Write `place`/train.jsonl and eval.jsonl; `model` is the folder of the tokenizer.

    Raises:
        ValueError: the set has too few rows of that length.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    found = SOURCES[source]
    groups: dict[str, list[Item]] = {}
    questions: set[str] = set()
    for row in found.rows(_items(data / found.file)):
        asked = row["messages"][0]["content"].strip().lower()
        tokens = len(tokenizer("\n".join(turn["content"] for turn in row["messages"]))["input_ids"]) + 24
        if tokens > found.longest or asked in questions:
            continue
        questions.add(asked)
        groups.setdefault(str(row.get("cluster") or row["id"]), []).append(row)
    order = sorted(groups, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    rows = [row for name in order for row in groups[name]]
    cut = held_out
    while cut < len(rows) and rows[cut].get("cluster", cut) == rows[cut - 1].get("cluster"):
        cut += 1  # the rest of a document goes with its beginning, and is not used
    if len(rows) < cut + train:
        raise ValueError(
            f"{found.file} has {len(rows)} rows of at most {found.longest} tokens, {cut + train} are needed"
        )
    place.mkdir(parents=True, exist_ok=True)
    for name, part in (("eval", rows[:held_out]), ("train", rows[cut : cut + train])):
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part)
        (place / f"{name}.jsonl").write_text(text, encoding="utf-8")


def _items(path: Path) -> Iterator[tuple[int, Item]]:
    with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as handle:
        for line, raw in enumerate(handle, start=1):
            yield line, json.loads(raw)
