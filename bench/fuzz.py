"""Damaged logs by the thousand: no traceback, no hang, and no verdict of health on rows that were lost unsaid.

    python -m bench fuzz --count 20000 --seed 0

Logs of every format, generated ones and (where the folder is there) real ones, cut to 300 rows, are
mutated and then read and diagnosed. Counted: anything raised but DonenessError, anything that takes
longer than ten seconds, and verdicts of `converged` or `learning` where more than 1 % of the rows are
damaged beyond parsing (by the count of an independent, strict parser) and no finding names it.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path
from types import FrameType
from typing import Any

from bench.mutate import mutate
from bench.specimens import Specimen, damaged, generated, real
from doneness.core import DonenessError, Status, Verdict
from doneness.diagnose import diagnose
from doneness.runs import read

LIMIT_S = 10
REAL = Path("../shared/curves/runs")
_HEALTHY = (Verdict.CONVERGED, Verdict.LEARNING)


class Hang(BaseException):
    """Raised by the alarm; no `except Exception` on the way may catch it."""


@cache
def specimens(folder: Path) -> tuple[Specimen, ...]:
    return (*generated(), *real(folder))


def one(number: int, seed: int, folder: Path) -> dict[str, Any]:
    """The outcome of mutant `number`: how it ended, and what was wrong, if anything."""
    chance = random.Random(f"{seed}/{number}")
    kinds = specimens(folder)
    # Every second mutant is of a generated log: those are known to earn a verdict.
    specimen = kinds[number // 2 % 10] if number % 2 else chance.choice(kinds)
    content, ways = mutate(specimen.data, chance)
    told = {"number": number, "file": specimen.name, "ways": ways}
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / specimen.name
        path.write_bytes(content)
        try:
            ended, fault = judged(path, specimen, content)
        except Hang:
            ended, fault = "hang", "".join(traceback.format_exc().splitlines(keepends=True)[-6:])
        except Exception:
            ended, fault = "traceback", traceback.format_exc()[-1500:]
    took = time.perf_counter() - begun
    if took > LIMIT_S and ended not in ("hang", "traceback"):
        ended, fault = "hang", f"{took:.1f} s"
    return told | {"ended": ended, "fault": fault, "seconds": took}


def judged(path: Path, specimen: Specimen, content: bytes) -> tuple[str, str]:
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(LIMIT_S)
    try:
        runs = read(path)
        found = [(run, diagnose(run)) for run in runs]
    except DonenessError as error:
        return "refused", "" if str(error) and "\n" not in str(error) else f"unclear: {error!r}"
    finally:
        signal.alarm(0)
    crashed = [f.summary for _, d in found for f in d.findings if f.status is Status.ERROR]
    if crashed:
        return "traceback", crashed[0]
    lost, rows = damaged(specimen, content)
    for run, diagnosis in found:
        if diagnosis.verdict in _HEALTHY and lost > 0.01 * max(rows, run.damage.seen):  # repeated rows count as rows
            status = next(f.status for f in diagnosis.findings if f.code == "RN02")
            if status not in (Status.WARN, Status.FAIL):
                return "unsaid", f"{diagnosis.verdict}: {lost} of {rows} rows damaged, the run says {run.damage}"
            return "named", ""
    return "judged", ""


def _alarm(number: int, frame: FrameType | None) -> None:
    raise Hang


def outcomes(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    with ProcessPoolExecutor(options.jobs) as pool:
        task = partial(one, seed=options.seed, folder=options.real)
        yield from pool.map(task, range(options.first, options.first + options.count), chunksize=25)


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--real", type=Path, default=REAL, help="a folder of real logs")
    parser.add_argument("--out", default="bench/results/fuzz.json")
    options = parser.parse_args(argv)
    counts: Counter[str] = Counter()
    wrong: list[dict[str, Any]] = []
    slowest, begun = 0.0, time.perf_counter()
    for outcome in outcomes(options):
        counts[outcome["ended"]] += 1
        slowest = max(slowest, outcome["seconds"])
        if outcome["ended"] in ("traceback", "hang", "unsaid") or outcome["fault"]:
            wrong.append(outcome)
            print(json.dumps(outcome), flush=True)
    result = {
        "seed": options.seed,
        "count": options.count,
        "specimens": {"generated": len(generated()), "real": len(specimens(options.real)) - len(generated())},
        "tracebacks": counts["traceback"],
        "hangs": counts["hang"],
        "healthy_with_unsaid_loss": counts["unsaid"],
        "healthy_with_loss_named": counts["named"],
        "judged": counts["judged"],
        "refused": counts["refused"],
        "slowest_s": round(slowest, 2),
        "minutes": round((time.perf_counter() - begun) / 60, 1),
        "wrong": [{k: v for k, v in each.items() if k != "seconds"} for each in wrong[:50]],
    }
    print(json.dumps({k: v for k, v in result.items() if k != "wrong"}, indent=1))
    out = Path(options.out)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + "\n")
