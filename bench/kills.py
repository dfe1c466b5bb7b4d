"""A run killed at random moments and resumed each time, against the same run left alone.

    python -m bench kills --kills 20 --seed 1

Both are `doneness train` in processes of their own, on a tiny random model, with a cooldown that the rule decides on,
checkpoints that rotate, and a probe of nothing else. For each life of the run it is drawn anew when it is killed: by
the clock, or at a moment when a file is opened, moved or removed or a line written (see `dying`), over the whole run,
so that imports, loading, steps, evaluations, checkpoints and deletions are all hit. The last two fall after the last
step: in its evaluation, checkpoint and rotation, and in the life that finishes them. No life gets by: at the latest
it is killed before it writes how the run ended. Compared at the end: see `kills_same`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import kills_same
from doneness.runs.journal import read_records

OUT = Path("bench/results/kills.json")
WORDS = ["red", "blue", "green", "black", "white", "brown", "grey", "pink", "gold", "teal"]
STEPS, EVERY = 360, 20
_EARLY, _CLOCK = 0.25, 0.6  # shares of the kills: before the first step by the clock; these and any by the clock
_NEVER = 10**9
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
        begins, ends = _lasts(recipes["whole"])
        whole = _Whole.read(recipes["whole"], begins)
        print(f"left alone it lasts {ends:.0f} s, {begins:.0f} of them before the first step", flush=True)
        hits = _kill(recipes["broken"], options.kills, whole, random.Random(options.seed))
        _lasts(recipes["broken"])
        found = {"seed": options.seed, "kills": hits, "same": kills_same.compared(home / "whole", home / "broken")}
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


def _start(recipe: Path, at: tuple[int, int] | None) -> subprocess.Popen[bytes]:
    """A life of the run; with a moment at which it dies by itself."""
    environment = os.environ | {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "HF_HUB_OFFLINE": "1"}
    asked: dict[str, Any] = {"recipe": str(recipe), "folder": str(_folder(recipe)), "tell": str(_told(recipe))}
    asked |= {"step": at[0], "number": at[1]} if at is not None else {}
    command = [sys.executable, "-m", "bench.dying", json.dumps(asked)]
    with recipe.with_suffix(".err").open("wb") as errors:
        return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=errors)


def _folder(recipe: Path) -> Path:
    return recipe.with_suffix("")


def _told(recipe: Path) -> Path:
    return recipe.with_suffix(".json")


def _lasts(recipe: Path) -> tuple[float, float]:
    """Train to the end; seconds until the first steps were written, and until the end."""
    begun, first = time.monotonic(), None
    process = _start(recipe, None)
    while process.poll() is None:
        if first is None and _step(_folder(recipe)) > 0:
            first = time.monotonic() - begun
        time.sleep(0.2)
    if process.returncode != 0:
        raise SystemExit(f"doneness train ended with {process.returncode}: {_said(recipe)}")
    ends = time.monotonic() - begun
    return (ends if first is None else first), ends


def _said(recipe: Path) -> str:
    return recipe.with_suffix(".err").read_text(encoding="utf-8", errors="replace")[-2000:]


@dataclass(frozen=True)
class _Whole:
    """The run that was left alone.

    Attributes:
        begins: seconds that it took until its first step.
        last: its last step.
        moments: how many there were after each step, before the run wrote how it ended.
    """

    begins: float
    last: int
    moments: dict[int, int]

    @classmethod
    def read(cls, recipe: Path, begins: float) -> _Whole:
        """What the process told that has just ended."""
        told: list[tuple[int, str]] = json.loads(_told(recipe).read_text(encoding="utf-8"))
        ended = next(k for k, (_, what) in enumerate(told) if what == "before end")
        moments: dict[int, int] = {}
        for step, _ in told[: ended + 1]:
            moments[step] = moments.get(step, 0) + 1
        return cls(begins, max(moments), moments)

    def one_of(self, first: float, last: float, chance: random.Random) -> tuple[int, int] | None:
        """A moment of the steps after `first` up to `last`, each as likely as any other."""
        all_ = [(s, k) for s, count in sorted(self.moments.items()) if first < s <= last for k in range(1, count + 1)]
        return chance.choice(all_) if all_ else None


@dataclass(frozen=True)
class _Plan:
    """When a life is to end.

    Attributes:
        at: by itself, at a moment: step, and number among its moments.
        step: by the clock, from when this step is written; None from its start.
        wait: seconds from there.
    """

    at: tuple[int, int] | None = None
    step: float | None = None
    wait: float = 0.0


def _kill(recipe: Path, kills: int, whole: _Whole, chance: random.Random) -> list[dict[str, Any]]:
    """Start, wait, kill, start again."""
    hits: list[dict[str, Any]] = []
    while len(hits) < kills:
        folder = _folder(recipe)
        before, plan = _written(folder), _plan(kills - len(hits), _step(folder), whole, chance)
        begun = time.monotonic()
        where = _life(recipe, plan)
        lived = time.monotonic() - begun
        hit = {"after": round(lived, 2), "step": _step(folder), "records": _written(folder) - before, "at": where}
        hits.append(hit)
        print(f"kill {len(hits):2} after {lived:5.1f} s, at step {hit['step']}: {where}", flush=True)
    return hits


def _plan(left: int, here: int, whole: _Whole, chance: random.Random) -> _Plan:
    """Draw one.

    All but the last two are spread over the whole run: each comes at a step drawn such that enough of the run stays
    for those that are left. Drawn by the clock alone they would depend on what else the machine does.
    """
    if left == 1:
        # Loading and resuming have about as many moments as the last step; if fewer, it dies before the end.
        return _Plan(at=(0, chance.randint(1, whole.moments[whole.last])))
    if left == 2:
        return _Plan(at=whole.one_of(whole.last - 1, whole.last, chance))
    draw, reach = chance.random(), 2.0 * (whole.last - here) / (left - 1)
    if draw < _EARLY:
        return _Plan(wait=chance.uniform(0.0, whole.begins))
    if draw < _CLOCK:
        return _Plan(step=here + chance.uniform(0.0, reach), wait=chance.uniform(0.0, 1.0))
    return _Plan(at=whole.one_of(here, here + max(reach, 1.0), chance) or (0, 1))


def _life(recipe: Path, plan: _Plan) -> str:
    """Let the run live as planned; where it was killed."""
    process = _start(recipe, plan.at or (_NEVER, 0))
    while plan.step is not None and process.poll() is None and _step(_folder(recipe)) < plan.step:
        time.sleep(0.05)
    try:
        process.wait(plan.wait if plan.at is None else None)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return "by the clock"
    if process.returncode != -signal.SIGKILL:
        raise SystemExit(f"resumed, it ended with {process.returncode}: {_said(recipe)}")
    step, what = json.loads(_told(recipe).read_text(encoding="utf-8"))
    return f"{what} ({f'step {step}' if step else 'before its first step'})"


def _written(folder: Path) -> int:
    journal = folder / "journal.jsonl"
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def _step(folder: Path) -> int:
    journal = folder / "journal.jsonl"
    records = read_records(journal)[0] if journal.exists() else []
    return max((int(r["step"]) for r in records), default=0)
