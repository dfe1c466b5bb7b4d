"""A hundred who look at one run while it trains: what that costs, and whether all of them saw everything."""

from __future__ import annotations

import asyncio
import json
import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.web_server import Running
from doneness.runs import Claim, Recorder

ROWS_A_SECOND, EVERY = 5, 25  # rows of training, rows between evaluations


class Trainer(threading.Thread):
    """Writes a journal as a training does, at its pace."""

    def __init__(self, folder: Path, begin: int) -> None:
        super().__init__(daemon=True)
        self.folder, self.step, self.over = folder, begin, threading.Event()

    def run(self) -> None:
        claim, recorder = Claim(self.folder), Recorder(self.folder)
        chance = np.random.default_rng(1)
        if recorder.last("start") is None:
            recorder.write("start", 0, meta={"planned_steps": 100_000, "steps_per_epoch": 500})
            for step in range(1, self.step + 1):
                self._row(recorder, step, chance)
        while not self.over.wait(1 / ROWS_A_SECOND):
            self.step += 1
            self._row(recorder, self.step, chance)
        recorder.close()
        claim.release()

    def _row(self, recorder: Recorder, step: int, chance: Any) -> None:
        loss = 1.2 + 2.0 * step**-0.3 + float(chance.normal(0, 0.05))
        place = {"epoch": step / 500, "tokens": 4000 * step, "targets": 900 * step, "time": step / ROWS_A_SECOND}
        recorder.write("train", step, loss=loss, learning_rate=1e-4, grad_norm=1.0, **place)
        if step % EVERY == 0:
            recorder.write("eval", step, name="eval", loss=loss + 0.05, examples=200, **place)


async def _view(port: int, run: str, seen: set[int], counts: dict[str, int], over: asyncio.Event) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /api/run/{run}/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    await writer.drain()
    name = ""
    while not over.is_set():
        try:
            line = await asyncio.wait_for(reader.readline(), 1.0)
        except TimeoutError:
            continue
        if not line:
            break
        if line.startswith(b"event: "):
            name = line[7:].strip().decode()
            counts[name] = counts.get(name, 0) + 1
        elif line.startswith(b"data: ") and name == "tail":
            seen.update(json.loads(line[6:])["series"].get("train", {"x": []})["x"])
    writer.close()


async def _all(
    port: int, run: str, viewers: int, seconds: float, cost: Any
) -> tuple[list[set[int]], dict[str, int], Any]:
    over, counts = asyncio.Event(), dict[str, int]()
    seen: list[set[int]] = [set() for _ in range(viewers)]
    tasks = [asyncio.create_task(_view(port, run, each, counts, over)) for each in seen]
    await asyncio.sleep(5.0)  # until all of them are there
    found = await asyncio.to_thread(cost, seconds)
    over.set()
    await asyncio.gather(*tasks)
    return seen, counts, found


def watched(running: Running, run: str, trainer: Trainer, viewers: int, seconds: float) -> dict[str, Any]:
    """Share of one core, megabytes, and how many viewers saw every row that was written meanwhile."""

    def cost(seconds: float) -> dict[str, Any]:
        before, began, memory, first = running.cpu(), time.monotonic(), 0.0, trainer.step
        while time.monotonic() - began < seconds:
            memory = max(memory, running.memory())
            time.sleep(2.0)
        after, took = running.cpu(), time.monotonic() - began
        own = after[running.pid] - before[running.pid]
        # Of a worker that came since, all of its time; one that went has been reaped with the server's children.
        workers = sum(used - before.get(pid, 0.0) for pid, used in after.items() if pid != running.pid)
        return {"server": own / took, "workers": workers / took, "memory_mb": memory, "seconds": took, "first": first}

    # The browser's library has a loop of its own in this thread.
    with ThreadPoolExecutor(1) as other:
        seen, counts, found = other.submit(
            lambda: asyncio.run(_all(running.port, run, viewers, seconds, cost))
        ).result()
    last = min(max(each, default=0) for each in seen)
    wanted = set(range(found.pop("first") + 1, last + 1))
    complete = sum(wanted <= each for each in seen)
    rows = {"viewers": viewers, "complete": complete, "rows_each": len(wanted), "events": counts}
    return found | rows | {"core": found["server"] + found["workers"], "rate": ROWS_A_SECOND if wanted else math.nan}
