"""Verdicts on runs whose truth is known: false alarms, misses, delays, in one table.

    python -m bench planted --seeds 60

Every row: how often a rule says stop (ever, over all evaluations of a run), how often the last
verdict is the one planted, and the step of the first stop. HF patience 3 on the same runs beside it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median

from doneness.core import Verdict
from doneness.curves.shares import wilson
from doneness.runs import Run
from doneness.stopping import EvidenceRule, PatienceRule, replay
from doneness.testing import synthetic as s

# The demo's own spacing: geometric, then even; few evaluations, few rows, a steep turn.
SHORT = (1, 2, 4, 8, 16, 24, 32, 40, 48)


def short(rise: float, seed: int, rows: int = 64, noise: float = 0.005) -> Run:
    return s.overfitting_run(
        rise=rise, seed=seed, steps=48, rows=rows, noise=noise, eval_steps=SHORT, schedule="constant"
    )


CASES: dict[str, tuple[str, Callable[[int], Run]]] = {}
for evals in (6, 10, 20, 50):
    for noise in (0.003, 0.012, 0.027):
        CASES[f"flat, {evals} evals, noise {noise:g}"] = (
            "not overfitting", lambda i, e=evals, n=noise: s.flat_run(seed=i, evals=e, noise=n, rows=400))  # fmt: skip
for noise in (0.003, 0.012):
    CASES[f"flat after a fall, 20 evals, noise {noise:g}"] = (
        "not overfitting", lambda i, n=noise: s.converged_run(seed=i, evals=20, noise=n, rows=400))  # fmt: skip
CASES["flat after a fall, demo spacing, 64 rows"] = (
    "not overfitting",
    lambda i: s.converged_run(seed=i, steps=48, rows=64, noise=0.01, eval_steps=SHORT, schedule="constant"),
)
CASES["still falling, demo spacing, 64 rows"] = (
    "not overfitting",
    lambda i: s.learning_run(seed=i, steps=48, rows=64, noise=0.01, eval_steps=SHORT, schedule="constant"),
)
CASES["temporary rise, 20 evals"] = ("not overfitting", lambda i: s.temporary_rise_run(seed=i, rows=400))
CASES["power law, 20 evals"] = ("learning", lambda i: s.learning_run(seed=i, rows=400))
CASES["settled, 20 evals, noise 0.3 %"] = ("converged", lambda i: s.converged_run(seed=i, rows=800, noise=0.0045))
for rise in (0.05, 0.1, 0.25):
    CASES[f"overfit +{rise:.0%}, 20 evals, noise 1.7 %"] = (
        "overfitting", lambda i, r=rise: s.overfitting_run(rise=r, seed=i, rows=400, noise=0.024))  # fmt: skip
    CASES[f"overfit +{rise:.0%}, demo spacing, 64 rows"] = ("overfitting", lambda i, r=rise: short(r, i))


def one(name: str, seed: int) -> dict[str, object]:
    run = CASES[name][1](seed)
    ours = replay(run, EvidenceRule())
    theirs = replay(run, PatienceRule(3, 0.0))
    first = next((d.step for d in ours if d.action.value != "continue"), None)
    patience = next((d.step for d in theirs if d.action.value != "continue"), None)
    return {
        "overfit_ever": any(d.verdict is Verdict.OVERFITTING for d in ours),
        "last": ours[-1].verdict.value,
        "first": first,
        "patience": patience,
    }


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench planted", description=__doc__)
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", default="bench/results/planted.json")
    options = parser.parse_args(argv)
    rows = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for name, (truth, _) in CASES.items():
            if options.only not in name:
                continue
            found = list(pool.map(partial(one, name), range(options.seeds), chunksize=8))
            rows.append(row := summary(name, truth, found))
            print(line(row), flush=True)
    if not options.only:
        out = Path(options.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"seeds": options.seeds, "rows": rows}, indent=1) + "\n")


def summary(name: str, truth: str, found: list[dict[str, object]]) -> dict[str, object]:
    n = len(found)
    alarms = sum(bool(f["overfit_ever"]) for f in found)
    right = sum(f["last"] == truth for f in found)
    firsts = [f["first"] for f in found if f["first"] is not None]
    patience = [f["patience"] for f in found if f["patience"] is not None]
    counts: dict[str, int] = {}
    for f in found:
        counts[str(f["last"])] = counts.get(str(f["last"]), 0) + 1
    return {
        "case": name,
        "truth": truth,
        "n": n,
        "overfit_ever": [alarms / n, *wilson(alarms, n)],
        "last_right": None if truth.startswith("not") else [right / n, *wilson(right, n)],
        "last": counts,
        "median_first_stop": median(firsts) if firsts else None,
        "patience_stops": len(patience) / n,
        "patience_median": median(patience) if patience else None,
    }


def line(row: dict[str, object]) -> str:
    ever, low, high = row["overfit_ever"]  # type: ignore[misc]
    right = row["last_right"]
    shown = f"{right[0]:6.1%}" if isinstance(right, list) else "     -"
    return (
        f"{row['case']:45} truth {row['truth']:15} overfit ever {ever:6.1%} [{low:.1%}, {high:.1%}]  "
        f"last right {shown}  first stop {row['median_first_stop']}  "
        f"patience stops {row['patience_stops']:.0%} at {row['patience_median']}  {row['last']}"
    )
