"""Rows for every stage, of one public set: short questions of MedQuAD with their answers (CC BY 4.0).

A rejected answer is MedQuAD's answer to a question about another disease: right for its own question, wrong for this
one. Rows of one document stay together, on one side of the split.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

FILE = "medquad_full.jsonl.gz"
_SHORTEST, _LONGEST = 60, 170  # characters of an answer
Item = dict[str, Any]


def write_stage_rows(source: Path, folder: Path, train: int, held_out: int) -> None:
    """Write `folder`/{sft,pairs,marked,texts}-{train,eval}.jsonl, of so many questions each."""
    folder.mkdir(parents=True, exist_ok=True)
    items = _items(source / FILE)
    sides = {"eval": items[:held_out]}
    documents = {item["cluster"] for item in sides["eval"]}
    questions = {item["prompt"] for item in sides["eval"]}
    free = [i for i in items[held_out:] if i["cluster"] not in documents and i["prompt"] not in questions]
    sides["train"] = free[:train]
    for side, rows in sides.items():
        pairs = [_pair(row, other) for row, other in zip(rows, [*rows[1:], rows[0]], strict=True)]
        marked = [_marked(pair, good=at % 2 == 0) for at, pair in enumerate(pairs)]
        texts = [{"id": r["id"], "cluster": r["cluster"], "text": f"{r['prompt']}\n{r['completion']}"} for r in rows]
        for name, lines in {"sft": rows, "pairs": pairs, "marked": marked, "texts": texts}.items():
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            (folder / f"{name}-{side}.jsonl").write_text(text, encoding="utf-8")


def _items(path: Path) -> list[Item]:
    """Short answers, no disease and no answer twice, in an order that depends on the file alone."""
    found, seen = [], set()
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            item = json.loads(line)
            answer, focus = " ".join(item["answer"].split()), item["focus"].lower()
            # Answers about frequency are one sentence with another number in it.
            if not _SHORTEST <= len(answer) <= _LONGEST or item["qtype"] == "frequency" or {answer, focus} & seen:
                continue
            seen |= {answer, focus}
            name, document = f"{item['subset']}/{item['id']}", f"{item['subset']}/{item['doc']}"
            found.append({"id": name, "cluster": document, "prompt": item["question"], "completion": answer})
    return sorted(found, key=lambda row: hashlib.sha256(row["id"].encode()).hexdigest())


def _pair(row: Item, other: Item) -> Item:
    kept = {key: row[key] for key in ("id", "cluster", "prompt")}
    return kept | {"chosen": row["completion"], "rejected": other["completion"]}


def _marked(pair: Item, good: bool) -> Item:
    kept = {key: pair[key] for key in ("id", "cluster", "prompt")}
    return kept | {"completion": pair["chosen" if good else "rejected"], "label": good}
