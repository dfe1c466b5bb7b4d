"""What the callback costs: step time and peak memory with everything on against none at all.

    python -m bench overhead                 # 8 to 10 minutes on two quiet cores
    python -m bench overhead --steps 20 --evaluate 10 --length 24 --eval-rows 4 --repeat 0 --out /tmp/overhead.json

Two Trainers with the same SmolLM2-135M, adapters, rows and order stand in one process and take turns, step by step:
with the callback first at one step, without it first at the next. So both do the same work under the same load of
the machine. Steps accumulate two micro-batches, so that the gradient noise scale is measured, with its hook on every
parameter; spans are on, so that the target of every evaluation row is decoded once and summed apart. Every block
holds ten steps: one row of logs and one measurement of training health. The ratio is the time of all blocks with the
callback over that of their twins, its upper bound a bootstrap over blocks. Evaluations are taken out of the steps and
timed apart, the Trainer's own part and ours in them, with an interval of their own over pairs; the first, in which
the rows are decoded, counts. Peak memory is that of child processes which train with the callback and without, in
turn. A machine that does other work gives wide bounds.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import platform
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.large import measured

BLOCK = 10  # steps: the Trainer's default of logging_steps is 500, ten is what people set
MOST_TIME, MOST_MEMORY = 0.02, 0.01
_BATCH, _ACCUMULATION, _ROWS = 1, 2, 160
_SPANS = ("long=/[a-z]{9,}/", "number=/[0-9]+/")
_FEWEST = 5  # blocks; of fewer a bound says less than it seems to
_DRAWS = 10_000


@dataclass(frozen=True)
class Sizes:
    """Rows of the evaluation, and tokens of every row."""

    eval_rows: int = 32
    length: int = 96


@dataclass
class Turns:
    """Who may go on; the others wait."""

    whose: str = ""
    changed: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, name: str) -> None:
        with self.changed:
            self.changed.wait_for(lambda: self.whose == name)

    def give(self, name: str) -> None:
        with self.changed:
            self.whose = name
            self.changed.notify_all()


@dataclass
class Times:
    """Seconds of each step, wall and CPU, evaluations taken out; and of each evaluation."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    evaluations: list[float] = field(default_factory=list)
    apart: tuple[float, float] = (0.0, 0.0)  # of evaluations since the step began
    begun: tuple[float, float] | None = None

    def start(self) -> None:
        self.apart, self.begun = (0.0, 0.0), (time.perf_counter(), time.process_time())

    def end(self) -> None:
        if self.begun is not None:
            self.wall.append(time.perf_counter() - self.begun[0] - self.apart[0])
            self.cpu.append(time.process_time() - self.begun[1] - self.apart[1])
        self.begun = None


def everything_on(callback: Callable[..., Any]) -> dict[str, Any]:
    """The callback's options, every switch and spans on; numbers and rules as they are by default."""
    options = inspect.signature(callback).parameters
    switches: dict[str, Any] = {name: True for name, option in options.items() if isinstance(option.default, bool)}
    return switches | {"on_stop": "note"} | ({"spans": _SPANS} if "spans" in options else {})


def rows_of(tokenizer: Any, name: str, count: int, length: int) -> list[dict[str, list[int]]]:
    """Rows of the demo, joined and cut to one length, so that every step is the same work."""
    from importlib import resources

    from doneness.data import read_rows
    from doneness.models import encode_rows

    source = resources.files("doneness.data") / "demo" / "en" / name
    ids: list[int] = []
    labels: list[int] = []
    found = []
    for row in encode_rows(tokenizer, read_rows(Path(str(source))).rows, 1024).rows:
        begin = len(row.ids) - row.targets
        ids, labels = [*ids, *row.ids], [*labels, *[-100] * begin, *row.ids[begin:]]
        if len(ids) >= length:
            # The end, where the last row's answer is.
            found.append({"input_ids": ids[-length:], "attention_mask": [1] * length, "labels": labels[-length:]})
            ids, labels = [], []
    return found[:count]


def trainer(folder: Path, steps: int, times: Times | None, every: int, sizes: Sizes, with_callback: bool) -> Any:
    """A transformers Trainer with adapters on SmolLM2, on rows of the demo; `times` takes those of its evaluations."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import PrinterCallback, Trainer, TrainingArguments

    from doneness.integrations import DonenessCallback
    from doneness.models import demo_model, load_model

    torch.manual_seed(0)
    loaded = load_model(str(demo_model()), dtype="float32", device="cpu")
    times = times or Times()

    class Timed(Trainer):  # type: ignore[misc]
        def evaluate(self, *args: Any, **kwargs: Any) -> Any:
            wall, cpu = time.perf_counter(), time.process_time()
            found = super().evaluate(*args, **kwargs)
            took = time.perf_counter() - wall
            times.evaluations.append(took)
            times.apart = (times.apart[0] + took, times.apart[1] + time.process_time() - cpu)
            return found

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=_BATCH,
        gradient_accumulation_steps=_ACCUMULATION,
        per_device_eval_batch_size=8,
        learning_rate=2e-4,
        logging_steps=BLOCK,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="no",
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        seed=0,
    )
    model = get_peft_model(loaded.model, LoraConfig(r=8, lora_alpha=16, target_modules="all-linear"))
    made = Timed(
        model=model,
        args=arguments,
        train_dataset=rows_of(loaded.tokenizer, "train.jsonl", _ROWS, sizes.length),
        eval_dataset=rows_of(loaded.tokenizer, "eval.jsonl", sizes.eval_rows, sizes.length),
        processing_class=loaded.tokenizer,
        callbacks=[DonenessCallback(folder / "doneness", **everything_on(DonenessCallback))] if with_callback else [],
    )
    made.remove_callback(PrinterCallback)
    return made


def first_at(step: int) -> str:
    """Which of the two is first at a step; 0 is what comes before the first."""
    return "with" if step == 0 or step % 2 else "without"


def side_by_side(folder: Path, steps: int, every: int, sizes: Sizes) -> dict[str, Times]:
    """Both Trainers' times, from a run in which they take turns."""
    from transformers import TrainerCallback

    turns, times = Turns(), {"with": Times(), "without": Times()}
    failed: list[BaseException] = []

    class TakesTurns(TrainerCallback):  # type: ignore[misc]
        def __init__(self, name: str, other: str) -> None:
            self.name, self.other = name, other

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            # The step before ends here: what the Trainer and the callback did after it belongs to it.
            times[self.name].end()
            self._pass_on(int(state.global_step))
            turns.wait(self.name)
            times[self.name].start()

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            times[self.name].end()

        def _pass_on(self, step: int) -> None:
            # Whoever was second at this step is first at the next; before the first, both get ready in turn.
            mine = first_at(step) == self.name
            turns.give(self.other if mine else first_at(step + 1))

    def train(name: str, made: Any) -> None:
        try:
            turns.wait(name)
            made.train()
        except BaseException as error:
            failed.append(error)
        finally:
            turns.give("without" if name == "with" else "with")

    made = {name: trainer(folder / name, steps, times[name], every, sizes, name == "with") for name in times}
    for name, each in made.items():
        each.add_callback(TakesTurns(name, "without" if name == "with" else "with"))
    threads = [threading.Thread(target=train, args=pair) for pair in made.items()]
    for thread in threads:
        thread.start()
    turns.give("with")
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return times


def ratio(these: list[float], those: list[float]) -> dict[str, Any]:
    """Time of all blocks over that of their twins, less one, with its 95 % interval and one-sided upper bound."""
    blocks = [_blocks(times) for times in (these, those)]
    return {
        "blocks": int(blocks[0].size),
        "seconds_a_step": float(blocks[1].mean()) / BLOCK,
        **more(blocks[0], blocks[1]),
        "median_block": float(median(blocks[0] / blocks[1])) - 1.0,
    }


def more(these: NDArray[np.float64], those: NDArray[np.float64]) -> dict[str, Any]:
    """The sum of some times over that of their twins, less one; a bootstrap draws pairs."""
    drawn = np.random.default_rng(0).integers(0, these.size, size=(_DRAWS, these.size))
    draws = these[drawn].sum(axis=1) / those[drawn].sum(axis=1) - 1.0
    low, high = np.quantile(draws, (0.025, 0.975))
    return {
        "more": float(these.sum() / those.sum()) - 1.0,
        "interval": [float(low), float(high)],
        "upper": float(np.quantile(draws, 0.95)),
    }


def evaluations(these: list[float], those: list[float]) -> dict[str, Any]:
    """The same of evaluations, the first among them; seconds besides."""
    ours, theirs = np.asarray(these, dtype=np.float64), np.asarray(those, dtype=np.float64)
    found = {"pairs": int(ours.size), "with_s": median(these), "without_s": median(those)}
    return (
        found
        | {"more_s": float((ours - theirs).mean()), "first_more_s": float(ours[0] - theirs[0])}
        | more(ours, theirs)
    )


def _blocks(times: list[float]) -> NDArray[np.float64]:
    # The first block warms up: compiled code, caches, the optimizer's state.
    steps = np.asarray(times[: len(times) // BLOCK * BLOCK], dtype=np.float64)
    whole: NDArray[np.float64] = steps.reshape(-1, BLOCK).sum(axis=1)
    return whole[1:] if whole.size > 1 else whole


def memory(steps: int, repeat: int, sizes: Sizes) -> dict[str, Any]:
    """Peak memory of child processes in MB, with and without in turn; medians are compared."""
    peaks: dict[str, list[float]] = {"with": [], "without": []}
    for number in range(repeat):
        for how in ("with", "without") if number % 2 else ("without", "with"):
            command = [sys.executable, "-W", "ignore", "-m", "bench.overhead", "--child", how, "--steps", str(steps)]
            command += ["--length", str(sizes.length), "--eval-rows", str(sizes.eval_rows)]
            peaks[how].append(measured(command, dict(os.environ))[2])
    share = median(peaks["with"]) / median(peaks["without"]) - 1.0
    return {"peak_mb": peaks, "more": share, "holds": share <= MOST_MEMORY}


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench overhead", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=80, help="of each Trainer")
    parser.add_argument("--evaluate", type=int, default=16, help="steps between evaluations")
    parser.add_argument("--repeat", type=int, default=2, help="child processes of each kind; 0 leaves memory out")
    parser.add_argument("--length", type=int, default=Sizes.length, help="tokens of a row")
    parser.add_argument("--eval-rows", type=int, default=Sizes.eval_rows)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only-memory", action="store_true", help="measure memory alone, and put it into --out")
    parser.add_argument("--child", choices=("with", "without"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path("bench/results/overhead.json"))
    options = parser.parse_args(argv)
    # Threads that spin while they wait make steps ten times slower on a busy machine.
    os.environ.update({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "0", "TOKENIZERS_PARALLELISM": "false"})
    import torch

    torch.set_num_threads(options.threads)
    sizes = Sizes(options.eval_rows, options.length)
    if options.only_memory:
        found = json.loads(options.out.read_text(encoding="utf-8"))
        found["memory"] = memory(BLOCK, options.repeat, sizes)
        print("\n".join(lines(found)))
        options.out.write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.child:
            every = max(1, options.steps // 2)
            trainer(Path(folder), options.steps, None, every, sizes, options.child == "with").train()
            return
        times = side_by_side(Path(folder), options.steps, options.evaluate, sizes)
    found = measure(times, options, sizes)
    print("\n".join(lines(found)))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")


def measure(times: dict[str, Times], options: argparse.Namespace, sizes: Sizes) -> dict[str, Any]:
    """Ratios, evaluations and memory."""
    wall, cpu = (ratio(getattr(times["with"], k), getattr(times["without"], k)) for k in ("wall", "cpu"))
    from doneness.integrations import DonenessCallback

    packages = ("doneness", "torch", "transformers", "peft")
    return {
        "about": {"python": platform.python_version(), "cores": os.cpu_count(), "threads": options.threads,
                  "load": os.getloadavg(), **{name: version(name) for name in packages}},
        "callback": everything_on(DonenessCallback),
        "steps": options.steps,
        "work": {"batch": _BATCH, "accumulation": _ACCUMULATION, "length": sizes.length},
        "wall": wall | {"holds": _holds(wall)},
        "cpu": cpu | {"holds": _holds(cpu)},
        "evaluation": {"rows": sizes.eval_rows}
        | evaluations(times["with"].evaluations, times["without"].evaluations),
        "memory": memory(BLOCK, options.repeat, sizes) if options.repeat else None,
    }  # fmt: skip


def _holds(found: dict[str, Any]) -> bool | None:
    """Whether the bound is kept; None where there are too few blocks to tell."""
    return bool(found["upper"] <= MOST_TIME) if found["blocks"] >= _FEWEST else None


def _word(holds: bool | None) -> str:
    return "too few blocks to tell" if holds is None else "holds" if holds else "missed"


def lines(found: dict[str, Any]) -> list[str]:
    """The results, a line each."""
    shown = []
    for kind in ("wall", "cpu"):
        of = found[kind]
        shown.append(
            f"step, {kind:4}  {of['more']:+.2%} (95 % {of['interval'][0]:+.2%} to {of['interval'][1]:+.2%}), "
            f"upper bound {of['upper']:+.2%} of {of['seconds_a_step']:.2f} s, {of['blocks']} pairs of blocks; "
            f"at most {MOST_TIME:.0%}: {_word(of['holds'])}"
        )
    of = found["evaluation"]
    shown.append(
        f"evaluation  {of['more']:+.2%} (95 % {of['interval'][0]:+.2%} to {of['interval'][1]:+.2%}), upper bound "
        f"{of['upper']:+.2%}; {of['more_s']:+.3f} s on {of['without_s']:.2f} s, the first {of['first_more_s']:+.3f} s; "
        f"{of['rows']} rows, {of['pairs']} pairs"
    )
    if found["memory"]:
        of = found["memory"]
        peaks = ", ".join(f"{name} {median(mb):.0f} MB" for name, mb in of["peak_mb"].items())
        shown.append(f"memory      {of['more']:+.2%} ({peaks}); at most {MOST_MEMORY:.0%}: {_word(of['holds'])}")
    return shown


if __name__ == "__main__":
    main(sys.argv[1:])
