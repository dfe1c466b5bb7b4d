r"""Train, ask and write the case of docs/cases/medquad.md: a real medical run, past where it should have ended.

    python docs/cases/medquad.py --data FOLDER --work WORK    # everything that is not there yet, then results.json

FOLDER holds medquad_full.jsonl.gz (MedQuAD, CC BY 4.0); its rows are not part of this repository, but for the few that
are quoted. Everything is done by the commands that a reader types; what they print is kept. An interrupted work goes on
where it was.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from medquad_rows import Item, read_items, select, write_rows

HOME = Path(__file__).with_name("medquad")
STEPS = (15, 30, 45, 60, 75, 90, 114)  # asked, besides base
SHOWN = (0, 15, 45, 75, 114)  # steps whose answers are printed beside each other
TASKS, HEART = 60, 32  # held-out rows that are asked; training rows that are asked again, as they are and reworded
NULLS = 4
WIDTH = 960
_RECIPE = """\
[run]
folder = "{work}/run"
seed = 29
threads = 1
[model]
path = "{model}"
device = "cpu"
dtype = "float32"
[method]
kind = "lora"
rank = 16
alpha = 32
[data]
train = "{work}/train.jsonl"
eval = "{work}/held_out.jsonl"
max_length = 256
system = "You are a careful medical assistant."
[optimizer]
learning_rate = 1e-3
batch_size = 16
micro_batch = 8
[schedule]
kind = "constant"   # a run whose right length nobody knows beforehand
epochs = 3.0
[evaluation]
every = 15
early = false
batch_size = 16
[stopping]
on_stop = "note"   # say when it would have stopped, and go on, to show what comes after
"""
_SUITE = """\
lang = "en"
max_new_tokens = 64

[[files]]
path = "asked.jsonl"
sort = "task"
metric = "rouge_l"
nll = true

[[files]]
path = "heart.jsonl"
sort = "recite"

[[files]]
path = "reworded.jsonl"
sort = "recite_held_out"
"""


def main() -> int:
    """Do what is not done yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of medquad_full.jsonl.gz")
    parser.add_argument("--work", type=Path, default=Path("medquad-work"), help="for what takes long; kept")
    parser.add_argument("--only", choices=("train", "ask"), help="one part alone, and no results")
    options = parser.parse_args()
    work = options.work.resolve()
    prepare(options.data, work)
    if options.only != "ask":
        typed(["train", f"{work}/recipe.toml"], work)
    if options.only != "train":
        typed(asking(work), work)
    if options.only is None:
        HOME.mkdir(exist_ok=True)
        text = json.dumps(collect(work), ensure_ascii=False, indent=1)
        (HOME / "results.json").write_text(text + "\n", encoding="utf-8")
        draw(work / "run")
    return 0


def prepare(data: Path, work: Path) -> None:
    """Rows, recipe and suite; the same ones every time."""
    from doneness.models import demo_model, load_tokenizer

    tokenizer = load_tokenizer(str(demo_model()))
    train, held_out = select(read_items(data), lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))
    work.mkdir(parents=True, exist_ok=True)
    heart = random.Random(29).sample(train, HEART)
    write_rows(work / "train.jsonl", train)
    write_rows(work / "held_out.jsonl", held_out)
    write_rows(work / "asked.jsonl", held_out[:TASKS])
    write_rows(work / "heart.jsonl", heart)
    write_rows(work / "reworded.jsonl", [_reworded(item) for item in heart])
    (work / "recipe.toml").write_text(_RECIPE.format(work=work, model=demo_model()), encoding="utf-8")
    (work / "suite.toml").write_text(_SUITE, encoding="utf-8")


def _reworded(item: Item) -> Item:
    return replace(item, id=f"{item.id}-reworded", question=item.otherwise)


def asking(work: Path) -> list[str]:
    """The command that asks base and the checkpoints."""
    return [
        "probe", f"{work}/run", "--suite", f"{work}/suite.toml", "--suite", "medical-en", "--everything",
        "--steps", ",".join(map(str, ("base", *STEPS))), "--null", str(NULLS), "--flatness",
    ]  # fmt: skip


def collect(work: Path) -> dict[str, Any]:
    """What the pages say: what was printed, the evaluation losses, the table, and some answers."""
    from doneness.runs import read
    from doneness.workflows.deciding import losses_of

    shown = {"check": ["check", f"{work}/run"], "probe": asking(work), "choose": ["choose", f"{work}/run"]}
    told: dict[str, Any] = {
        lang: {name: typed(line, work, lang) for name, line in shown.items()} for lang in ("en", "zh")
    }
    table = json.loads((work / "run" / "probes" / "table.json").read_text(encoding="utf-8"))
    told["table"] = {k: table[k] for k in ("steps", "behaviours", "cells", "turning", "standings", "nulls")}
    told["choice"] = json.loads((work / "run" / "probes" / "choice.json").read_text(encoding="utf-8"))
    run = read(work / "run")[0]
    told["losses"] = losses_of(run)
    told["answers"] = _answers(work / "run", table)
    return told


def _answers(run: Path, table: dict[str, Any]) -> list[dict[str, Any]]:
    """Every question with its answers at the steps that are shown."""
    by_id: dict[str, dict[str, str]] = {}
    for step in SHOWN:
        lines = (run / "probes" / "answers" / f"step-{step:08d}.jsonl").read_text(encoding="utf-8").splitlines()
        for record in map(json.loads, lines[1:]):
            by_id.setdefault(record["id"], {})[str(step)] = record["text"]
    return [{**q, "answers": by_id[q["id"]]} for q in table["questions"] if len(by_id.get(q["id"], {})) == len(SHOWN)]


def draw(run: Path) -> None:
    """The loss and each behaviour over the steps, as the report draws them, in both languages."""
    from doneness.core import speaking
    from doneness.report.figure import draw as loss
    from doneness.report.multiples import multiples
    from doneness.report.sheet import Panel, sheet
    from doneness.runs import read
    from doneness.workflows.check import judge
    from doneness.workflows.report import view_of

    judged = judge(read(run)[0])
    for lang in ("en", "zh"):
        view = view_of(judged, lang)
        with speaking(lang):
            small = [Panel(svg, title) for _, title, svg in multiples(view.checklist)] if view.checklist else []
            (HOME / f"loss.{lang}.svg").write_text(loss(view.curve, width=WIDTH), encoding="utf-8")
            (HOME / f"behaviours.{lang}.svg").write_text(sheet(small, WIDTH), encoding="utf-8")


def typed(line: list[str], work: Path, lang: str = "en") -> dict[str, str]:
    """A command as a user types it, and what it printed."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "COLUMNS": "120", "DONENESS_LANG": lang}
    asked = [sys.executable, "-W", "ignore", "-m", "doneness", *line]
    done = subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1):
        sys.exit(done.stderr or done.stdout)
    print(done.stdout[-400:], flush=True)
    return {
        "command": " ".join(["doneness", *line]).replace(f"{work}/", ""),
        "printed": done.stdout.replace(f"{work}/", ""),
    }


if __name__ == "__main__":
    sys.exit(main())
