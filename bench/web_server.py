"""A server in a process of its own, and what it costs; runs to serve."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

PATIENCE = 600.0
SHAPES = ("learning", "flat", "rising", "noisy", "short")


@dataclass
class Running:
    """A server that listens."""

    pid: int
    port: int

    def get(self, target: str) -> tuple[bytes, float]:
        """The body, and the seconds until all of it was there."""
        began = time.perf_counter()
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        line.request("GET", target)
        answer = line.getresponse()
        body = answer.read()
        line.close()
        if answer.status != 200:
            raise RuntimeError(f"{target}: {answer.status} {body[:200]!r}")
        return body, time.perf_counter() - began

    def rows(self) -> list[dict[str, Any]]:
        """The list, once all of it was judged."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            found = json.loads(self.get("/api/runs")[0])
            if not found["scanning"] and found["runs"] and all(row["verdict"] for row in found["runs"]):
                return list(found["runs"])
            time.sleep(0.2)
        raise TimeoutError("not all runs were judged")

    def processes(self) -> list[int]:
        """The server and its workers."""
        told = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        return [self.pid, *map(int, told)]

    def cpu(self) -> dict[int, float]:
        """Seconds of processor time so far, by process."""
        ticks = os.sysconf("SC_CLK_TCK")
        found = {}
        for pid in self.processes():
            told = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            found[pid] = (int(told[11]) + int(told[12])) / ticks
        return found

    def memory(self) -> float:
        """Megabytes of the server and its workers; what they share counts once."""
        total = 0
        for pid in self.processes():
            told = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.findall(r"^Pss:\s+(\d+) kB", told, re.M)[0])
        return total / 1024


@contextmanager
def server(folder: Path, home: Path, keep: bool = True) -> Iterator[Running]:
    """`doneness serve`; its cache lies under `home`."""
    command = [sys.executable, "-m", "doneness", "serve", str(folder), "--port", "0", *([] if keep else ["--no-cache"])]
    told = {**os.environ, "COLUMNS": "300", "XDG_CACHE_HOME": str(home), "DONENESS_LANG": "en"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=told)
    assert process.stdout is not None
    try:
        port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
        yield Running(process.pid, port)
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def write_runs(folder: Path, count: int, steps: int = 200) -> None:
    """`count` runs of ours, of five shapes and many settings, each with an evaluation every tenth step."""
    for number in range(count):
        chance, shape = np.random.default_rng(number), SHAPES[number % len(SHAPES)]
        last = steps // 8 if shape == "short" else steps
        recipe = {"optimizer": {"learning_rate": 1e-5 * (1 + number % 20)}, "run": {"seed": number % 7}}
        lines = [_line("start", 0, meta={"planned_steps": last, "recipe": recipe, "steps_per_epoch": 50})]
        noise = chance.normal(0, 0.2 if shape == "noisy" else 0.04, last + 1).tolist()
        for step in range(1, last + 1):
            place = {"epoch": step / 50, "tokens": 4000 * step, "targets": 900 * step, "time": 0.8 * step}
            loss = value(shape, step)
            lines.append(_line("train", step, loss=loss + noise[step], learning_rate=1e-4, grad_norm=1.0, **place))
            if step % 10 == 0:
                told = loss + 0.05 + 0.02 * noise[step]
                lines.append(_line("eval", step, name="eval", loss=told, examples=200, **place))
        lines.append(_line("end", last, reason="finished"))
        home = folder / f"sweep-{number // 100:02d}" / f"run-{number:04d}"
        home.mkdir(parents=True)
        (home / "journal.jsonl").write_text("".join(lines))


def _line(kind: str, step: int, **data: Any) -> str:
    """A record as the journal has it."""
    return json.dumps({"v": 1, "kind": kind, "step": step, "at": "2026-01-01T00:00:00.000+00:00", **data}) + "\n"


def value(shape: str, step: int) -> float:
    """The loss without its noise."""
    if shape == "flat":
        return 1.5 + float(np.exp(-step / 15))
    rise = 0.004 * max(0, step - 80) if shape == "rising" else 0.0
    return float(1.2 + 2.0 * step**-0.3 + rise)
