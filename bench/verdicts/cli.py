"""python -m bench verdicts: other tools and plain rules on the same logs as ours.

python -m bench verdicts --only planted --seeds 100 --cases ce
python -m bench verdicts --only cut --rules evidence diagnosis "patience 3"
python -m bench verdicts --only front --rules evidence patience --per-repo 5
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import doneness
from bench.verdicts import cut_and_ask, forecasts, front, memory, planted, reading, tables
from bench.verdicts.collection import index
from bench.verdicts.rivals import RIVALS, installed

PARTS = ("planted", "cut", "front", "forecast", "reading")
_REAL = ("cut", "front", "forecast", "reading")


def main(argv: list[str]) -> None:
    options = _options(argv)
    wanted = [options.only] if options.only else list(PARTS)
    if not index():
        print("the collection of real training logs is not on this machine: only the planted cases are run")
        wanted = [part for part in wanted if part not in _REAL]
    if not installed():
        print("the other tools are not installed (make bench-verdicts does that): ours and plain rules only")
    whole = not (options.only or options.rules or options.cases or options.per_repo)
    out = Path(options.out)
    memory.code()  # taken before any process is started: they all keep their answers under this code
    found: dict[str, Any] = {"about": _about()}
    for part in wanted:
        start = time.monotonic()
        found[part] = _parts(options)[part]()
        found[part]["seconds"] = round(time.monotonic() - start, 1)
        print("\n".join(tables.PARTS[part](found[part])), end="\n\n", flush=True)
    if whole:
        out.mkdir(parents=True, exist_ok=True)
        (out / "verdicts.json").write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")
        (out / "verdicts.md").write_text(tables.page(found, out), encoding="utf-8")


def _parts(options: argparse.Namespace) -> dict[str, Callable[[], dict[str, Any]]]:
    rules, jobs, few = options.rules, options.jobs, options.per_repo
    svg = None if options.only or rules or few else Path(options.out) / "verdicts-front.svg"
    return {
        "planted": lambda: planted.measure(options.seeds, options.rival_seeds, jobs, options.cases, rules),
        "cut": lambda: cut_and_ask.measure(rules, jobs, not options.no_rivals, few),
        "front": lambda: front.measure(rules, jobs, svg, few),
        "forecast": lambda: forecasts.measure(jobs),
        "reading": reading.measure,
    }


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench verdicts", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=PARTS, help="one part; nothing is written then")
    parser.add_argument("--seeds", type=int, default=1000, help="runs of ours for each planted case")
    parser.add_argument("--rival-seeds", type=int, default=200, help="runs of the other tools for each planted case")
    parser.add_argument("--cases", default="", help="letters of the planted cases (abcdefghi); all by default")
    parser.add_argument("--rules", nargs="*", default=[], help="names of rules or tools, or how they begin")
    parser.add_argument("--per-repo", type=int, help="at most so many runs of a repository, for a quick look")
    parser.add_argument("--no-rivals", action="store_true")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default="bench/results")
    return parser.parse_args(argv)


def _about() -> dict[str, Any]:
    return {
        "doneness": doneness.__version__,
        "rivals": RIVALS if installed() else None,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
