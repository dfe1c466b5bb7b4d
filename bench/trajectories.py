"""Record real runs: ten short trainings of SmolLM2-135M on medical rows, with their per-example losses.

    python -m bench.trajectories --data FOLDER            # whatever is not there yet
    python -m bench.trajectories --data FOLDER NAME …     # these, if they are not there yet

Our own trainer trains each run to its planned end: the rule is noted, not obeyed. Of each run stay the
journal's rows of training and evaluation and the losses of every evaluation row, as 32-bit floats: about
150 kB, in the layout of a run folder, so that `doneness.read` reads it. No text of the data is kept: a row
has the id that its source gave it, or its line in the source's file. FOLDER holds the source files that
`bench/trajectory_rows.py` names. A run that a recording was killed in is begun again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from bench.trajectory_rows import SOURCES, write_rows
from doneness.config import Recipe, build_recipe

HOME = Path(__file__).with_name("trajectories")
_SYSTEM = "You are a careful medical assistant."
_KEPT = ("start", "train", "eval", "end")
_OF_EVERY_ANSWER = ("first", "rest", "end")  # spans that every answer has; half of a file, and no rule asks for them


@dataclass(frozen=True)
class Wanted:
    """A run to be recorded: which rows, how many, and how it is trained.

    Attributes:
        source: a name in `trajectory_rows.SOURCES`.
        train, held_out: rows; no question of one stands in the other.
        steps, batch, every: optimizer steps, rows a step, and steps between evaluations.
        rate, kind, method: of the learning rate its peak and its schedule; "lora" or "full".
        seed: of order and adapters; the rows are the same for all.
    """

    source: str
    train: int
    held_out: int
    steps: int
    batch: int
    every: int
    rate: float
    kind: str = "constant"
    method: str = "lora"
    seed: int = 1

    def recipe(self, folder: Path, rows: Path, model: Path) -> Recipe:
        """The recipe that our trainer is given; `model` is the folder of the model."""
        return build_recipe(
            {
                "run": {"folder": str(folder), "seed": self.seed, "threads": 1},
                "model": {"path": str(model), "dtype": "float32", "device": "cpu"},
                "method": {"kind": self.method, "rank": 8, "alpha": 16},
                "data": {
                    "train": str(rows / "train.jsonl"),
                    "eval": str(rows / "eval.jsonl"),
                    "max_length": 192,
                    "system": _SYSTEM,
                },
                "optimizer": {"learning_rate": self.rate, "batch_size": self.batch, "micro_batch": self.batch},
                "schedule": {"kind": self.kind, "max_steps": self.steps},
                "evaluation": {"every": self.every, "batch_size": 16, "spans": list(SOURCES[self.source].spans)},
                "stopping": {"on_stop": "note", "enabled": False},
                "checkpoints": {"with_evaluations": False},
            }
        )


_FEW = Wanted("medquad", train=32, held_out=40, steps=54, batch=4, every=3, rate=2e-3)
RUNS: dict[str, Wanted] = {
    "few-rows-lora-1": _FEW,
    "one-pass-conclusions": Wanted("conclusions", 240, 40, steps=120, batch=2, every=6, rate=2e-4),
    "few-rows-full": replace(_FEW, train=24, rate=1e-4, method="full"),
    "small-batch-conclusions": Wanted("conclusions", 100, 24, steps=100, batch=2, every=5, rate=2e-3, seed=4),
    "linear-decay": Wanted("medquad", 120, 40, steps=120, batch=2, every=6, rate=5e-4, kind="linear"),
    "chinese": Wanted("chinese", 48, 32, steps=54, batch=4, every=3, rate=1e-3, kind="cosine"),
    "few-rows-lora-2": replace(_FEW, seed=2),
    "few-rows-lora-3": replace(_FEW, seed=3),
    "small-batch-labels": Wanted("labels", 100, 32, steps=100, batch=2, every=5, rate=1e-3, seed=5),
    "one-pass-low-rate": Wanted("medquad", 200, 40, steps=100, batch=2, every=5, rate=1e-4),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.trajectories", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(RUNS))
    parser.add_argument("--data", type=Path, required=True, help="folder of the source files")
    parser.add_argument("--work", type=Path, default=Path("/tmp/doneness-trajectories"), help="for what is not kept")
    parser.add_argument("--out", type=Path, default=HOME)
    options = parser.parse_args()
    for name in options.names or list(RUNS):
        if (options.out / name / "journal.jsonl").is_file():
            print(f"{name}: there already", flush=True)
            continue
        begun = time.monotonic()
        record(name, RUNS[name], options.data, options.work)
        kept = keep(options.work / name, options.out / name)
        print(f"{name}: {kept / 1e3:.0f} kB in {time.monotonic() - begun:.0f} s", flush=True)


def record(name: str, wanted: Wanted, data: Path, work: Path) -> None:
    """Train one run to its end in `work`/name."""
    from doneness.models import demo_model
    from doneness.workflows.train import train_run

    folder = work / name
    shutil.rmtree(folder, ignore_errors=True)
    rows = work / f"{name}-rows"
    model = demo_model()
    write_rows(wanted.source, wanted.train, wanted.held_out, data, rows, model)
    with no_checkpoints():
        train_run(wanted.recipe(folder, rows, model), Printer(name))


@contextmanager
def no_checkpoints() -> Iterator[None]:
    """The trainer makes an empty folder where it would write a checkpoint: nobody will ask these models anything."""
    from doneness.train.evidence import Evidence

    def empty(self: Any, model: Any, trial: Any) -> None:
        (Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}").mkdir(exist_ok=True)

    with mock.patch.object(Evidence, "_save_checkpoint", empty):
        yield


class Printer:
    """A line for each evaluation."""

    def __init__(self, name: str) -> None:
        self.name = name

    def began(self, step: int, total: int) -> None:
        print(f"{self.name}: {total} steps", flush=True)

    def trained(self, record: dict[str, Any]) -> None:
        pass

    def evaluated(self, record: dict[str, Any], decision: object) -> None:
        print(
            f"  step {record['step']:4d}  loss {record['loss']:.4f}  tokens {record['tokens']:6d}  "
            f"{record['time']:.0f} s",
            flush=True,
        )

    def scoring(self, step: int, done: int, total: int) -> None:
        pass

    def cooling(self, step: int, end: int) -> None:
        pass

    def interrupted(self) -> None:
        pass


def keep(run: Path, place: Path) -> int:
    """Copy what is kept of a finished run; its size in bytes. The journal comes last: with it the run is whole."""
    shutil.rmtree(place, ignore_errors=True)
    (place / "evals").mkdir(parents=True)
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text(encoding="utf-8").splitlines()]
    kept = [cleaned(line) for line in lines if line["kind"] in _KEPT]
    for path in sorted((run / "evals").iterdir()):
        with np.load(path) as found:
            columns = {name: found[name] for name in found.files if not _left_out(name)}
        for name, values in columns.items():
            if values.dtype.kind == "f":
                columns[name] = values.astype(np.float32)
            elif name != "step" and values.dtype.kind == "i":
                columns[name] = values.astype(np.int32)
        np.savez_compressed(place / "evals" / path.name, **columns)
    text = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in kept)
    (place / "journal.jsonl").write_text(text, encoding="utf-8")
    return sum(file.stat().st_size for file in place.rglob("*") if file.is_file())


def _left_out(column: str) -> bool:
    return column.startswith(tuple(f"span.{name}." for name in _OF_EVERY_ANSWER))


def cleaned(line: dict[str, Any]) -> dict[str, Any]:
    """A record without the places of this machine, and without spans whose losses are left out."""
    if line["kind"] == "eval":
        spans = {name: of for name, of in line["spans"].items() if name not in _OF_EVERY_ANSWER}
        return {**line, "spans": spans}
    if line["kind"] != "start":
        return line
    meta = dict(line["meta"])
    recipe = {section: dict(values) for section, values in meta["recipe"].items()}
    for section, key in (("run", "folder"), ("model", "path"), ("data", "train"), ("data", "eval")):
        recipe[section][key] = Path(recipe[section][key]).name
    return {**line, "meta": {**meta, "recipe": recipe, "model": Path(meta["model"]).name}}


if __name__ == "__main__":
    main()
