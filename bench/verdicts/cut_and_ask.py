"""Real runs cut at every evaluation: is more to come, and what does each rule say?

Truth: the best loss up to the cut is improved by more than 1 % later in the same log. Wrong stop:
stop is said while more comes. Right stop: stop is said when no more comes. Cuts are averaged in a run, runs
in a repository, repositories weigh the same.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from rich.progress import track

from bench.verdicts import state_files
from bench.verdicts.collection import Log, distinct, sampled
from bench.verdicts.rivals import RIVALS, ask, installed
from bench.verdicts.states import rule_names, states
from bench.verdicts.weighing import bootstrap, mean

FIRST = 5  # evaluations at the first cut
LEAST = 8  # evaluations of a run
MORE = 0.01  # a later gain of this share is "more to come"
CAP = 0.1

PLAIN_HERE = (
    "patience 3", "patience 3, threshold 1.0%", "patience 5", "UP3", "trend 8 < 1.0%", "trend 8 to end < 1.0%",
    "power law < 1.0%",
)  # fmt: skip


def measure(wanted: list[str], jobs: int, rivals: bool, per_repo: int | None) -> dict[str, Any]:
    """Both tables: every run, and the Trainer's own logs, which the other tools can read."""
    names = [n for n in rule_names(wanted, PLAIN_HERE) if not n.startswith("evidence, ")]
    logs = sampled(distinct(LEAST), per_repo)
    said = states(names, logs, jobs)
    native = [log for log in logs if log.kind == "hf_trainer"]
    rows = [_row(name, logs, said) for name in [*names, "never stop"]]
    own = [_row(name, native, said) for name in [*names, "never stop"]]
    silent: dict[str, list[str]] = {}
    if rivals and installed():
        asked = [name for name in RIVALS if not wanted or name in wanted]
        theirs, silent = _rivals(asked, native, jobs)
        own += [_row(name, native, theirs) for name in asked]
    return {
        "runs": len(logs),
        "repositories": len({log.repo for log in logs}),
        "cuts": sum(log.loss.size - FIRST for log in logs),
        "trainer_runs": len(native),
        "trainer_repositories": len({log.repo for log in native}),
        "trainer_cuts": sum(log.loss.size - FIRST for log in native),
        "all": rows,
        "trainer_logs": own,
        "raised": silent,
    }


def _row(name: str, logs: list[Log], said: dict[tuple[str, str], list[bool]]) -> dict[str, Any]:
    wrong: list[float | None] = []
    right: list[float | None] = []
    pooled = np.zeros((2, 2))
    obeyed = []
    for log in logs:
        stops = np.array(said.get((name, log.name), [False] * log.loss.size))[FIRST - 1 : -1]
        more = to_come(log)[FIRST - 1 : -1]
        wrong.append(float(stops[more].mean()) if more.any() else None)
        right.append(float(stops[~more].mean()) if (~more).any() else None)
        pooled += [[(stops & more).sum(), more.sum()], [(stops & ~more).sum(), (~more).sum()]]
        obeyed.append(_obeyed(log, stops))
    repos = [log.repo for log in logs]
    forgone = [o[0] for o in obeyed]
    return {
        "rule": name,
        "wrong": mean(repos, wrong),
        "right": mean(repos, right),
        "right_minus_wrong": _difference(repos, wrong, right),
        "wrong_by_run": float(np.mean([w for w in wrong if w is not None])),
        "right_by_run": float(np.mean([r for r in right if r is not None])),
        "wrong_pooled": float(pooled[0, 0] / pooled[0, 1]),
        "right_pooled": float(pooled[1, 0] / pooled[1, 1]),
        "forgone_capped": mean(repos, [min(f, CAP) for f in forgone]),
        "forgone": mean(repos, list(forgone)),
        "forgone_by_run": float(np.mean(forgone)),
        "losing": sum(f > MORE for f in forgone),
        "stopped": sum(o[2] for o in obeyed),
        "saved": mean(repos, [o[1] for o in obeyed]),
        "saved_by_run": float(np.mean([o[1] for o in obeyed])),
        "each": {log.name: {"wrong": w, "right": r, "forgone": o[0], "saved": o[1]}
                 for log, w, r, o in zip(logs, wrong, right, obeyed, strict=True)},
    }  # fmt: skip


def to_come(log: Log) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """At every evaluation: is the best so far improved by more than 1 % later?"""
    best = np.minimum.accumulate(log.loss)
    later = np.minimum.accumulate(log.loss[::-1])[::-1]
    rest = np.append(later[1:], np.inf)
    return np.asarray(rest < best - MORE * np.abs(best))


def _obeyed(log: Log, stops: np.ndarray[Any, Any]) -> tuple[float, float, bool]:
    """Loss forgone and share of evaluations saved by obeying the first stop, and whether there was one."""
    where = np.flatnonzero(stops)
    if not where.size:
        return 0.0, 0.0, False
    at = FIRST - 1 + int(where[0])
    least = float(log.loss.min())
    return float(log.loss[: at + 1].min() - least) / abs(least), 1.0 - (at + 1) / log.loss.size, True


def _difference(repos: list[str], wrong: list[float | None], right: list[float | None]) -> dict[str, Any]:
    """Right stops less wrong stops, repositories drawn whole."""
    groups = {
        repo: np.array([[np.nan if v is None else v for v in (w, r)]
                        for each, w, r in zip(repos, wrong, right, strict=True) if each == repo])
        for repo in dict.fromkeys(repos)
    }  # fmt: skip

    def gap(values: Any, weights: Any) -> float:
        known = np.isfinite(values)
        parts = [np.average(values[known[:, k], k], weights=weights[known[:, k]]) for k in (0, 1) if known[:, k].any()]
        return float(parts[1] - parts[0]) if len(parts) == 2 else float("nan")

    return {"interval": bootstrap(groups, gap)}


def _rivals(
    names: list[str], logs: list[Log], jobs: int
) -> tuple[dict[tuple[str, str], list[bool]], dict[str, list[str]]]:
    """What they say at every cut from the fifth evaluation on; earlier and last places are filled with False."""
    tasks = [(name, place, count) for name in names for place, log in enumerate(logs)
             for count in range(FIRST, log.loss.size)]  # fmt: skip
    files = [(name, logs[place].file, int(logs[place].step[count - 1])) for name, place, count in tasks]
    said = {(name, log.name): [False] * log.loss.size for name in names for log in logs}
    raised: dict[str, list[str]] = {name: [] for name in names}
    with ProcessPoolExecutor(jobs) as pool:
        answers = pool.map(_ask, files, chunksize=8)
        for (name, place, count), answer in track(
            zip(tasks, answers, strict=True), "other tools on real runs", total=len(tasks), transient=True
        ):
            said[name, logs[place].name][count - 1] = answer["overfitting"] or answer["plateau"]
            if "error" in answer:
                raised[name].append(f"{logs[place].file} at evaluation {count}: {answer['error']}")
    return said, raised


def _ask(task: tuple[str, str, int]) -> dict[str, Any]:
    name, file, step = task
    return ask(name, state_files.cut(file, step))
