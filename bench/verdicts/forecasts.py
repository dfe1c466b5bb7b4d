"""The final evaluation loss, told from the first half of the evaluations."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from bench.verdicts.collection import Log, distinct
from bench.verdicts.rules import Cut, extrapolate
from bench.verdicts.weighing import bootstrap, equal_weights, interval, weighted_median
from doneness.core import Message, say
from doneness.diagnose import Params, diagnose
from doneness.diagnose.ahead import public
from doneness.diagnose.case import Case

LEAST = 8


class _ToStep(Case):
    """The case of a diagnosis, asked about one step of ours instead of its own horizon."""

    target = 0

    @property
    def horizon(self) -> tuple[int, Message]:
        return self.target, say("diagnose.horizon.planned", step=self.target)


def measure(jobs: int) -> dict[str, Any]:
    """Errors of the forecast, of the last value and of a plain power law; the coverage of the 90 % band."""
    logs = distinct(LEAST)
    with ProcessPoolExecutor(jobs) as pool:
        found = list(pool.map(_one, range(len(logs)), chunksize=2))
    rows = [{"file": log.name, "repo": log.repo, **row} for log, row in zip(logs, found, strict=True)]
    told = [r for r in rows if r["forecast"] is not None]
    return {
        "runs": len(rows),
        "repositories": len({r["repo"] for r in rows}),
        "without": [r["file"] for r in rows if r["forecast"] is None],
        "errors": {name: _errors(rows, name) for name in ("forecast", "last_value", "power_law")},
        "forecast_less_last": _difference(rows, "forecast", "last_value"),
        "nearer_than_last": _share([(r["repo"], _error(r, "forecast") < _error(r, "last_value")) for r in told]),
        "inside": _share([(r["repo"], r["low"] <= r["final"] <= r["high"]) for r in told]),
        "below": _share([(r["repo"], r["final"] < r["low"]) for r in told]),
        "above": _share([(r["repo"], r["final"] > r["high"]) for r in told]),
        "shown_inside": _share([(r["repo"], r["low"] <= r["final"] <= r["high"]) for r in told if r["shown"]]),
        "half_width": float(np.median([(r["high"] - r["low"]) / 2 / abs(r["final"]) for r in told])),
        "by_repository": _by_repository(rows),
        "each": rows,
    }


def _one(place: int) -> dict[str, Any]:
    log: Log = distinct(LEAST)[place]
    half, last = log.loss.size // 2, int(log.step[-1])
    cut = Cut(log, half)
    case = _ToStep(cut.run, Params())
    object.__setattr__(case, "target", last)
    cast = public(case)
    plain = extrapolate(cut, last)
    now = float(log.loss[half - 1])
    return {
        "final": float(log.loss[-1]),
        "last_value": now,
        "power_law": now - plain[0] if plain is not None else now,
        "forecast": None if cast is None else float(cast.mean[-1]),
        "low": None if cast is None else float(cast.low[-1]),
        "high": None if cast is None else float(cast.high[-1]),
        "points": half,
        "shown": diagnose(cut.run).forecast is not None,
    }


def _error(row: dict[str, Any], name: str) -> float:
    """Absolute error as a share of the final loss; where nothing was forecast, that of the last value."""
    value = row[name] if row[name] is not None else row["last_value"]
    return float(abs(value - row["final"]) / abs(row["final"]))


def _groups(rows: list[dict[str, Any]], *names: str) -> dict[str, Any]:
    repos = dict.fromkeys(r["repo"] for r in rows)
    return {p: np.array([[_error(r, n) for n in names] for r in rows if r["repo"] == p]) for p in repos}


def _errors(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    groups = _groups(rows, name)
    every = np.concatenate(list(groups.values()))[:, 0]

    def middle(values: Any, weights: Any) -> float:
        return weighted_median(values[:, 0], weights)

    return {
        "median_runs": float(np.median(every)),
        "p90_runs": float(np.quantile(every, 0.9)),
        "median_repositories": middle(np.concatenate(list(groups.values())), equal_weights(list(groups.values()))),
        "interval": bootstrap(groups, middle),
    }


def _difference(rows: list[dict[str, Any]], one: str, other: str) -> dict[str, Any]:
    """Median error of one less that of the other, repositories weighing the same."""
    groups = _groups(rows, one, other)

    def gap(values: Any, weights: Any) -> float:
        return weighted_median(values[:, 0], weights) - weighted_median(values[:, 1], weights)

    found = list(groups.values())
    return {"gap": gap(np.concatenate(found), equal_weights(found)), "interval": bootstrap(groups, gap)}


def _share(hits: list[tuple[str, bool]]) -> dict[str, Any]:
    means = [np.mean([h for r, h in hits if r == repo]) for repo in dict.fromkeys(r for r, _ in hits)]
    return {
        "runs": float(np.mean([h for _, h in hits])),
        "repositories": float(np.mean(means)),
        "interval": interval(np.array(means)),
        "n": len(hits),
    }


def _by_repository(rows: list[dict[str, Any]]) -> dict[str, Any]:
    found = {}
    for repo in dict.fromkeys(r["repo"] for r in rows):
        mine = [r for r in rows if r["repo"] == repo]
        found[repo] = {
            "runs": len(mine),
            **{n: float(np.median([_error(r, n) for r in mine])) for n in ("forecast", "last_value", "power_law")},
            "inside": sum(r["low"] is not None and r["low"] <= r["final"] <= r["high"] for r in mine),
        }
    return found
