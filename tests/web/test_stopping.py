"""The buttons: a stop, a cooldown and a checkpoint kept, asked over the wire of a training that runs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from doneness.runs import read, read_records
from doneness.testing.tiny import write_rows
from tests.web.served import PATIENCE, Served, served

pytestmark = pytest.mark.model
ROWS = [(f"What colour is number {k}?", f"{k}, mostly red.") for k in range(40)]


@contextmanager
def training(folder: Path, model: Path, *more: str) -> Iterator[subprocess.Popen[str]]:
    """`doneness train` of a tiny model for longer than the test lasts."""
    train, held_out = write_rows(folder / "t.jsonl", ROWS[:32]), write_rows(folder / "e.jsonl", ROWS[32:])
    recipe = folder / "recipe.toml"
    recipe.write_text(
        f'[run]\nfolder = "{folder}/runs/tiny"\nthreads = 1\npreflight = false\n'
        f'[model]\npath = "{model}"\ndevice = "cpu"\n[data]\ntrain = "{train}"\neval = "{held_out}"\nmax_length = 64\n'
        '[optimizer]\nbatch_size = 4\nmicro_batch = 4\n[schedule]\nmax_steps = 20000\nkind = "constant"\n'
        '[stopping]\non_stop = "note"\n[evaluation]\nevery = 5\n[health]\nevery = 0\n'
    )
    command = [sys.executable, "-m", "doneness", "train", str(recipe), *more]
    process = subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def going(server: Served, process: subprocess.Popen[str]) -> str:
    """The id of the run once it has a checkpoint."""
    until = time.monotonic() + 3 * PATIENCE
    while time.monotonic() < until:
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        row = server.rows().get("tiny")
        if row is not None and row["state"] == "live" and server.get(f"/api/run/{row['id']}").data["can"]["keep"]:
            return str(row["id"])
        time.sleep(0.3)
    raise AssertionError("the training did not come to a checkpoint")


def test_a_run_is_asked_to_keep_and_to_stop_and_does(tmp_path: Path, tiny_model: Path) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    with served(root) as server, training(tmp_path, tiny_model) as process:
        run = going(server, process)
        with server.events(f"/api/run/{run}/events") as events:
            kept = next(c["step"] for c in server.get(f"/api/run/{run}").data["checkpoints"] if c["state"] == "kept")
            ask = f"/api/run/{run}/control"
            assert server.post(ask, {"action": "keep", "step": kept, "who": "Ann"}).status == 202
            assert server.post(ask, {"action": "stop", "who": "Bo"}).status == 202
            told = []
            for name, data, _ in events:
                if name == "control":
                    told.append((data["action"], data["state"], data["who"]))
                if ("stop", "done", "Bo") in told:
                    break
        assert process.wait(3 * PATIENCE) == 0
        assert ("keep", "asked", "Ann") in told and ("keep", "done", "Ann") in told and ("stop", "asked", "Bo") in told
        found = read(root / "tiny")[0]
        assert found.events[-1].data["reason"] == "requested"
        there = {c.step for c in found.checkpoints if c.exists}
        assert {kept, found.last_step} <= there
        assert (root / "tiny" / f"checkpoint-{found.last_step}" / "adapter_model.safetensors").is_file()
        records = [r for r in read_records(root / "tiny" / "journal.jsonl")[0] if r["kind"] == "request"]
        assert [(r["request"], r["who"]) for r in records] == [("keep", "Ann"), ("stop", "Bo")]
        assert all(r["asked"] and r["at"] for r in records)
        until = time.monotonic() + PATIENCE
        while server.rows()["tiny"]["state"] != "ended":
            assert time.monotonic() < until
            time.sleep(0.2)
        assert server.post(ask, {"action": "stop", "who": "Bo"}).status == 409
