"""Every stage by every method, trained for twenty steps on a small real model: is it better than before?

    python -m bench.stages --data FOLDER               # the cells that are not in bench/results/stages.json yet
    python -m bench.stages --data FOLDER dpo-qlora …   # these, anew
    python -m bench.stages --data FOLDER --write       # rows and recipes alone, for the commands of the table

Each cell is the command of its line in the table, run as it stands. Better is told by rows that no training saw, the
same before and after: the difference of their losses with its 95 % interval by document (`curves.paired_effect`);
of stages whose loss is not that of a row, of the margin or reward that each evaluation recorded with its error.
FOLDER holds MedQuAD (`bench/stage_rows.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from bench.stage_rows import write_stage_rows
from bench.stages_page import write
from doneness.curves import paired_effect
from doneness.runs import read_records
from doneness.runs.examples import load_examples

RESULTS = Path(__file__).with_name("results")
METHODS = ("lora", "qlora", "dora", "full")
_TRAIN, _HELD_OUT, _STEPS = 80, 56, 20
# The odds ratio moves slowly beside the loss of the answers: twenty steps left it within its interval.
_LONGER = {"orpo-qlora": 40}
_LENGTH = """\
[rewards]
use = ["length"]
length_target = 24
[grpo]
generations = 4
max_new_tokens = 48"""
# Rows, learning rate of adapters (of all weights a tenth), and what else the stage is given.
STAGES: dict[str, tuple[str, float, str]] = {
    "pretrain": ("texts", 1e-3, ""),
    "sft": ("sft", 1e-3, ""),
    "dpo": ("pairs", 3e-4, ""),
    "orpo": ("pairs", 1e-3, "[preference]\nbeta = 1.0"),
    "kto": ("marked", 3e-4, ""),
    "reward": ("pairs", 1e-3, ""),
    "grpo": ("sft", 3e-4, _LENGTH),
    "distill": ("sft", 1e-3, '[distill]\nteacher = "teacher"\non_policy = 0.0'),
}
_RECIPE = """\
[run]
folder = "{work}/{stage}"
stage = "{stage}"
threads = 1
[model]
path = "{model}"
device = "cpu"
[method]
rank = 16
alpha = 32
[data]
train = "{work}/{rows}-train.jsonl"
eval = "{work}/{rows}-eval.jsonl"
max_length = 128
[optimizer]
learning_rate = {rate}
batch_size = 4
[schedule]
max_steps = {steps}
warmup_steps = 2
[evaluation]
every = {steps}
early = false
[stopping]
on_stop = "note"
{more}
"""


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.stages", description=__doc__)
    parser.add_argument("cells", nargs="*", metavar="STAGE-METHOD")
    parser.add_argument("--data", type=Path, required=True, help="folder of the source file")
    parser.add_argument("--work", type=Path, default=Path("/tmp/doneness-stages"), help="for rows, recipes and runs")
    parser.add_argument("--write", action="store_true", help="write rows and recipes, and train nothing")
    options = parser.parse_args(arguments)
    write_stage_rows(options.data, options.work, _TRAIN, _HELD_OUT)
    write_recipes(options.work)
    file = RESULTS / "stages.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    every = [f"{stage}-{method}" for stage in STAGES for method in METHODS]
    for cell in [] if options.write else options.cells or [c for c in every if c not in found]:
        found[cell] = measure(cell, options.work)
        print(cell, found[cell], flush=True)
        ordered = {c: found[c] for c in every if c in found}
        file.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    write(found, options.work, teachers(options.work))
    return 0


def write_recipes(work: Path) -> None:
    """One recipe a stage; the method is given on the command line."""
    from doneness.models import demo_model

    for stage, (rows, rate, more) in STAGES.items():
        more = more.replace('"teacher"', f'"{work}/teacher"')
        filled = {"work": work, "stage": stage, "model": demo_model(), "rows": rows, "rate": rate, "more": more}
        (work / f"{stage}.toml").write_text(_RECIPE.format(**filled, steps=_STEPS), encoding="utf-8")


def teachers(work: Path) -> list[list[str]]:
    """What makes the teacher of `distill`: the same model after a few steps of sft, whole."""
    taught = work / "teacher-run"
    trained = ["doneness", "train", f"{work}/sft.toml", f"run.folder={taught}"]
    return [trained, ["doneness", "export", str(taught), "--merge", "--out", f"{work}/teacher"]]


def command(cell: str, work: Path) -> list[str]:
    """What trains the cell, as a user types it."""
    stage, method = cell.split("-")
    changed = [f"method.kind={method}", f"run.folder={work}/{cell}"]
    if cell in _LONGER:
        changed += [f"schedule.max_steps={_LONGER[cell]}", f"evaluation.every={_LONGER[cell]}"]
    if method == "full":
        changed.append(f"optimizer.learning_rate={STAGES[stage][1] / 10:g}")
    return ["doneness", "train", f"{work}/{stage}.toml", *changed]


def measure(cell: str, work: Path) -> dict[str, Any]:
    """Train one cell, and hold its last evaluation against its first."""
    folder, typed = work / cell, command(cell, work)
    shutil.rmtree(folder, ignore_errors=True)
    if cell.startswith("distill") and not (work / "teacher").is_dir():
        for each in teachers(work):
            _run(each).check_returncode()
    begun = time.monotonic()
    done = _run(typed)
    told: dict[str, Any] = {"command": " ".join(typed), "minutes": round((time.monotonic() - begun) / 60, 1)}
    if done.returncode:
        return told | {"refused": done.stderr.strip().splitlines()[-1:], "code": done.returncode}
    records, _ = read_records(folder / "journal.jsonl")
    first, last = (next(r for r in order if r["kind"] == "eval") for order in (records, records[::-1]))
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    told |= {"steps": last["step"], "rows": last["examples"], "loss": [first["loss"], last["loss"]]}
    told["metrics"] = {
        name: [first.get("metrics", {}).get(name), value] for name, value in last.get("metrics", {}).items()
    }
    return told | (_paired(folder, first, last) if "file" in last else {})


def _run(typed: list[str]) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HF_HUB_OFFLINE": "1"}
    asked = [sys.executable, "-W", "ignore", "-m", *typed]
    return subprocess.run(asked, env=environment, capture_output=True, text=True, check=False)


def _paired(folder: Path, first: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    before, after = (load_examples(folder / record["file"]) for record in (first, last))
    effect = paired_effect(after.nll, before.nll, after.tokens, after.cluster)
    low, high = effect.interval()
    return {"change": effect.diff, "interval": [low, high], "units": effect.n}


if __name__ == "__main__":
    sys.exit(main())
