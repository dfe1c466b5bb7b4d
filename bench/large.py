"""How long a million rows take: reading and diagnosing, in wall time, CPU time and memory.

    python -m bench large

Three logs are written into a temporary folder: a `trainer_state.json` and a JSONL of a million
training rows each (loss, grad_norm, learning_rate, epoch, step) with an evaluation row after every
thousand, and a TensorBoard file of a million steps whose record holds loss, gradient norm and
learning rate. Each is read and diagnosed in a process of its own, as a library and by `doneness
check`; wall time and CPU time include the start of Python.

An installed package comes with its modules compiled. The processes keep theirs in the temporary
folder, whatever the environment says of writing bytecode, and a first run, which is not measured,
writes them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from doneness.runs.readers.tfrecord import masked_crc

Bytes = NDArray[np.uint8]
EVERY = 1000  # training rows between evaluations
BATCH = 100_000
LIMITS = {"trainer_state.json": 3.0, "rows.jsonl": 3.0, "events.out.tfevents.1.host": 10.0}
MOST_MB = 1000.0
_LIBRARY = """
import sys
import doneness
for run in doneness.read(sys.argv[1]):
    doneness.diagnose(run)
"""


def losses(count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A power law with noise, and gradient norms."""
    chance = np.random.default_rng(0)
    step = np.arange(1, count + 1)
    return 1.2 + 2.0 * step**-0.15 + chance.normal(0, 0.05, count), 1.0 + chance.gamma(2.0, 0.2, count)


def rows(count: int, separator: str) -> Iterator[str]:
    """JSON rows as the Trainer writes them, a batch of text at a time."""
    loss, norm = losses(count)
    batch: list[str] = []
    for step in range(1, count + 1):
        rate, epoch = 2e-4 * (1 - step / (count + 1)), step * 3 / count
        batch.append(
            f'{{"epoch": {epoch:.6f}, "grad_norm": {norm[step - 1]!s}, "learning_rate": {rate!r}, '
            f'"loss": {loss[step - 1]:.4f}, "step": {step}}}'
        )
        if step % EVERY == 0:
            batch.append(
                f'{{"epoch": {epoch:.6f}, "eval_loss": {1.25 + 2.0 * step**-0.15:.6f}, "eval_runtime": 12.5, '
                f'"eval_samples_per_second": 80.1, "eval_steps_per_second": 10.0, "step": {step}}}'
            )
        if step % EVERY == 0 or step == count:
            yield separator.join(batch) + ("" if step == count else separator)
            batch = []


def write_state(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as handle:
        handle.write(f'{{\n  "best_metric": null,\n  "epoch": 3.0,\n  "global_step": {count},\n  "log_history": [\n')
        for text in rows(count, ",\n"):
            # As json.dumps(indent=2) writes it: every key on a line of its own.
            handle.write(text.replace("{", "    {\n      ").replace("}", "\n    }").replace(', "', ',\n      "'))
        handle.write(f'\n  ],\n  "max_steps": {count},\n  "num_train_epochs": 3,\n  "train_batch_size": 8\n}}\n')


def write_lines(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as handle:
        for text in rows(count, "\n"):
            handle.write(text)
        handle.write("\n")


def write_events(path: Path, count: int) -> None:
    """One record a step with three values, and one with the evaluation loss after every thousand."""
    loss, norm = losses(count)
    step = np.arange(1, count + 1)
    train = {"train/loss": loss, "train/grad_norm": norm, "train/learning_rate": 2e-4 * (1 - step / (count + 1))}
    with path.open("wb") as handle:
        handle.write(framed(np.frombuffer(b"\x09" + struct.pack("<d", 1e9) + b"\x1a\x0dbrain.Event:2", np.uint8)[None]))
        for first in range(0, count, EVERY):
            part = slice(first, first + EVERY)
            # Steps of different widths make records of different lengths.
            for width in np.unique(widths(step[part])):
                chosen = np.flatnonzero(widths(step[part]) == width) + first
                handle.write(framed(records(step[chosen], {k: v[chosen] for k, v in train.items()}, int(width))))
            last = step[part][-1:]
            values = {"eval/loss": 1.25 + 2.0 * last**-0.15}
            handle.write(framed(records(last, values, int(widths(last)[0]))))


def widths(step: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many bytes each step takes as a varint."""
    return 1 + np.searchsorted([128, 128**2, 128**3], step, side="right")


def records(step: NDArray[np.int64], values: Mapping[str, NDArray[np.floating]], width: int) -> Bytes:
    """Events of one length, one a row: wall time, step, and a summary of scalars."""
    n = step.size
    parts = [fixed(b"\x09", n), (1e9 + 0.5 * step).astype("<f8").view(np.uint8).reshape(n, 8), fixed(b"\x10", n)]
    for place in range(width):
        more = 0x80 if place < width - 1 else 0
        parts.append((((step >> (7 * place)) & 0x7F) | more).astype(np.uint8)[:, None])
    inside: list[Bytes] = []
    for tag, value in values.items():
        name = b"\x0a" + bytes([len(tag)]) + tag.encode()
        inside.append(fixed(b"\x0a" + bytes([len(name) + 5]) + name + b"\x15", n))
        inside.append(value.astype("<f4").view(np.uint8).reshape(n, 4))
    summary = np.hstack(inside)
    return np.hstack([*parts, fixed(b"\x2a" + bytes([summary.shape[1]]), n), summary])


def fixed(content: bytes, count: int) -> Bytes:
    return np.tile(np.frombuffer(content, dtype=np.uint8), (count, 1))


def framed(data: Bytes) -> bytes:
    """Records of one length, shape (n, width), as TFRecord frames."""
    n, width = data.shape
    length = fixed(struct.pack("<Q", width), n)
    sums = [masked_crc(part).astype("<u4").view(np.uint8).reshape(n, 4) for part in (length, data)]
    return np.hstack([length, sums[0], data, sums[1]]).tobytes()


WRITERS: dict[str, Callable[[Path, int], None]] = {
    "trainer_state.json": write_state,
    "rows.jsonl": write_lines,
    "events.out.tfevents.1.host": write_events,
}


_EVERY = 0.02  # seconds between two looks at a child's memory


def compiled_in(folder: Path) -> dict[str, str]:
    """An environment whose Python keeps compiled modules in `folder`."""
    kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPYCACHEPREFIX": str(folder)}


def measured(command: list[str], environment: Mapping[str, str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak memory in MB of a process."""
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment)
    own = _own_peak(process.pid)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - begun
    if process.returncode:
        raise RuntimeError(f"{command}: exit code {process.returncode}")
    return wall, usage.ru_utime + usage.ru_stime, own or peak_mb(usage)


def _own_peak(pid: int) -> float | None:
    """Peak memory in MB of a running process until it ends; None where /proc does not tell it.

    What wait4 tells of a child begins, on Linux, at the size of its parent: beside a large parent it says nothing.
    """
    place, peak = Path(f"/proc/{pid}/status"), None
    while True:
        try:
            told = place.read_text(encoding="ascii", errors="replace")
        except OSError:
            return peak
        lines = dict(line.partition(":")[::2] for line in told.splitlines())
        if "VmHWM" not in lines:  # it has ended, or there is no such line
            return peak
        peak = int(lines["VmHWM"].split()[0]) * 1024 / 1e6
        time.sleep(_EVERY)


def peak_mb(usage: resource.struct_rusage) -> float:
    """Peak memory; macOS counts bytes, Linux kilobytes."""
    return usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench large", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--repeat", type=int, default=3, help="the least of so many runs counts")
    parser.add_argument("--out", default="bench/results/large.json")
    options = parser.parse_args(argv)
    found: list[dict[str, object]] = []
    print(f"{'log':28} {'size':>8} {'how':8} {'wall':>7} {'CPU':>7} {'peak':>8} {'limit':>7}")
    with tempfile.TemporaryDirectory() as folder:
        environment = compiled_in(Path(folder) / "bytecode")
        for name, write in WRITERS.items():
            path = Path(folder) / name
            write(path, options.rows)
            for how, start in (("library", ["-c", _LIBRARY]), ("check", ["-m", "doneness", "check"])):
                command = [sys.executable, *start, str(path)]
                measured(command, environment)  # writes the bytecode
                wall, cpu, peak = min(measured(command, environment) for _ in range(options.repeat))
                found.append(
                    {
                        "log": name,
                        "rows": options.rows,
                        "megabytes": round(path.stat().st_size / 1e6, 1),
                        "how": how,
                        "wall_s": round(wall, 2),
                        "cpu_s": round(cpu, 2),
                        "peak_mb": round(peak),
                        "limit_s": LIMITS[name],
                        "holds": wall < LIMITS[name] and peak < MOST_MB,
                    }
                )
                print(
                    f"{name:28} {path.stat().st_size / 1e6:5.0f} MB {how:8} {wall:5.2f} s {cpu:5.2f} s "
                    f"{peak:5.0f} MB {LIMITS[name]:5.0f} s",
                    flush=True,
                )
            path.unlink()
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"machine": {"cores": os.cpu_count()}, "rows": found}, indent=1) + "\n")
