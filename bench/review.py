"""Simulated reviewers whose taste is known: what blind review finds, and with how many votes.

    python -m bench review
    python -m bench review --from bench/results/review.json     # the page again, from what was measured

Answers are drawn anew for every world: a checkpoint has a quality, each answer is better or worse than that, and at a
quarter of the questions a checkpoint says word for word what the one before it said. A vote is taste plus logistic
noise; small differences are ties. The truth is the share of points over 40,000 other questions of the same kind.

1. Votes until "settled", looking after every vote, the same worlds with pairs picked by what they tell and at random.
2. False "settled": worlds in which one checkpoint is preferred to each of the others by just more than the margin,
   so that "settled" on any but the best is wrong.
3. Intervals after a fixed number of votes: how often they hold the truth. Order and best checkpoint found.
4. A reviewer who leans to the left side: found by the share of left, and by pairs shown again, swapped.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import numpy as np

import doneness
from bench.review_page import page
from bench.review_worlds import Kind, Sitting, World, shares, truth
from doneness.curves.shares import wilson
from doneness.review import MARGIN, Habits, biases

KINDS = {
    "clear": Kind((0.0, 0.5, 1.0, 2.0, 1.0)),
    "near": Kind((0.0, 0.5, 1.0, 1.6, 1.2)),
}
COVERED = Kind((0.0, 0.5, 1.0, 1.2))
_MOST, _FEW = 700, 200  # votes in a sitting


def main(argv: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench review", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--worlds", type=int, default=24, help="worlds of each kind; more where a rate is counted")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("bench/results"))
    parser.add_argument("--from", dest="told", type=Path, metavar="FILE", help="a review.json: write its page again")
    options = parser.parse_args(argv)
    found = measure(options) if options.told is None else json.loads(options.told.read_text(encoding="utf-8"))
    text = page(found)
    print("\n".join(text))
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "review.json").write_text(json.dumps(found, indent=1, default=float) + "\n", encoding="utf-8")
    (options.out / "review.md").write_text("\n".join(text) + "\n", encoding="utf-8")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All four parts."""
    n = options.worlds
    with ProcessPoolExecutor(options.jobs) as pool:
        run = partial(_many, pool)
        settled = {name: run(partial(until_settled, kind), n) for name, kind in KINDS.items()}
        false = run(partial(false_claim, just()), 6 * n)
        cover = {
            "picked by what they tell": run(partial(covered, True), 2 * n),
            "at random": run(partial(covered, False), 2 * n),
        }
        leaning = run(leans, n)
    everything = [r for rows in (*settled.values(), false, *cover.values(), leaning) for r in rows]
    return {
        "about": {
            "doneness": doneness.__version__, "python": platform.python_version(), "numpy": np.__version__,
            "worlds": n, "margin": MARGIN, "cpu_seconds": sum(r["seconds"] for r in everything),
        },
        "settled": [settled_row(name, KINDS[name], rows) for name, rows in settled.items()],
        "false": false_row(just(), false),
        "cover": [cover_row(name, rows) for name, rows in cover.items()],
        "leaning": leaning_row(leaning),
    }  # fmt: skip


def _many(pool: ProcessPoolExecutor, of: Callable[[int], dict[str, Any]], n: int) -> list[dict[str, Any]]:
    return list(pool.map(partial(_timed, of), range(n)))


def _timed(of: Callable[[int], dict[str, Any]], seed: int) -> dict[str, Any]:
    begun = time.process_time()
    return of(seed) | {"seconds": time.process_time() - begun}


# 1. Votes until settled


def until_settled(kind: Kind, seed: int) -> dict[str, Any]:
    """The votes that each way of picking takes on one world, and what it then says."""
    points, row = truth(kind), {}
    for way, active in (("active", True), ("random", False)):
        sitting = Sitting(World(kind, seed), habits=Habits(active=active, repeat=0.0, shared=0.0))
        _, end = sitting.until(_MOST, MARGIN)
        row[way] = {"votes": len(sitting.votes), "done": end.done} | _judged(points, end.leader, end.best, end.done)
    return row


def _judged(points: Any, leader: int, best: bool, done: bool) -> dict[str, bool]:
    others = np.delete(points[:, leader], leader)
    return {
        "wrong": bool(done and others.max() > 0.5 + MARGIN),
        "best_wrong": bool(best and others.max() > 0.5),
        "right_one": bool(others.max() <= 0.5),
    }


def settled_row(name: str, kind: Kind, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Votes of both ways; a sitting that did not settle counts with the votes it was given."""
    ways = {}
    for way in ("active", "random"):
        votes = [r[way]["votes"] for r in rows]
        ways[way] = {
            "median": median(votes), "mean": fmean(votes), "settled": sum(r[way]["done"] for r in rows),
            "wrong": sum(r[way]["wrong"] for r in rows), "best": sum(r[way]["right_one"] for r in rows),
        }  # fmt: skip
    active, random = (np.array([r[way]["votes"] for r in rows], dtype=float) for way in ("active", "random"))
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(rows), len(rows)) for _ in range(2000)]
    saved = sorted(1.0 - active[d].mean() / random[d].mean() for d in drawn)
    fewer = [1.0 - active.mean() / random.mean(), saved[50], saved[1949]]
    best = truth(kind)[int(np.argmax(kind.quality))]
    return {
        "kind": name, "worlds": len(rows), "most": _MOST, "ways": ways, "fewer": fewer,
        "next": float(sorted(best)[1]) if best.min() < 0.5 else 0.5, "best_takes": [float(p) for p in best],
    }  # fmt: skip


# 2. False claims


def just() -> Kind:
    """Four checkpoints, the first preferred to each of the others by a hundredth more than the margin."""
    low, high = 0.0, 3.0
    for _ in range(25):
        middle = 0.5 * (low + high)
        kind = Kind((middle, 0.0, 0.0, 0.0), same=0.0)
        low, high = (middle, high) if truth(kind)[0, 1] < 0.51 + MARGIN else (low, middle)
    return Kind((round(high, 4), 0.0, 0.0, 0.0), same=0.0)


def false_claim(kind: Kind, seed: int) -> dict[str, Any]:
    """Whether a sitting ever says "settled" of one that another is preferred to by more than the margin."""
    sitting = Sitting(World(kind, 5000 + seed))
    _, end = sitting.until(_FEW, MARGIN)
    return {"votes": len(sitting.votes), "done": end.done} | _judged(truth(kind), end.leader, end.best, end.done)


def false_row(kind: Kind, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    wrong, best = sum(r["wrong"] for r in rows), sum(r["best_wrong"] for r in rows)
    return {
        "worlds": len(rows), "preferred": float(truth(kind)[0, 1]), "settled": sum(r["done"] for r in rows),
        "most": _FEW, "wrong": [wrong / len(rows), *wilson(wrong, len(rows))],
        "best_wrong": [best / len(rows), *wilson(best, len(rows))],
    }  # fmt: skip


# 3. Intervals


def covered(active: bool, seed: int) -> dict[str, Any]:
    """Whether each interval holds the truth, after 100 votes and after 200."""
    sitting = Sitting(World(COVERED, 9000 + seed), habits=Habits(active=active))
    true, row = shares(truth(COVERED)), {}
    for votes in (100, 200):
        while len(sitting.votes) < votes and sitting.vote():
            pass
        found = sitting.ranking()
        held = [low <= true[k] <= high for k, (_, low, high) in enumerate(map(found.share, range(true.size)))]
        width = [high - low for _, low, high in map(found.share, range(true.size))]
        row[str(votes)] = {
            "held": [bool(h) for h in held], "width": fmean(width), "tau": _tau(found.strength, true),
            "best": bool(true[found.leader] > true.max() - 1e-9),
        }  # fmt: skip
    return row


def _tau(found: Any, true: Any) -> float:
    pairs = [(i, j) for i in range(true.size) for j in range(i)]
    return fmean(float(np.sign((found[i] - found[j]) * (true[i] - true[j]))) for i, j in pairs)


def cover_row(name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Coverage with an interval over worlds, whose intervals hang together."""
    by_votes = {}
    for votes in ("100", "200"):
        shares_held = [fmean(r[votes]["held"]) for r in rows]
        half = 1.96 * stdev(shares_held) / len(rows) ** 0.5
        middle = fmean(shares_held)
        by_votes[votes] = {
            "covered": [middle, max(0.0, middle - half), min(1.0, middle + half)],
            "width": fmean(r[votes]["width"] for r in rows), "tau": fmean(r[votes]["tau"] for r in rows),
            "best": sum(r[votes]["best"] for r in rows),
        }  # fmt: skip
    return {"picked": name, "worlds": len(rows), "votes": by_votes}


# 4. Position


def leans(seed: int) -> dict[str, Any]:
    """Two reviewers of 120 votes each, one of whom leans to the left by a logit."""
    sitting = Sitting(World(COVERED, 13_000 + seed), reviewers=((0.0, 1.0), (1.0, 1.0)))
    while len(sitting.votes) < 240 and sitting.vote():
        pass
    fair, leaning = sorted(biases(sitting.votes), key=lambda each: each.reviewer)
    told = {"left": "left", "decided": "decided", "repeated": "repeated", "kept": "kept", "followed": "followed"}
    row: dict[str, Any] = {
        name: {key: getattr(each, field) for key, field in told.items()} | {"found": each.biased}
        for name, each in (("fair", fair), ("leaning", leaning))
    }
    true = shares(truth(COVERED))
    return row | {"tau": _tau(sitting.ranking().strength, true)}


def leaning_row(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {"worlds": len(rows), "tau": fmean(r["tau"] for r in rows)}
    for name in ("fair", "leaning"):
        sums = {key: sum(r[name][key] for r in rows) for key in ("left", "decided", "repeated", "kept", "followed")}
        flagged = sum(r[name]["found"] for r in rows)
        found[name] = {
            "flagged": [flagged / len(rows), *wilson(flagged, len(rows))],
            "left": sums["left"] / sums["decided"],
            "kept": [sums["kept"] / sums["repeated"], *wilson(sums["kept"], sums["repeated"])],
            "followed": [sums["followed"] / sums["repeated"], *wilson(sums["followed"], sums["repeated"])],
            "repeated": sums["repeated"],
        }  # fmt: skip
    return found
