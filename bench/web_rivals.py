"""TensorBoard on the same losses: how long until it hands them out, and what it takes."""

from __future__ import annotations

import argparse
import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from bench.large import write_events
from bench.web_browser import opened


def tensorboard(place: Path, options: argparse.Namespace, chromium: Any) -> dict[str, Any]:
    """Seconds from its start to its interface answering, to the run's loss handed out, and to its page painting."""
    logs = place / "events"
    (logs / "million").mkdir(parents=True)
    write_events(logs / "million" / "events.out.tfevents.1.host", options.points)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [options.rival_python, "-m", "tensorboard.main", "--logdir", str(logs), "--port", str(port)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        base = f"http://127.0.0.1:{port}"
        told: dict[str, Any] = {"version": _version(options.rival_python)}
        _wait(f"{base}/data/environment", lambda body: True)
        told["listening"] = time.perf_counter() - began
        query = urllib.parse.urlencode({"run": "million", "tag": "train/loss"})
        rows = _wait(f"{base}/data/plugin/scalars/scalars?{query}", lambda body: body[-1][1] >= options.points)
        told["handed_out"], told["points"] = time.perf_counter() - began, len(rows)
        again = time.perf_counter()
        _wait(f"{base}/data/plugin/scalars/scalars?{query}", lambda body: True)
        told["again"] = time.perf_counter() - again
        told["memory_mb"] = _memory(process.pid)
        told["browser"] = opened(chromium, f"{base}/", options.repeat)
        return {"tensorboard": told}
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, done: Any) -> Any:
    until = time.monotonic() + 600.0
    while time.monotonic() < until:
        try:
            with urllib.request.urlopen(address, timeout=60) as answer:
                body = json.loads(answer.read())
            if done(body):
                return body
        except (urllib.error.URLError, OSError, IndexError, KeyError):
            pass
        time.sleep(0.05)
    raise TimeoutError(address)


def _memory(pid: int) -> float:
    total = 0
    waiting = [pid]
    while waiting:
        each = waiting.pop()
        told = Path(f"/proc/{each}/smaps_rollup").read_text()
        total += int(re.findall(r"^Pss:\s+(\d+) kB", told, re.M)[0])
        waiting += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return total / 1024


def _version(python: str) -> str:
    code = "import importlib.metadata as m; print(m.version('tensorboard'))"
    told = subprocess.run([python, "-c", code], capture_output=True, text=True, env={**os.environ}, check=True)
    return told.stdout.strip()
