"""Planted panels through the table, the turning points and the choice.

    python -m bench panels
    python -m bench panels --panels 200

Each panel is a run of 6 to 10 checkpoints and base with eight behaviours (shares, means of skewed values, an AUROC in
every fourth), 50 to 400 questions, alone or in clusters of 2 or 5, and planted courses (bench/panels_planted.py).

1. Wrong marks: panels in which any cell says "better than base" and is not; coverage of the intervals.
2. Turning points drawn where there is none, or too early; how often a planted one is found, and inside its interval.
3. Regret of the choice against an oracle that knows every true value, beside other ways to choose. A pick that does
   true harm beyond a guard's margin counts as bringing nothing.
4. What the gain of the pick is overstated by, with the questions that picked it and with the other half.
5. The same where a loss is there as well and agrees with the goal or does not (bench/panels_loss.py).
6. Whether the number of questions that an undecided cell asks for decides it.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import doneness
from bench.panels_loss import summed_loss, with_loss
from bench.panels_page import page
from bench.panels_planted import Planted, behaviour, panel
from doneness.curves.shares import wilson
from doneness.probe.standing import standing as standing_of
from doneness.probe.table import assembled
from doneness.probe.vetoes import barred
from doneness.runs.probes import ProbeTable

_MORE = 1200  # questions; what would need more is not tried


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench panels", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--panels", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="seed of the first panel")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    options = parser.parse_args(argv)
    started = time.process_time()
    seeds = range(options.first, options.first + options.panels)
    if options.jobs > 1:
        with ProcessPoolExecutor(options.jobs) as pool:
            rows = list(pool.map(one, seeds, chunksize=8))
    else:
        rows = [one(seed) for seed in seeds]
    found = {
        "about": {"doneness": doneness.__version__, "python": platform.python_version(), "numpy": np.__version__},
        "command": f"python -m bench panels --panels {options.panels} --first {options.first}",
        "cpu_seconds": round(time.process_time() - started, 1) if options.jobs == 1 else None,
        **summed(rows),
        "asked_again": asked_again(range(options.first, options.first + max(1, options.panels // 5))),
    }
    text = page(found)
    print("\n".join(text))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "panels.json").write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")
    (options.out / "panels.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def one(seed: int) -> dict[str, Any]:
    """Everything measured on one panel."""
    planted = panel(seed)
    table = assembled([p.scored for p in planted])
    return {
        "cells": cells(planted, table),
        "turns": turns(planted, table),
        "choice": choice(planted, table),
        "loss": with_loss(seed, planted, table, *gains(planted)),
    }


def cells(planted: Sequence[Planted], table: ProbeTable) -> list[dict[str, Any]]:
    """Each cell: its kind, its mark, and whether it is true."""
    found = []
    for each in planted:
        about, truth = each.scored.measure.behaviour, each.truth
        kind = "auroc" if each.scored.rows is not None else "share" if each.scored.measure.binary else "mean"
        for k, step in enumerate(each.scored.steps):
            cell = table.cell(about.name, step)
            if cell is None:
                continue
            row: dict[str, Any] = {
                "kind": kind,
                "clustered": cell.clusters is not None,
                "value_held": cell.interval[0] <= truth[k] <= cell.interval[1],
            }
            if k and cell.diff_interval is not None:
                low, high = cell.diff_interval
                row |= {
                    "mark": cell.mark,
                    "gain": float(each.gain[k]),
                    "margin": about.margin,
                    "held": low <= truth[k] - truth[0] <= high,
                }
            found.append(row)
    return found


def turns(planted: Sequence[Planted], table: ProbeTable) -> list[dict[str, Any]]:
    """Each behaviour: whether a turning point was drawn, whether rightly, and whether its interval holds the truth."""
    found = []
    for each in planted:
        turn = table.turning[each.scored.measure.behaviour.name]
        row: dict[str, Any] = {"course": each.course, "true": each.onset is not None, "drawn": turn is not None}
        if turn is not None:
            level = each.scored.sign * each.truth
            at, best = each.scored.steps.index(turn.step), each.scored.steps.index(turn.best or 0)
            row["wrong"] = bool((level[at:] >= level[best] - 1e-12).any())
            if each.onset is not None:
                low, high = (each.scored.steps.index(s) for s in (turn.low, turn.high) if s is not None)
                row |= {"held": low <= each.onset <= high, "late": at - each.onset, "width": high - low}
        found.append(row)
    return found


def gains(planted: Sequence[Planted]) -> tuple[Any, Any]:
    """What each checkpoint brings in the goal, zero where it does true harm, and whether it does."""
    goal, guards = planted[0], planted[1:4]
    harm = np.zeros(len(goal.truth), dtype=bool)
    for each in guards:
        harm |= each.gain < -each.scored.measure.behaviour.margin - 1e-12
    return np.where(harm, 0.0, goal.gain), harm


def choice(planted: Sequence[Planted], table: ProbeTable) -> dict[str, Any] | None:
    """The gain that each way to choose brings, what the best possible is, and what was said of it."""
    goal = planted[0]
    true, harm = gains(planted)
    standing = table.standings.get(goal.scored.measure.behaviour.name)
    seen = goal.scored.levels - goal.scored.levels[0]
    naive = 1 + int(np.argmax(seen[1:]))
    row: dict[str, Any] = {
        "oracle": float(true[1:].max()),
        "rises": goal.course != "flat",
        "picks": {"argmax": float(true[naive]), "last": float(true[-1])},
        "harm": {"argmax": bool(harm[naive]), "last": bool(harm[-1])},
        "early": {"argmax": naive, "last": len(true) - 1},
        "naive": float(seen[naive] - goal.gain[naive]),
    }
    if standing is None:  # every checkpoint is ruled out: nothing is picked, and base brings nothing
        row["picks"] |= dict.fromkeys(("guarded argmax", "ours", "ours, strict guards"), 0.0)
        row["harm"] |= dict.fromkeys(("guarded argmax", "ours", "ours, strict guards"), False)
        return row
    strictly = barred(replace(table, strict=True), [s for s in table.steps if s])
    strict = standing_of(goal.scored, strictly)
    ways = {"guarded argmax": standing.best, "ours": standing.picked, "ours, strict guards": strict and strict.picked}
    for name, step in ways.items():
        if step is None:  # nothing is left to pick, and base brings nothing
            row["picks"][name], row["harm"][name] = 0.0, False
            continue
        k = goal.scored.steps.index(step)
        row["picks"][name], row["harm"][name], row["early"][name] = float(true[k]), bool(harm[k]), k
        row[f"said {name}"] = float(seen[k] - goal.gain[k])
    picked = goal.gain[goal.scored.steps.index(standing.picked)]
    low, high = standing.interval
    row |= {"honest": standing.honest - float(picked), "honest_held": low <= picked <= high}
    best = goal.gain[[goal.scored.steps.index(s) for s in standing.candidates]].max()
    row["tied_holds_best"] = any(goal.gain[goal.scored.steps.index(s)] >= best - 1e-12 for s in standing.tied)
    return row


def asked_again(seeds: range) -> dict[str, Any]:
    """Cells that cannot tell and say how many questions would: asked so many, how often they tell."""
    tried = told = 0
    for seed in seeds:
        generator = np.random.default_rng([seed, 5])
        few = int(generator.choice([30, 60, 100]))
        make = partial(behaviour, "b", "share", "flat", 1)
        cell = assembled([make(few, 1, generator).scored]).cell("b", 100)
        if cell is None or cell.mark != "unsure" or cell.needs is None or cell.needs > _MORE:
            continue
        more = assembled([make(cell.needs, 1, generator).scored]).cell("b", 100)
        tried += 1
        told += more is not None and more.mark != "unsure"
    return {"tried": tried, "told": rate(told, tried)}


def rate(hits: int, n: int) -> list[float]:
    """Share with its Wilson interval."""
    return [hits / n if n else float("nan"), *wilson(hits, n)]


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the page shows."""
    every = [c for row in rows for c in row["cells"]]
    compared = [c for c in every if "mark" in c]
    return {
        "panels": len(rows),
        "wrong": {
            name: rate(sum(any(wrong(c) for c in row["cells"] if "mark" in c) for row in rows), len(rows))
            for name, wrong in _WRONG.items()
        },
        "cells": len(compared),
        "found": {
            f"{word} by {points} points or more": rate(sum(c["mark"] == word for c in chosen), len(chosen))
            for word, sign in (("better", 1), ("worse", -1))
            for points in (10, 20)
            if (chosen := [c for c in compared if c["kind"] == "share" and sign * c["gain"] >= points / 100])
        },
        "coverage": [
            {
                "kind": kind,
                "clustered": clustered,
                "n": len(chosen),
                "difference": rate(sum(c["held"] for c in chosen), len(chosen)),
                "value": rate(sum(c["value_held"] for c in chosen), len(chosen)),
            }
            for kind in ("share", "mean", "auroc")
            for clustered in (False, True)
            if (chosen := [c for c in compared if c["kind"] == kind and c["clustered"] == clustered])
        ],
        "turning": turning(rows),
        "choice": chosen_of([row["choice"] for row in rows if row["choice"] is not None]),
        "with_loss": summed_loss([row["loss"] for row in rows if row["loss"] is not None]),
    }


_WRONG = {
    "better": lambda c: c["mark"] == "better" and c["gain"] <= 1e-12,
    "worse": lambda c: c["mark"] == "worse" and c["gain"] >= -1e-12,
    "same": lambda c: c["mark"] == "same" and c["gain"] < -c["margin"] - 1e-12,
}


def turning(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Turning points over all panels."""
    every = [t for row in rows for t in row["turns"]]
    true = [t for t in every if t["true"]]
    drawn = [t for t in true if t["drawn"]]
    return {
        "wrong_panels": rate(sum(any(t.get("wrong") for t in row["turns"]) for row in rows), len(rows)),
        "behaviours": len(every),
        "planted": len(true),
        "found": rate(len(drawn), len(true)),
        "held": rate(sum(t["held"] for t in drawn), len(drawn)),
        "width": float(np.mean([t["width"] for t in drawn])) if drawn else None,
        "late": float(np.mean([t["late"] for t in drawn])) if drawn else None,
        "by_course": {
            name: {"planted": len(some), "found": rate(sum(t["drawn"] for t in some), len(some)),
                   "held": rate(sum(t["held"] for t in some if t["drawn"]), sum(t["drawn"] for t in some))}
            for name in sorted({t["course"] for t in true})
            if (some := [t for t in true if t["course"] == name])
        },
    }  # fmt: skip


def chosen_of(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Regret, harm and optimism over all panels."""
    names = ("last", "argmax", "guarded argmax", "ours", "ours, strict guards")
    with_ours = [r for r in rows if "honest" in r]
    return {
        "panels": len(rows),
        "ways": {
            name: {
                "regret": float(np.mean([r["oracle"] - r["picks"][name] for r in rows])),
                "regret_error": float(np.std([r["oracle"] - r["picks"][name] for r in rows]) / np.sqrt(len(rows))),
                "harmful": rate(sum(r["harm"][name] for r in rows), len(rows)),
                "place": float(np.mean([r["early"][name] for r in rows if name in r["early"]])),
            }
            for name in names
        },
        "optimism": {
            name: {"mean": float(np.mean(values)), "error": float(np.std(values) / np.sqrt(len(values)))}
            for name, values in (
                ("argmax, all questions", [r["naive"] for r in rows]),
                ("ours, all questions", [r["said ours"] for r in with_ours]),
                ("ours, one half picks and the other reports", [r["honest"] for r in with_ours]),
            )
        },
        "honest_held": rate(sum(r["honest_held"] for r in with_ours), len(with_ours)),
        "tied_holds_best": rate(sum(r["tied_holds_best"] for r in with_ours), len(with_ours)),
    }
