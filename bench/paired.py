"""What comparing checkpoints on the same examples buys: examples, false alarms, delay.

    python -m bench paired
    python -m bench paired --from bench/results/paired.json     # the page again, from what was measured

1. On the recorded runs, the standard error of "B is better than A": with examples of their own for A and for B,
   and with the same ones for both, row by row. The square of the ratio says how many times fewer examples the
   paired comparison needs for the same power. Trajectory noise, which no number of examples removes, is apart.
2. Flat curves of 20 looks, real rows with their mean held still and synthetic ones: how often a rule ever says
   "overfitting", and how often it stops at all.
3. A planted rise: how many evaluations after the true turn each rule stops, and how often it stops before it; the
   same of the word "overfitting". A stop counts alike for every rule, whatever its reason.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import doneness
from bench.paired_page import LOOKS, PARTS, page
from bench.planted_noise import Rows, flat, overfitting, planted, rows_of
from bench.recorded import HOME, Recorded, means_alone, paired, recorded, unpaired
from doneness.core import Action, Verdict
from doneness.curves.shares import wilson
from doneness.runs import Run
from doneness.stopping import EvidenceRule, PatienceRule, StopRule
from doneness.testing import synthetic

_TURN = 0.4


@dataclass(frozen=True)
class Task:
    """A planted run to be judged; `rise` 0 is a flat one. No `run` means synthetic rows, with that noise."""

    case: str
    run: str | None
    rows: int
    rise: float
    seed: int
    wander: bool = True
    noise: float = 0.003


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench paired", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=HOME, help="folder of recorded runs")
    parser.add_argument(
        "--seeds", type=int, default=300, help="planted flat runs of each kind; a third as many that rise"
    )
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument(
        "--from", dest="told", type=Path, metavar="FILE", help="a paired.json: write its page, measure nothing"
    )
    options = parser.parse_args(argv)
    found = measure(options) if options.told is None else json.loads(options.told.read_text(encoding="utf-8"))
    text = page(found)
    print("\n".join(text))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "paired.json").write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")
    (options.out / "paired.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Standard errors, and all planted runs."""
    runs = recorded(options.runs)
    errors = [pair for run in runs for pair in pairs_of(run)]
    return {
        "about": {"doneness": doneness.__version__, "python": platform.python_version(), "numpy": np.__version__},
        "seeds": options.seeds,
        "pairs": summed(errors),
        "by_run": [of_run(run, [e for e in errors if e["run"] == run.name]) for run in runs],
        "planted": planted_rows(tasks([run.name for run in runs], options.seeds), options.runs, options.jobs),
    }


# 1. Standard errors


def pairs_of(run: Recorded) -> list[dict[str, Any]]:
    """Every evaluation against the one before, and against the best before it."""
    found = []
    for this in range(1, run.step.size):
        best = int(np.argmin(run.loss[:this]))
        for kind, that in (("neighbour", this - 1), ("best so far", best)):
            found.append({"run": run.name, "group": run.group, "pair": kind, "part": _part(run, this)}
                         | compared(run, this, that))  # fmt: skip
    return found


def compared(run: Recorded, this: int, that: int) -> dict[str, float]:
    """Both standard errors of one difference, nats, and their ratio."""
    apart = math.hypot(unpaired(run.nll[this], run.tokens), unpaired(run.nll[that], run.tokens))
    together = paired(run, this, that).se
    return {"unpaired": apart, "paired": together, "ratio": apart / together}


def _part(run: Recorded, this: int) -> str:
    return PARTS[min(2, int(3.0 * float(run.step[this]) / (float(run.step[-1]) + 1.0)))]


def summed(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """By kind of pair and part of the run: median over recipes of their medians, and the range over recipes."""
    rows = []
    for kind in ("neighbour", "best so far"):
        for part in (*PARTS, "all"):
            chosen = [e for e in errors if e["pair"] == kind and part in (e["part"], "all")]
            by_group: dict[str, list[float]] = {}
            for each in chosen:
                by_group.setdefault(each["group"], []).append(each["ratio"])
            middle = [median(ratios) for ratios in by_group.values()]
            if not middle:
                continue
            every = [e["ratio"] for e in chosen]
            rows.append({
                "pair": kind, "part": part, "pairs": len(every), "recipes": len(middle),
                "ratio": median(middle), "ratio_low": min(middle), "ratio_high": max(middle),
                "fewer": median(middle) ** 2, "fewer_low": min(middle) ** 2, "fewer_high": max(middle) ** 2,
                "least": min(every), "most": max(every),
            })  # fmt: skip
    return rows


def of_run(run: Recorded, errors: list[dict[str, Any]]) -> dict[str, Any]:
    """One run in a line: medians against the best so far, by part, and what trajectory noise adds."""

    def middle(key: str, part: str) -> float | None:
        values = [e[key] for e in errors if e["pair"] == "best so far" and part in (e["part"], "all")]
        return median(values) if values else None

    return {
        "run": run.name,
        "course": run.label,
        "rows": int(run.tokens.size),
        "unpaired": middle("unpaired", "all"),
        "paired": middle("paired", "all"),
        "noise": math.sqrt(2.0) * run.case.noise,
        "ratio": {part: middle("ratio", part) for part in (*PARTS, "all")},
    }  # fmt: skip


# 2 and 3. Planted truth


def tasks(names: list[str], seeds: int) -> list[Task]:
    """All planted runs: real rows in turn of every recorded run, and synthetic ones."""
    found = []
    for seed in range(seeds):
        name = names[seed % len(names)]
        for rows in (40, 400):
            found.append(Task(f"flat, real rows that wander, {rows}", name, rows, 0.0, seed))
            found.append(Task(f"flat, real rows that stray, {rows}", name, rows, 0.0, seed, wander=False))
        for noise in (0.003, 0.012):
            found.append(Task(f"flat, synthetic, 400, noise {noise:g}", None, 400, 0.0, seed, noise=noise))
    # A rate near zero takes more runs than a median delay.
    for seed in range(max(1, seeds // 3)):
        name = names[seed % len(names)]
        for rise, rows in ((0.1, 40), (0.25, 40), (0.05, 400), (0.1, 400), (0.25, 400)):
            found.append(Task(f"rise {rise:.0%}, real rows, {rows}", name, rows, rise, seed))
        for noise in (0.003, 0.012):
            found.append(Task(f"rise 10%, synthetic, 400, noise {noise:g}", None, 400, 0.1, seed, noise=noise))
    return found


def planted_rows(todo: list[Task], home: Path, jobs: int) -> list[dict[str, Any]]:
    """One line for each kind of planted run."""
    by_case: dict[str, list[dict[str, Any]]] = {}
    with ProcessPoolExecutor(jobs) as pool:
        for task, answer in zip(todo, pool.map(partial(judged, home=home), todo, chunksize=8), strict=True):
            by_case.setdefault(task.case, []).append(answer | {"rise": task.rise, "run": task.run})
    return [_line(case, answers) for case, answers in by_case.items()]


@lru_cache(maxsize=1)
def _real(home: Path) -> dict[str, Rows]:
    return {run.name: rows_of(run) for run in recorded(home)}


def make(task: Task, home: Path) -> Run:
    """The planted run of a task."""
    if task.run is None:
        plan: Any = {"seed": task.seed, "rows": task.rows, "evals": LOOKS, "noise": task.noise, "schedule": "constant"}
        return synthetic.overfitting_run(task.rise, **plan) if task.rise else synthetic.flat_run(**plan)
    course = overfitting(task.rise, _TURN) if task.rise else flat
    return planted(_real(home)[task.run], course, task.rows, task.seed, LOOKS, task.wander)


def judged(task: Task, home: Path) -> dict[str, Any]:
    """Which look each rule stops at, and says "overfitting" at, counted from 1 after step 0; None where it never does.

    "ours" and "means" are those of the word, "any_stop" and "means_any_stop" those of a stop for whatever reason, as
    "patience", which gives no reason, has it.
    """
    run = make(task, home)
    ours, any_stop = looks(run, EvidenceRule())
    means, means_any_stop = looks(means_alone(run), EvidenceRule())
    _, patience = looks(means_alone(run), PatienceRule(3, 0.0))
    return {
        "ours": ours,
        "any_stop": any_stop,
        "means": means,
        "means_any_stop": means_any_stop,
        "patience": patience,
    }


def looks(run: Run, rule: StopRule) -> tuple[int | None, int | None]:
    """The first look at which the rule says "overfitting", and the first at which it says stop.

    Neither hides the other: a stop for another reason may come before the word or after it.
    """
    said, stop = None, None
    assert run.evals is not None
    for look, step in enumerate(run.evals.step.tolist()):
        found = rule.decide(run.until(step))
        if stop is None and found.action is Action.STOP:
            stop = look
        if said is None and found.verdict is Verdict.OVERFITTING:
            said = look
        if said is not None and stop is not None:
            break
        # A rule that stops for want of anything better never says more than that.
        if stop is not None and isinstance(rule, PatienceRule):
            break
    return said, stop


def _line(case: str, answers: list[dict[str, Any]]) -> dict[str, Any]:
    row: dict[str, Any] = {"case": case, "n": len(answers)}
    turn = math.floor(_TURN * LOOKS)
    for name in ("ours", "any_stop", "means", "means_any_stop", "patience"):
        looks = [a[name] for a in answers]
        if not answers[0]["rise"]:
            row[name] = {
                "alarms": _rate(sum(look is not None for look in looks), len(looks)),
                "by_run": _by_run(answers, name),
            }
            continue
        # A rise that is never found, or a stop before the turn, is as late as can be.
        after = sorted(math.inf if look is None or look <= turn else look - turn for look in looks)
        middle = after[(len(after) - 1) // 2]
        row[name] = {
            "median_delay": None if math.isinf(middle) else middle,
            "found": _rate(sum(not math.isinf(d) for d in after), len(after)),
            "false_stops": _rate(sum(look is not None and look <= turn for look in looks), len(looks)),
        }
    return row


def _by_run(answers: list[dict[str, Any]], name: str) -> dict[str, list[int]]:
    """Alarms and planted runs, by the recorded run that the rows come from."""
    found: dict[str, list[int]] = {}
    for answer in answers:
        of = found.setdefault(answer["run"] or "synthetic", [0, 0])
        of[0] += answer[name] is not None
        of[1] += 1
    return found


def _rate(hits: int, n: int) -> list[float]:
    return [hits / n, *wilson(hits, n)]
