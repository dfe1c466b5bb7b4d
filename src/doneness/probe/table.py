"""From answers to the table: behaviours × checkpoints, each cell with its interval and its mark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from doneness.curves.shares import Interval, mean_interval, paired_share_difference, wilson
from doneness.probe.behaviours import MEASURES
from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import BASE, Answer, Behaviour, Cell, ProbeTable, Question

# id of the question → score
Scores = dict[str, float]


def build_table(probes: Sequence[Probe], answers: Mapping[int, Sequence[Answer]]) -> ProbeTable:
    """Score every answer and hold each checkpoint against base on the same questions.

    Args:
        answers: by step; step 0 is the base model.
    """
    by_id = {p.id: p for p in probes}
    steps = tuple(sorted(answers))
    cells: list[Cell] = []
    turning: dict[str, int | None] = {}
    shown: list[Behaviour] = []
    for measure in MEASURES:
        scores = {s: _scores(measure, by_id, answers[s]) for s in steps}
        row = [c for s in steps if (c := _cell(measure, s, scores[s], scores.get(BASE))) is not None]
        if not row:
            continue
        shown.append(measure.behaviour)
        cells += row
        turning[measure.behaviour.name] = _turning_point(measure, scores)
    questions = tuple(Question(p.id, p.sort, p.prompt, p.reference) for p in probes)
    return ProbeTable(steps, tuple(shown), tuple(cells), questions, turning)


def _scores(measure: Measure, probes: Mapping[str, Probe], answers: Sequence[Answer]) -> Scores:
    found = {a.id: measure.score(probes[a.id], a) for a in answers if a.id in probes}
    return {i: v for i, v in found.items() if v is not None}


def _cell(measure: Measure, step: int, scores: Scores, base: Scores | None) -> Cell | None:
    values = list(scores.values())
    if not values or (not measure.binary and len(values) < 2):
        return None
    interval = wilson(sum(values), len(values)) if measure.binary else _clipped(measure, mean_interval(values))
    difference: tuple[float, Interval] | None = None
    if base is not None and step != BASE:
        difference = paired_difference(measure, scores, base)
    return Cell(
        behaviour=measure.behaviour.name,
        step=step,
        value=fmean(values),
        interval=interval,
        n=len(values),
        mark="base" if step == BASE else mark_of(measure.behaviour, difference[1] if difference else None),
        diff=difference[0] if difference else None,
        diff_interval=difference[1] if difference else None,
    )


def paired_difference(measure: Measure, now: Scores, before: Scores) -> tuple[float, Interval] | None:
    """Difference on the questions that both have a score for, with its 95 % interval; None below two."""
    both = [i for i in now if i in before]
    if len(both) < 2:
        return None
    if measure.binary:
        pairs = [now[i] > 0.5 for i in both], [before[i] > 0.5 for i in both]
        interval = paired_share_difference(*pairs)
    else:
        interval = mean_interval([now[i] - before[i] for i in both])
    return fmean(now[i] - before[i] for i in both), interval


def mark_of(behaviour: Behaviour, interval: Interval | None) -> str:
    """Better, same, worse, changed or unsure against base.

    Worse and better need an interval that leaves zero out; same needs one that leaves out any harm
    larger than the margin. All else is unsure, which is not the same as same.
    """
    if interval is None or not all(map(math.isfinite, interval)):
        return "unsure"
    low, high = interval
    if behaviour.better == "none":
        if low > 0 or high < 0:
            return "changed"
        return "same" if max(-low, high) <= behaviour.margin else "unsure"
    gain_low, gain_high = (low, high) if behaviour.better == "higher" else (-high, -low)
    if gain_high < 0:
        return "worse"
    if gain_low > 0:
        return "better"
    return "same" if gain_low >= -behaviour.margin else "unsure"


def _turning_point(measure: Measure, scores: Mapping[int, Scores]) -> int | None:
    """The first step after the best from which every checkpoint is shown worse than the best."""
    behaviour = measure.behaviour
    steps = [s for s in sorted(scores) if scores[s]]
    if behaviour.better == "none" or len(steps) < 3:
        return None
    sign = 1.0 if behaviour.better == "higher" else -1.0
    best = max(steps, key=lambda s: (sign * fmean(scores[s].values()), -s))
    point = None
    for step in reversed([s for s in steps if s > best]):
        difference = paired_difference(measure, scores[step], scores[best])
        if difference is None or mark_of(behaviour, difference[1]) != "worse":
            break
        point = step
    return point


def _clipped(measure: Measure, interval: Interval) -> Interval:
    top = 1.0 if measure.behaviour.unit == "share" else math.inf
    return max(0.0, interval[0]), min(top, interval[1])
