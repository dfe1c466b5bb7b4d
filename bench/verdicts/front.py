"""Regret against compute on real runs, as a rule that is obeyed at its first stop gives it.

Regret: the least loss seen before stopping over the least loss of the run, less one. Compute: the share
of the run's steps done. Runs are averaged in a repository, repositories weigh the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.verdicts import as_told
from bench.verdicts.collection import Log, distinct, sampled
from bench.verdicts.figure import Dot, draw
from bench.verdicts.ours import FACTORIES, GRID, settings
from bench.verdicts.rules import PLAIN, Cut
from bench.verdicts.states import LEAST, rule_names, states
from bench.verdicts.weighing import by_repo, interval, mean

Floats = NDArray[np.float64]
CAP = 0.1
LOSING = 0.01
TOLERANCES = (0.0, 0.005, 0.01, 0.02)
PAIRED = ("diagnosis", "evidence", *GRID)
SHARES = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def measure(wanted: list[str], jobs: int, svg: Path | None, per_repo: int | None) -> dict[str, Any]:
    """Every rule's point with intervals, the front of the plain ones, ours against it, and the README's figures."""
    names = rule_names(wanted)
    logs = sampled(distinct(LEAST), per_repo)
    said = states(names, logs, jobs)
    ends = {name: [_first(said[name, log.name]) for log in logs] for name in names}
    for share in SHARES:
        ends[f"{share:.0%} of the steps"] = [_share(log, share) for log in logs]
    for tolerance in TOLERANCES:
        name = f"oracle within {tolerance:.1%}".replace("%", " %") if tolerance else "oracle"
        ends[name] = [_oracle(log, tolerance) for log in logs]
    ends["whole run"] = [log.loss.size - 1 for log in logs]
    points = {name: _point(logs, at) for name, at in ends.items()}
    for name, point in points.items():
        point |= {"rule": name, "ours": name in FACTORIES, "reference": _is_reference(name)}
    plain = [p for p in points.values() if not p["ours"] and not p["reference"]]
    for point in plain:
        point["front"] = not any(_beats(other, point) for other in plain)
    if svg is not None and not wanted:
        svg.write_text(draw([_dot(p) for p in points.values()]), encoding="utf-8")
    return {
        "runs": len(logs),
        "repositories": len({log.repo for log in logs}),
        "cap": CAP,
        "rules": sorted(points.values(), key=lambda p: p["steps"]["mean"]),
        "left_out": [_left_out(base, points) for base in GRID if all(n in points for n in settings(base))],
        "paired": [row for p in points.values() if p["rule"] in PAIRED for row in _paired(logs, p, plain)],
        "readme": _readme(points),
    }


def _first(stops: list[bool]) -> int:
    return next((i for i, stop in enumerate(stops) if stop), len(stops) - 1)


def _share(log: Log, share: float) -> int:
    """The last evaluation within that share of the steps; the first at least."""
    return max(0, int((log.step <= share * log.step[-1]).sum()) - 1)


def _oracle(log: Log, tolerance: float) -> int:
    least = float(log.loss.min())
    return int(np.flatnonzero(log.loss <= least + tolerance * abs(least))[0])


def _is_reference(name: str) -> bool:
    """Knows the end of the run, or all of it."""
    return name.startswith("oracle") or name.endswith("of the steps") or name == "whole run"


def _point(logs: list[Log], ends: list[int]) -> dict[str, Any]:
    repos = [log.repo for log in logs]
    regret = [float(log.loss[: at + 1].min() / log.loss.min()) - 1.0 for log, at in zip(logs, ends, strict=True)]
    steps = [float(log.step[at] / log.step[-1]) for log, at in zip(logs, ends, strict=True)]
    lost = []
    for log, at in zip(logs, ends, strict=True):
        whole = float(log.loss[0] - log.loss.min())
        lost.append(float(log.loss[: at + 1].min() - log.loss.min()) / whole if whole > 0 else 0.0)
    capped = [min(r, CAP) for r in regret]
    return {
        "regret_capped": mean(repos, list(capped)),
        "regret": mean(repos, list(regret)),
        "gain_lost": mean(repos, list(lost)),
        "steps": mean(repos, list(steps)),
        "losing": sum(r > LOSING for r in regret),
        "front": False,
        "by_repository": {
            repo: [r, s] for (repo, r), s in zip(
                by_repo(repos, list(capped)).items(), by_repo(repos, list(steps)).values(), strict=True)
        },
        "by_run": {log.name: [r, s] for log, r, s in zip(logs, regret, steps, strict=True)},
    }  # fmt: skip


def _beats(a: dict[str, Any], b: dict[str, Any]) -> bool:
    x, y = (a["regret_capped"]["mean"], a["steps"]["mean"]), (b["regret_capped"]["mean"], b["steps"]["mean"])
    return x[0] <= y[0] and x[1] <= y[1] and x != y


def _paired(logs: list[Log], ours: dict[str, Any], plain: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Ours less the best plain rules, repository by repository.

    The plain rules are chosen on these same runs, which favours them: of those that run no more steps the one
    of least regret, of those of no more regret the one of fewest steps, and that of least regret of all.
    """

    def regret(p: dict[str, Any]) -> float:
        return float(p["regret_capped"]["mean"])

    def steps(p: dict[str, Any]) -> float:
        return float(p["steps"]["mean"])

    chosen = {
        "least regret for no more steps": min((p for p in plain if steps(p) <= steps(ours)), key=regret, default=None),
        "fewest steps for no more regret": min(
            (p for p in plain if regret(p) <= regret(ours)), key=steps, default=None),
        "least regret of all": min(plain, key=regret, default=None),
        "patience 3": next((p for p in plain if p["rule"] == "patience 3"), None),
    }  # fmt: skip
    rows = []
    for why, other in chosen.items():
        if other is None:
            rows.append({"rule": ours["rule"], "against": None, "why": why})
            continue
        mine, theirs = (np.array(list(p["by_repository"].values())) for p in (ours, other))
        gap = mine - theirs
        rows.append({
            "rule": ours["rule"], "against": other["rule"], "why": why,
            "regret": [float(gap[:, 0].mean()), *interval(gap[:, 0])],
            "steps": [float(gap[:, 1].mean()), *interval(gap[:, 1])],
        })  # fmt: skip
    return rows


def _left_out(base: str, points: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A tolerance's confidence chosen on all repositories but one, and judged on that one; each in turn.

    Chosen is the setting of least regret among those that run no more than the share of steps allowed.
    """
    names, allowed = settings(base), GRID[base][2]
    table = {name: np.array(list(points[name]["by_repository"].values())) for name in names}
    count = len(table[names[0]])
    held, chosen = np.zeros((count, 2)), []
    for out in range(count):
        rest = {name: np.delete(table[name], out, axis=0).mean(axis=0) for name in names}
        fit = [name for name in names if rest[name][1] <= allowed]
        best = min(fit or names, key=lambda name: rest[name][0 if fit else 1])
        chosen.append(best)
        held[out] = table[best][out]
    return {
        "rule": base,
        "allowed": allowed,
        "regret": [float(held[:, 0].mean()), *interval(held[:, 0])],
        "steps": [float(held[:, 1].mean()), *interval(held[:, 1])],
        "chosen": {name: chosen.count(name) for name in names if name in chosen},
    }


def _readme(points: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The README's figures beside those of this code on the runs that the README counted."""
    logs = as_told.logs()
    rows = []
    for name, told in as_told.README.items():
        if name not in points:
            continue
        if name in PLAIN:
            ends = [_first([PLAIN[name](Cut(log, n)) for n in range(1, log.loss.size + 1)]) for log in logs]
        else:
            ends = [_oracle(log, as_told.TOLERANCES[name]) for log in logs]
        p = _point(logs, ends)
        got = [p["regret"]["mean"], p["gain_lost"]["mean"], p["steps"]["mean"], p["losing"]]
        rows.append({"rule": name, "readme": list(told), "here": got, "runs": len(logs)})
    return rows


def _dot(point: dict[str, Any]) -> Dot:
    kind = "ours" if point["ours"] else "reference" if point["reference"] else "front" if point["front"] else "plain"
    return Dot(point["rule"], point["steps"]["mean"], point["regret_capped"]["mean"], kind)
