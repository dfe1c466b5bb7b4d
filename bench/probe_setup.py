"""The six checkpoints and the questions that `python -m bench probe` asks; trained once and kept.

PubMedQA's explanations without their abstracts: the questions are as short as probing questions are, and reading a
prompt, which costs every way of asking the same, does not drown what is compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

TRAINED = 360
STEPS = (15, 30, 45, 60, 75, 90)
_RECIPE = """\
[run]
folder = "{work}/run"
threads = 1
[model]
path = "{model}"
device = "cpu"
dtype = "float32"
[method]
rank = 8
alpha = 16
[data]
train = "{work}/train.jsonl"
eval = "{work}/eval.jsonl"
max_length = 192
[optimizer]
batch_size = 4
[schedule]
max_steps = {last}
warmup_steps = 5
[evaluation]
every = {every}
early = false
[stopping]
on_stop = "note"
"""
_ASKED = "Answer the research question. First explain in a few sentences, then finish with a line "


def rows(source: Path, split: str, abstract: bool = False) -> Iterator[dict[str, Any]]:
    """Rows of one split, the abstract left out unless it is wanted."""
    with source.open(encoding="utf-8") as handle:
        for line in handle:
            row = json.loads(line)
            if row["split"] != split:
                continue
            question, answer = row["messages"]
            if not abstract:
                told = question["content"]
                decision = told[told.index('"Decision') : told.index("\n")]
                asked = told[told.rindex("Question:") :]
                question = question | {"content": f"{_ASKED}{decision}\n\n{asked}"}
            yield {"id": row["id"], "messages": [question, answer]}


def prepare(source: Path, work: Path) -> dict[int, Path]:
    """The checkpoints by step; the model is trained where they are not there yet."""
    from doneness.models import demo_model

    checkpoints = {step: work / "run" / f"checkpoint-{step}" for step in STEPS}
    if all((folder / "adapter_config.json").is_file() for folder in checkpoints.values()):
        return checkpoints
    work.mkdir(parents=True, exist_ok=True)
    held_out = list(rows(source, "test"))
    for name, chosen in (("train", list(rows(source, "train"))[:TRAINED]), ("eval", held_out[-16:])):
        lines = [json.dumps(row, ensure_ascii=False) for row in chosen]
        (work / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    filled = _RECIPE.format(work=work, model=demo_model(), last=STEPS[-1], every=STEPS[1] - STEPS[0])
    (work / "recipe.toml").write_text(filled, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "doneness", "train", str(work / "recipe.toml")]
    subprocess.run(command, env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=True)
    return checkpoints


def items(source: Path, count: int, abstract: bool = False) -> tuple[tuple[str, str], ...]:
    """Held-out questions with their references."""
    asked = [row["messages"] for row in rows(source, "test", abstract)][:count]
    return tuple((question["content"], answer["content"]) for question, answer in asked)


def prompts(tokenizer: Any, asked: Sequence[tuple[str, str]]) -> list[list[int]]:
    """Token ids of the questions."""
    from doneness.models import prompt_ids

    return [prompt_ids(tokenizer, [{"role": "user", "content": question}]) for question, _ in asked]
