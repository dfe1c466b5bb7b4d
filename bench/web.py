"""The live page: a thousand runs listed, a million points drawn, a hundred who look at one run.

    python -m bench web                                  # about a quarter of an hour on two quiet cores
    python -m bench web --rival-python .venv-boards/bin/python     # TensorBoard there, on the same million points
    python -m bench web --runs 50 --points 50000 --viewers 10 --seconds 10 --out /tmp/web.json

The server is `doneness serve` in a process of its own, the browser Chromium on the same machine, and both take turns
on its cores with whatever else runs there. "Cold" is the first start ever: nothing of the folder is known, the list is
shown with what the file system tells, and verdicts stream in as they are found; "warm" every later start. The million
points are a `trainer_state.json` with an evaluation after every thousand; drawn counts from the request for the page
to the curve on the screen, first as the server drew it, then as the figure that can be zoomed; zoomed, from the wish
to see a hundredth of it to that hundredth drawn with at least a thousand points of its own. Viewers hold a stream of
events each, of a run that logs five steps a second and is evaluated every five seconds; what they cost is the processor
time of the server and of its workers, judging the run again and again among it. Memory is their proportional set size.

TensorBoard, where it is installed in `--rival-python`, is given the same losses as event files, and timed from its
start until its interface hands out the run's loss, which it thins to a thousand points.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench.large import write_state
from bench.web_browser import browser, drawn, listed, opened
from bench.web_page import page
from bench.web_rivals import tensorboard
from bench.web_server import server, write_runs
from bench.web_viewers import Trainer, watched

RESULTS = Path(__file__).parent / "results"
LIMITS = {"listed": 1.0, "drawn": 1.5, "zoomed": 0.3, "core": 0.3, "memory_mb": 500.0, "paint": 0.5}


def main(argv: list[str]) -> None:
    options = _options(argv)
    with tempfile.TemporaryDirectory(prefix="doneness-web-") as place:
        found = measure(Path(place), options)
    found |= {"limits": LIMITS, "machine": machine()}
    out = Path(options.out)
    if options.only and out.is_file():
        # A part measured again stands beside what was measured before.
        found = json.loads(out.read_text(encoding="utf-8")) | found
    out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    out.with_suffix(".md").write_text(page(found), encoding="utf-8")
    print(page(found))


def measure(place: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Everything, one after the other."""
    found: dict[str, Any] = {
        "options": {k: v for k, v in vars(options).items() if k not in ("out", "rival_python", "chromium")}
    }
    parts = options.only.split(",") if options.only else ["list", "long", "viewers", "rivals"]
    with browser(options.chromium) as chromium:
        if "list" in parts:
            write_runs(place / "many", options.runs)
            found["list"] = _list(place, chromium, options)
        if "long" in parts or "rivals" in parts:
            (place / "long" / "million").mkdir(parents=True)
            write_state(place / "long" / "million" / "trainer_state.json", options.points)
        if "long" in parts:
            found["long"] = _long(place, chromium, options)
        if "viewers" in parts:
            found["viewers"] = _viewers(place, chromium, options)
        if "rivals" in parts and options.rival_python:
            found["rivals"] = tensorboard(place, options, chromium)
    return found


def _list(place: Path, chromium: Any, options: argparse.Namespace) -> dict[str, Any]:
    """The first start, and one that knows the folder."""
    told: dict[str, Any] = {"runs": options.runs}
    began = time.perf_counter()
    with server(place / "many", place / "cache") as running:
        told["cold_listening"] = time.perf_counter() - began
        body, told["cold_listed"] = running.get("/api/runs")
        told["cold_rows"] = len(json.loads(body)["runs"])
        _, told["cold_page"] = running.get("/")
        running.rows()
        told["cold_judged"] = time.perf_counter() - began
        time.sleep(5.0)  # what was found is written down every few seconds
        told["memory_mb"] = running.memory()
    began = time.perf_counter()
    with server(place / "many", place / "cache") as running:
        told["warm_listening"] = time.perf_counter() - began
        body, told["warm_listed"] = running.get("/api/runs")
        rows = json.loads(body)["runs"]
        told["warm_rows"] = sum(bool(row["verdict"]) for row in rows)
        told["bytes"] = len(body)
        told["again"] = median(running.get("/api/runs")[1] for _ in range(9))
        told["page"] = median(running.get("/")[1] for _ in range(9))
        told["browser"] = listed(chromium, f"http://127.0.0.1:{running.port}/", options.runs, options.repeat)
    return told


def _long(place: Path, chromium: Any, options: argparse.Namespace) -> dict[str, Any]:
    told: dict[str, Any] = {"points": options.points}
    with server(place / "long", place / "cache") as running:
        began = time.perf_counter()
        (row,) = running.rows()
        told["judged"] = time.perf_counter() - began
        series = f"/api/run/{row['id']}/series?points=2000"
        _, told["first_series"] = running.get(series)
        told["series"] = median(running.get(series)[1] for _ in range(9))
        low = options.points // 3
        zoom = f"{series}&from={low}&to={low + options.points // 100}"
        told["series_zoomed"] = median(running.get(zoom)[1] for _ in range(9))
        address = f"http://127.0.0.1:{running.port}/run/{row['id']}"
        _, told["first_page"] = running.get(f"/run/{row['id']}")
        told["page"] = median(running.get(f"/run/{row['id']}")[1] for _ in range(9))
        told["browser"] = drawn(chromium, address, options.points, options.repeat)
        told["memory_mb"] = running.memory()
    return told


def _viewers(place: Path, chromium: Any, options: argparse.Namespace) -> dict[str, Any]:
    folder = place / "live" / "run"
    trainer = Trainer(folder, 500)
    trainer.start()
    try:
        time.sleep(2.0)
        with server(place / "live", place / "cache", keep=False) as running:
            (row,) = running.rows()
            told = watched(running, row["id"], trainer, options.viewers, options.seconds)
            told["browser"] = opened(chromium, f"http://127.0.0.1:{running.port}/run/{row['id']}", options.repeat)
    finally:
        trainer.over.set()
        trainer.join()
    return told


def machine() -> dict[str, Any]:
    """Where it was measured, and how busy that was."""
    return {
        "cores": os.cpu_count(),
        "load": [round(each, 2) for each in os.getloadavg()],
        "python": platform.python_version(),
        "doneness": version("doneness"),
        "starlette": version("starlette"),
        "uvicorn": version("uvicorn"),
        "tsdownsample": version("tsdownsample"),
    }


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench web", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--viewers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--only", default="", help="list, long, viewers, rivals; several with commas")
    parser.add_argument("--chromium", default=shutil.which("chromium") or "")
    parser.add_argument("--rival-python", default="")
    parser.add_argument("--out", default=str(RESULTS / "web.json"))
    return parser.parse_args(argv)
