"""Tokens a second of `doneness train`, TRL and LLaMA-Factory, and their peak memory; they take turns step by step.

    python -m bench train --python /path/to/llamafactory/bin/python --rows medquad.jsonl.gz     # about 25 minutes
    python -m bench train --only memory --python /path/to/llamafactory/bin/python --rows medquad.jsonl.gz
    python -m bench train --shape 8b --method full --apart --rows medquad.jsonl.gz              # on a GPU

1. *Same settings.* Every row has the same length, so nobody pads; every monitor of ours is on: a record of each step,
   health every ten, the evaluation row by row with spans, the stopping rule. The others are as their documentation
   has them, with the same model, rows, batch, adapters and learning rate, and log every ten steps.
2. *Defaults.* Real rows of all lengths. Ours are laid end to end, as they are by default, theirs padded to the longest
   of a micro-batch, as theirs are. Else as before.
3. *Memory.* The settings of the first part, a few steps with evaluations among them, each trainer several times over:
   the highest mark of one process differs from that of the next by what the allocator happened to do.

Each trainer is a process of its own and waits for its turn before every step; who is first changes from round to
round. So all do the same work under the same load of the machine. A step's time holds all that its trainer does from
one step to the next, evaluations and checkpoints apart, which are timed by themselves. Of a busy machine the processes'
CPU time says more than the clock: it is quoted without a GPU, and the clock with one. Tokens are counted from the
batches, padding apart. The interval of a ratio is a bootstrap over rounds. `--apart` trains one after the other, for
models of which three do not fit beside one another.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.train_page import page
from bench.train_setup import Setup, prepare, rows_of
from doneness.curves.student import t_quantile

WHO = ("ours", "trl", "llamafactory")
SAME, DEFAULTS = 1.0, 1.3  # what the ratio of tokens a second is to be, at least
_CHILD = Path(__file__).with_name("train_child.py")
_DRAWS = 10_000
_FEW = 12  # steps of a run that is looked at for its memory alone


@dataclass
class Trainer:
    """A trainer in its process, and what each of its turns cost."""

    process: subprocess.Popen[bytes]
    go: int
    said: Any
    turns: list[dict[str, Any]] = field(default_factory=list)
    peaks: dict[str, float] = field(default_factory=dict)

    def heard(self) -> dict[str, Any]:
        """Its next line."""
        line = self.said.readline()
        if not line:
            raise SystemExit(f"{self.process.args!r}: ended with {self.process.wait()}; see its log")
        found: dict[str, Any] = json.loads(line)
        return found

    def turn(self) -> None:
        """One step."""
        os.write(self.go, b".")
        self.turns.append(self.heard())

    def end(self) -> None:
        """Its memory, and the end of it."""
        os.close(self.go)
        self.peaks = self.heard()
        self.process.wait()


def start(who: str, config: Path, python: str, log: Path) -> Trainer:
    """The process of a trainer, which is then ready for its first step."""
    (read, go), (said, write) = os.pipe(), os.pipe()
    path = os.pathsep.join(p for p in (str(config.parent / "stub"), os.environ.get("PYTHONPATH", "")) if p)
    own = {
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    env = {**own, **os.environ, "DISABLE_VERSION_CHECK": "1", "PYTHONPATH": path}
    command = [python, "-W", "ignore", str(_CHILD), who, str(config), str(read), str(write)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=env, pass_fds=(read, write), stdout=out, stderr=out)
    os.close(read)
    os.close(write)
    trainer = Trainer(process, go, os.fdopen(said, "r", encoding="utf-8"))
    trainer.heard()
    return trainer


def measure(setup: Setup, configs: dict[str, Path], pythons: dict[str, str], apart: bool) -> dict[str, Any]:
    """Turns and peaks of all trainers; the first turns warm up and do not count."""
    logs = {who: path.with_suffix(".log") for who, path in configs.items()}
    told: dict[str, Trainer] = {}
    if apart:
        for who, path in configs.items():
            told[who] = start(who, path, pythons[who], logs[who])
            for _ in range(setup.warm + setup.steps):
                told[who].turn()
            told[who].end()
    else:
        told = {who: start(who, path, pythons[who], logs[who]) for who, path in configs.items()}
        names = list(told)
        for number in range(setup.warm + setup.steps):
            first = number % len(names)
            for who in (*names[first:], *names[:first]):
                told[who].turn()
        for trainer in told.values():
            trainer.end()
    return {who: {"turns": each.turns[setup.warm :], "peaks": each.peaks} for who, each in told.items()}


def memory(setup: Setup, configs: dict[str, Path], pythons: dict[str, str], repeats: int) -> dict[str, Any]:
    """Peaks of trainers that run alone, again and again, and by how much ours differ from the others'."""
    peaks: dict[str, list[float]] = {who: [] for who in configs}
    for number in range(repeats):
        for who, path in configs.items():
            trainer = start(who, path, pythons[who], path.with_suffix(".log"))
            for _ in range(setup.total):
                trainer.turn()
            trainer.end()
            peaks[who].append(trainer.peaks["device_mb" if setup.cuda else "peak_mb"])
            # A run of ours would be resumed, one of theirs begun anew.
            shutil.rmtree(path.parent / "run", ignore_errors=True)
        print(number + 1, {who: round(found[-1]) for who, found in peaks.items()}, file=sys.stderr, flush=True)
    others = {who: difference(peaks["ours"], found) for who, found in peaks.items() if who != "ours"}
    return {"peaks": peaks, "differences": others}


def difference(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """Mean of ours less mean of theirs, MB, with its 95 % interval (Welch's t)."""
    one, other = np.array(ours), np.array(theirs)
    parts = [each.var(ddof=1) / len(each) for each in (one, other)]
    error = float(np.sqrt(sum(parts)))
    freedom = sum(parts) ** 2 / sum(v**2 / (len(each) - 1) for v, each in zip(parts, (one, other), strict=True))
    half = float(t_quantile(0.975, freedom)) * error
    mean = float(one.mean() - other.mean())
    return {"mb": mean, "interval": [mean - half, mean + half], "holds": mean + half <= 0.0}


def found_of(measured: dict[str, Any], clock: str, target: float) -> dict[str, Any]:
    """Rates, ratios and memory."""
    who = {name: rates(each["turns"], clock) | {"peaks": each["peaks"]} for name, each in measured.items()}
    ratios = {
        name: compared(measured["ours"]["turns"], each["turns"], clock, target)
        for name, each in measured.items()
        if name != "ours"
    }
    return {"who": who, "ratios": ratios, "target": target}


def rates(turns: list[dict[str, Any]], clock: str) -> dict[str, Any]:
    """Tokens a second over all turns, and what was apart."""
    seconds = sum(turn[clock] for turn in turns)
    tokens, padded, targets = (sum(turn[key] for turn in turns) for key in ("tokens", "padded", "targets"))
    found = {
        "steps": len(turns), "tokens": tokens, "targets": targets, "padding": 1.0 - tokens / padded,
        "tokens_s": tokens / seconds, "targets_s": targets / seconds,
        "step_s": {key: sum(turn[key] for turn in turns) / len(turns) for key in ("wall", "cpu")},
    }  # fmt: skip
    for what in ("evaluation", "checkpoint"):
        cost = [turn["apart"][what][0 if clock == "wall" else 1] for turn in turns if what in turn["apart"]]
        if cost:
            found[what] = {"times": len(cost), "median_s": median(cost)}
    return found


def compared(ours: list[Any], theirs: list[Any], clock: str, target: float) -> dict[str, Any]:
    """Our tokens a second over theirs, with the 95 % interval of a bootstrap over rounds."""
    keys = ("tokens", "targets", clock)
    sums = np.array([
        [float(turn[key]) for turn in both for key in keys] for both in zip(ours, theirs, strict=True)
    ])  # fmt: skip
    drawn = np.random.default_rng(0).integers(0, len(sums), size=(_DRAWS, len(sums)))
    draws = sums[drawn].sum(axis=1)

    def ratio(of: Any, what: int) -> Any:
        return (of[..., what] / of[..., 2]) / (of[..., 3 + what] / of[..., 5])

    low, high = np.quantile(ratio(draws, 0), (0.025, 0.975))
    holds = True if low >= target else False if high < target else None
    return {
        "tokens": float(ratio(sums.sum(axis=0), 0)), "interval": [float(low), float(high)],
        "targets": float(ratio(sums.sum(axis=0), 1)), "rounds": len(sums), "holds": holds,
    }  # fmt: skip


def main(argv: list[str]) -> None:
    options = _options(argv)
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    import torch

    cuda = torch.cuda.is_available()
    clock = "wall" if cuda else "cpu"
    parts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        pythons = {"ours": sys.executable, "trl": sys.executable}
        if options.python:
            pythons["llamafactory"] = str(options.python)
        for name, target in (("same", SAME), ("defaults", DEFAULTS), ("memory", 0.0)):
            if options.only not in (None, name):
                continue
            setup = _setup(name, options, cuda)
            place = work / name
            configs = prepare(setup, rows_of(options.rows), place, pythons)
            try:
                if name == "memory":
                    parts[name] = memory(setup, configs, pythons, options.repeats) | {"setup": vars(setup)}
                    continue
                measured = measure(setup, configs, pythons, options.apart)
            except SystemExit:
                for log in place.glob("*.log"):
                    print(log.name, log.read_text(encoding="utf-8", errors="replace")[-3000:], file=sys.stderr)
                raise
            parts[name] = found_of(measured, clock, target) | {"setup": vars(setup)}
    load = os.getloadavg()
    parts = {name: part | {"load": load} for name, part in parts.items()}
    found = {"about": _about(options, clock, torch), "parts": _before(options.out) | parts}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "train.json").write_text(json.dumps(found, indent=1, default=str) + "\n", encoding="utf-8")
    text = "\n".join(page(found)) + "\n"
    (options.out / "train.md").write_text(text, encoding="utf-8")
    print(text)


def _before(out: Path) -> dict[str, Any]:
    """The parts that were measured before, where only one is measured now."""
    place = out / "train.json"
    return dict(json.loads(place.read_text(encoding="utf-8"))["parts"]) if place.is_file() else {}


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench train", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, help="of LLaMA-Factory's environment; without it it is left out")
    parser.add_argument("--rows", type=Path, help="question and answer, or prompt and completion, JSONL, perhaps .gz")
    parser.add_argument(
        "--shape", default="", choices=("", "tiny", "1b", "3b", "8b"), help="random weights; else SmolLM2"
    )
    parser.add_argument("--method", default="lora", choices=("lora", "full"))
    parser.add_argument("--only", choices=("same", "defaults", "memory"))
    parser.add_argument("--repeats", type=int, default=5, help="processes of each trainer, of the part on memory")
    parser.add_argument("--steps", type=int, default=0, help="rounds that count, of each part")
    parser.add_argument("--length", type=int, default=0, help="tokens of a row at most, of each part")
    parser.add_argument("--micro-batch", type=int, default=0, help="rows of a forward pass, of each part")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--apart", action="store_true", help="one trainer after the other")
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    return parser.parse_args(argv)


def _setup(name: str, options: argparse.Namespace, cuda: bool) -> Setup:
    same = name != "defaults"
    cpu, gpu = {True: (60, 96, 2), False: (24, 512, 4)}, {True: (60, 1024, 4), False: (60, 2048, 8)}
    steps, length, micro = (gpu if cuda else cpu)[same]
    steps = _FEW if name == "memory" else steps
    return Setup(
        same=same, shape=options.shape, method=options.method, cuda=cuda, steps=options.steps or steps,
        warm=3 if same else 1, length=options.length or length, micro_batch=options.micro_batch or micro,
        accumulation=1, eval_rows=8,
    )  # fmt: skip


def _about(options: argparse.Namespace, clock: str, torch: Any) -> dict[str, Any]:
    packages = ("doneness", "torch", "transformers", "trl", "peft")
    device = torch.cuda.get_device_name() if clock == "wall" else "CPU"
    return {
        "device": device, "threads": options.threads, "cores": os.cpu_count(), "clock": clock,
        "rows": options.rows.name if options.rows else "demo", "python": platform.python_version(),
        **{name: version(name) for name in packages}, "llamafactory": _theirs(options.python),
    }  # fmt: skip


def _theirs(python: Path | None) -> str:
    if python is None:
        return "not measured"
    names = ("llamafactory", "transformers", "trl", "peft", "torch")
    code = f"from importlib.metadata import version; print(*(n + ' ' + version(n) for n in {names}), sep=', ')"
    return subprocess.run([str(python), "-c", code], capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main(sys.argv[1:])
