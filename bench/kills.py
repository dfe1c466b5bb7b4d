"""A run killed at random moments and resumed each time, against the same run left alone.

    python -m bench kills --kills 20 --seed 1

Both are `doneness train` in processes of their own, on a tiny random model, with a cooldown that the rule decides on,
checkpoints that rotate, and a probe of nothing else. A moment is drawn anew for each life of the run, so that
imports, loading, steps, evaluations, checkpoints and deletions are all hit. Compared at the
end, bit for bit: decisions, train losses, losses by example, which checkpoints are kept, the weights in them, and
whether anything half-done lies about.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from doneness.runs import read
from doneness.runs.journal import read_records

OUT = Path("bench/results/kills.json")
WORDS = ["red", "blue", "green", "black", "white", "brown", "grey", "pink", "gold", "teal"]
STEPS, EVERY = 360, 20
_EARLY, _TAIL = 0.25, 60  # share of kills before the first step; steps at the end that are left alone
RECIPE = """
[run]
folder = "{folder}"
threads = 1
[model]
path = "{model}"
device = "cpu"
[method]
rank = 4
alpha = 8
[data]
train = "{home}/train.jsonl"
eval = "{home}/eval.jsonl"
max_length = 96
[optimizer]
learning_rate = 0.005
batch_size = 4
micro_batch = 2
[schedule]
kind = "wsd"
max_steps = {steps}
[evaluation]
every = {every}
[checkpoints]
keep_gb = {keep}
"""


def main(argv: list[str]) -> None:
    """Run both, kill one, compare, write what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench kills", description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep-gb", type=float, default=0.001, help="so small that checkpoints have to go")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="doneness-kills-") as place:
        home = Path(place)
        recipes = {name: _recipe(home, name, options.keep_gb) for name in ("whole", "broken")}
        begins, ends = _lasts(recipes["whole"], home / "whole")
        print(f"left alone it lasts {ends:.0f} s, {begins:.0f} of them before the first step", flush=True)
        hits = _kill(home / "broken", recipes["broken"], options.kills, begins, random.Random(options.seed))
        _lasts(recipes["broken"], home / "broken")
        found = {"seed": options.seed, "kills": hits, "same": _same(home / "whole", home / "broken")}
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for name, same in found["same"].items():
        print(f"{name:40} {same}")
    if len(hits) < options.kills or not all(v is True for k, v in found["same"].items() if k.startswith("same")):
        raise SystemExit(1)


def _recipe(home: Path, name: str, keep: float) -> Path:
    from doneness.testing.tiny import make_tiny_model, write_rows

    if not (home / "model").is_dir():
        make_tiny_model(home / "model")
        rows = [(f"What colour is {a} {b}?", f"{a}, mostly {b}.") for a in WORDS for b in WORDS]
        write_rows(home / "train.jsonl", rows[:64])
        write_rows(home / "eval.jsonl", rows[64:])
    file = home / f"{name}.toml"
    values = {"folder": home / name, "model": home / "model", "home": home, "keep": keep}
    file.write_text(RECIPE.format(**values, steps=STEPS, every=EVERY), encoding="utf-8")
    return file


def _start(recipe: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "doneness", "train", str(recipe)]
    with recipe.with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)


def _lasts(recipe: Path, folder: Path) -> tuple[float, float]:
    """Train to the end; seconds until the first steps were written, and until the end."""
    begun, first = time.monotonic(), None
    process = _start(recipe)
    while process.poll() is None:
        if first is None and _step(folder) > 0:
            first = time.monotonic() - begun
        time.sleep(0.2)
    if process.returncode != 0:
        said = recipe.with_suffix(".err").read_text(encoding="utf-8", errors="replace")
        raise SystemExit(f"doneness train ended with {process.returncode}: {said[-2000:]}")
    ends = time.monotonic() - begun
    return (ends if first is None else first), ends


def _kill(folder: Path, recipe: Path, kills: int, begins: float, chance: random.Random) -> list[dict[str, Any]]:
    """Start, wait, kill, start again.

    One kill in four falls before the first step, at any moment of the `begins` seconds that it takes. Of the others
    each comes within a second after a step drawn such that enough of the run stays for the kills that are left: drawn
    by the clock alone they would depend on what else the machine does.
    """
    hits: list[dict[str, Any]] = []
    while len(hits) < kills:
        before, here = _written(folder), _step(folder)
        early = chance.random() < _EARLY
        ahead = chance.uniform(0.0, 2.0 * (STEPS - _TAIL - here) / (kills - len(hits) + 1))
        wait = chance.uniform(0.0, begins if early else 1.0)
        process, begun = _start(recipe), time.monotonic()
        while not early and process.poll() is None and _step(folder) < here + ahead:
            time.sleep(0.05)
        try:
            process.wait(wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            lived = time.monotonic() - begun
            hits.append({"after": round(lived, 2), "step": _step(folder), "records": _written(folder) - before})
            print(f"kill {len(hits):2} after {lived:5.1f} s, at step {hits[-1]['step']}", flush=True)
            continue
        if process.returncode == 0:
            raise SystemExit(f"the run came to its end after {len(hits)} kills; make it longer")
        raise SystemExit(f"resumed, it failed with {process.returncode}")
    return hits


def _written(folder: Path) -> int:
    journal = folder / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def _step(folder: Path) -> int:
    journal = folder / "journal.jsonl"
    records = read_records(journal)[0] if journal.exists() else []
    return max((int(r["step"]) for r in records), default=0)


def _same(whole: Path, broken: Path) -> dict[str, Any]:
    """What is the same in both folders, and how much there was to compare."""
    a, b = read(whole)[0], read(broken)[0]
    decisions = [[(e.step, _timeless(e.data)) for e in run.events if e.kind == "decision"] for run in (a, b)]
    kept = [{p.name: _digest(p) for p in sorted(folder.glob("checkpoint-*"))} for folder in (whole, broken)]
    half = [
        p.name for p in broken.rglob("*") if p.name.startswith((".going-", ".tmp")) or p.suffix in (".tmp", ".part")
    ]
    losses = [{e.step: e for e in run.examples} for run in (a, b)]
    return {
        "same decisions": decisions[0] == decisions[1],
        "same train losses": a.train is not None and b.train is not None and _equal(a.train.value, b.train.value),
        "same losses by example": losses[0].keys() == losses[1].keys()
        and all(_equal(losses[0][s].nll, losses[1][s].nll) for s in losses[0]),
        "same checkpoints, bit for bit": kept[0] == kept[1],
        "same last step": a.last_step == b.last_step,
        "same: nothing half-done lies about": not half,
        "decisions compared": len(decisions[0]),
        "actions": sorted({data["action"] for _, data in decisions[0]}),
        "train losses compared": 0 if a.train is None else len(a.train),
        "evaluations compared": len(losses[0]),
        "checkpoints kept": len(kept[0]),
        "checkpoints written": len({r["step"] for r in read_records(whole / "journal.jsonl")[0]
                                    if r["kind"] == "checkpoint"}),
        "last step": a.last_step,
    }  # fmt: skip


def _timeless(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key != "time"}


def _equal(a: Any, b: Any) -> bool:
    return bool(np.array_equal(np.asarray(a), np.asarray(b), equal_nan=True))


def _digest(checkpoint: Path) -> str:
    """Of the weights: other files hold times."""
    found = hashlib.sha256()
    for path in sorted(checkpoint.rglob("*.safetensors")):
        found.update(path.read_bytes())
    return found.hexdigest()
