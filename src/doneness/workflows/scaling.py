"""A real pair of runs, on few and on many processes: how much faster, and whether they are the same run at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from doneness.core import DonenessError, Finding, Status, say, tr
from doneness.runs import Run, read

_SAME = 0.02  # share by which tokens may differ
_GOOD = 0.7
_MOST = 1.2  # caches may help a little beyond the number of processes; more is another run or another machine
_LEAST = 5  # logged steps, the first left out


@dataclass(frozen=True)
class Pair:
    """What two runs show of one another.

    Attributes:
        few, many: the runs; `processes` of each.
        speed: tokens a second of the second over the first; None where either has no times.
        efficiency: speed by the ratio of processes.
        findings: whether speed, steps, tokens, data and model match.
    """

    few: Run
    many: Run
    processes: tuple[int, int]
    speed: float | None
    efficiency: float | None
    findings: tuple[Finding, ...]


def scaling(few: str, many: str) -> Pair:
    """Read both and hold them against one another.

    Raises:
        DonenessError: a path holds no run, or both were trained on the same number of processes.
    """
    first, second = _one(few), _one(many)
    sizes = int(first.meta.get("processes") or 1), int(second.meta.get("processes") or 1)
    if sizes[0] == sizes[1]:
        raise DonenessError(tr("workflows.same_processes", few=few, many=many, processes=sizes[0]))
    if sizes[0] > sizes[1]:
        first, second, sizes = second, first, (sizes[1], sizes[0])
    ratio = sizes[1] / sizes[0]
    rates = _rate(first), _rate(second)
    speed = rates[1] / rates[0] if rates[0] and rates[1] else None
    efficiency = speed / ratio if speed is not None else None
    findings = (
        _speed(speed, efficiency, sizes),
        _steps(first, second, ratio),
        _tokens(first, second),
        _data(first, second),
        *_model(first, second),
    )
    return Pair(first, second, sizes, speed, efficiency, findings)


def _one(path: str) -> Run:
    found = read(path)
    if not found:
        raise DonenessError(tr("workflows.no_run", path=path))
    return found[0]


def _rate(run: Run) -> float | None:
    """Tokens a second, by the median step: evaluations and the first step lie between two looks at the clock."""
    if run.train is None:
        return None
    tokens, seconds = np.diff(run.train.tokens), np.diff(run.train.time)
    known = (tokens > 0) & (seconds > 0)
    rates = (tokens[known] / seconds[known])[1:]
    return float(np.median(rates)) if len(rates) >= _LEAST else None


def _speed(speed: float | None, efficiency: float | None, sizes: tuple[int, int]) -> Finding:
    if speed is None or efficiency is None:
        return Finding("SC01", Status.UNSURE, say("plan.pair.no_speed", least=_LEAST))
    good = efficiency >= _GOOD
    numbers = {"speed": speed, "few": sizes[0], "many": sizes[1], "efficiency": efficiency}
    if efficiency > _MOST:
        return Finding("SC01", Status.UNSURE, say("plan.pair.fast", **numbers), value=efficiency, threshold=_MOST,
                       advice=say("plan.pair.advice_fast"))  # fmt: skip
    key = "speed" if good else "slow"
    advice = None if good else say("plan.pair.advice_slow", least=_GOOD)
    return Finding("SC01", Status.PASS if good else Status.WARN, say(f"plan.pair.{key}", **numbers), value=efficiency,
                   threshold=_GOOD, advice=advice)  # fmt: skip


def _steps(few: Run, many: Run, ratio: float) -> Finding:
    a, b = _planned(few), _planned(many)
    if not a or not b:
        return Finding("SC02", Status.UNSURE, say("plan.pair.no_steps"))
    numbers = {"few": a, "many": b, "ratio": ratio}
    if abs(a - b) <= max(1, _SAME * a):
        return Finding("SC02", Status.PASS, say("plan.pair.same_steps", **numbers), value=b / a)
    fewer = abs(b * ratio - a) <= max(ratio, 0.05 * a)
    key = "fewer_steps" if fewer else "other_steps"
    return Finding("SC02", Status.WARN, say(f"plan.pair.{key}", **numbers), value=b / a,
                   advice=say(f"plan.pair.advice_{key}", **numbers))  # fmt: skip


def _tokens(few: Run, many: Run) -> Finding:
    a, b = _last(few), _last(many)
    if not a or not b:
        return Finding("SC03", Status.UNSURE, say("plan.pair.no_tokens"))
    apart = abs(b / a - 1)
    numbers = {"few": a, "many": b, "apart": apart}
    if apart <= _SAME:
        return Finding("SC03", Status.PASS, say("plan.pair.same_tokens", **numbers), value=apart, threshold=_SAME)
    return Finding("SC03", Status.WARN, say("plan.pair.other_tokens", **numbers), value=apart, threshold=_SAME,
                   advice=say("plan.pair.advice_other_tokens"))  # fmt: skip


def _data(few: Run, many: Run) -> Finding:
    a, b = few.meta.get("data"), many.meta.get("data")
    if a is None or b is None:
        return Finding("SC04", Status.UNSURE, say("plan.pair.no_data"))
    if a == b:
        return Finding("SC04", Status.PASS, say("plan.pair.same_data"))
    return Finding("SC04", Status.WARN, say("plan.pair.other_data"), advice=say("plan.pair.advice_other_data"))


def _model(few: Run, many: Run) -> tuple[Finding, ...]:
    """Whether as many parameters are there and move; nothing where a run does not tell."""
    known = ("total_parameters", "trainable_parameters")
    a, b = ([run.meta.get(name) or 0 for name in known] for run in (few, many))
    if not all((*a, *b)):
        return ()
    numbers = {"few": a[0], "many": b[0], "few_moving": a[1], "many_moving": b[1]}
    if all(abs(y / x - 1) <= _SAME for x, y in zip(a, b, strict=True)):
        return (Finding("SC05", Status.PASS, say("plan.pair.same_model", **numbers)),)
    advice = say("plan.pair.advice_other_model")
    return (Finding("SC05", Status.WARN, say("plan.pair.other_model", **numbers), advice=advice),)


def _planned(run: Run) -> int:
    return int(run.meta.get("planned_steps") or run.last_step or 0)


def _last(run: Run) -> int:
    """Tokens seen in all; 0 where they are not counted."""
    known = run.train.tokens[np.isfinite(run.train.tokens)] if run.train is not None else np.zeros(0)
    return int(known[-1]) if len(known) else 0
