"""From answers to the table: behaviours × checkpoints, each cell with its interval and its mark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import NamedTuple

from doneness.curves.shares import (
    Interval,
    mcnemar_p,
    mean_interval,
    paired_share_difference,
    paired_t_p,
    tidy,
    wilson,
)
from doneness.probe.behaviours import MEASURES
from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import BASE, Answer, Behaviour, Cell, ProbeTable, Question

# id of the question → score
Scores = dict[str, float]

_FAMILY_WISE = 0.05


class Difference(NamedTuple):
    """Two checkpoints on the same questions: mean difference, its 95 % interval, two-sided p-value."""

    value: float
    interval: Interval
    p: float


def build_table(probes: Sequence[Probe], answers: Mapping[int, Sequence[Answer]]) -> ProbeTable:
    """Score every answer and hold each checkpoint against base on the same questions.

    Args:
        answers: by step; step 0 is the base model.
    """
    by_id = {p.id: p for p in probes}
    steps = tuple(sorted(answers))
    cells: list[Cell] = []
    shown: dict[str, tuple[Measure, dict[int, Scores]]] = {}
    for measure in MEASURES:
        scores = {s: _scores(measure, by_id, answers[s]) for s in steps}
        row = [c for s in steps if (c := _cell(measure, s, scores[s], scores.get(BASE))) is not None]
        if not row:
            continue
        shown[measure.behaviour.name] = measure, scores
        cells += row
    questions = tuple(Question(p.id, p.sort, p.prompt, p.reference) for p in probes)
    behaviours = tuple(m.behaviour for m, _ in shown.values())
    turning = {name: _turning_point(*found, of=len(shown)) for name, found in shown.items()}
    return ProbeTable(steps, behaviours, tuple(cells), questions, turning)


def _scores(measure: Measure, probes: Mapping[str, Probe], answers: Sequence[Answer]) -> Scores:
    found = {a.id: measure.score(probes[a.id], a) for a in answers if a.id in probes}
    return {i: v for i, v in found.items() if v is not None}


def _cell(measure: Measure, step: int, scores: Scores, base: Scores | None) -> Cell | None:
    values = list(scores.values())
    if not values or (not measure.binary and len(values) < 2):
        return None
    interval = wilson(sum(values), len(values)) if measure.binary else _mean_interval(measure, values)
    difference: Difference | None = None
    if base is not None and step != BASE:
        difference = paired_difference(measure, scores, base)
    return Cell(
        behaviour=measure.behaviour.name,
        step=step,
        value=tidy(fmean(values)),
        interval=interval,
        n=len(values),
        mark="base" if step == BASE else mark_of(measure.behaviour, difference.interval if difference else None),
        diff=difference.value if difference else None,
        diff_interval=difference.interval if difference else None,
        p=difference.p if difference else None,
    )


def paired_difference(measure: Measure, now: Scores, before: Scores) -> Difference | None:
    """`now` − `before` on the questions that both have a score for; None below two of them."""
    both = [i for i in now if i in before]
    if len(both) < 2:
        return None
    differences = [now[i] - before[i] for i in both]
    middle = tidy(fmean(differences))
    if measure.binary:
        pairs = [now[i] > 0.5 for i in both], [before[i] > 0.5 for i in both]
        return Difference(middle, paired_share_difference(*pairs), mcnemar_p(*pairs))
    scale = _scale(measure, [scores[i] for scores in (now, before) for i in both])
    return Difference(middle, mean_interval(differences, scale=scale), paired_t_p(differences, scale=scale))


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


def _turning_point(measure: Measure, scores: Mapping[int, Scores], of: int = 1) -> int | None:
    """The first step after the best from which every checkpoint is shown worse than the best.

    The best is picked by looking, and every behaviour has its try. So a difference counts where its
    p-value stays below 5 % after Bonferroni's correction over all pairs of checkpoints and all `of`
    behaviours: the chance that any turning point in the table is an accident is then 5 % at most.
    """
    steps = [s for s in sorted(scores) if scores[s]]
    if measure.behaviour.better == "none" or len(steps) < 3:
        return None
    sign = 1.0 if measure.behaviour.better == "higher" else -1.0
    limit = _FAMILY_WISE / (math.comb(len(steps), 2) * of)
    best = max(steps, key=lambda s: (sign * fmean(scores[s].values()), -s))
    point = None
    for step in reversed([s for s in steps if s > best]):
        difference = paired_difference(measure, scores[step], scores[best])
        if difference is None or sign * difference.value >= 0 or difference.p > limit:
            break
        point = step
    return point


def _mean_interval(measure: Measure, values: Sequence[float]) -> Interval:
    top = 1.0 if measure.behaviour.unit == "share" else math.inf
    low, high = mean_interval(values, scale=_scale(measure, values))
    return max(0.0, low), min(top, high)


def _scale(measure: Measure, values: Sequence[float]) -> float:
    """What one more answer could add: 1 for shares, else as much as the largest value seen."""
    return 1.0 if measure.behaviour.unit == "share" else max(1.0, *values)
