"""Scoring: every answer of every checkpoint in one array, questions beside questions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from doneness.curves.clustered import Groups, groups_of
from doneness.curves.resample import mean_draws, statistic_draws
from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.probe.weighted import weighted_of
from doneness.runs.probes import BASE, Answer

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scored:
    """One behaviour of all checkpoints.

    Attributes:
        steps: of the checkpoints, ascending; k of them.
        values: by checkpoint and question, NaN where a question has none; shape (k, n). For a statistic 1 where a
            question adds a row to it.
        groups: which questions belong together.
        rows: what each question adds to a statistic; shape (k, n, d), None for a mean.
    """

    measure: Measure
    steps: tuple[int, ...]
    values: Floats
    groups: Groups
    rows: Floats | None = None

    @property
    def sign(self) -> float:
        """1 where higher is better, −1 where lower is; 0 where neither is."""
        return {"higher": 1.0, "lower": -1.0}.get(self.measure.behaviour.better, 0.0)

    @cached_property
    def levels(self) -> Floats:
        """The value of each checkpoint, NaN where it was not asked; shape (k,).

        Where some were asked fewer questions than others, they are set beside the one that was asked most by the
        questions that both were asked: easier questions make no better checkpoint.
        """
        there = np.isfinite(self.values)
        if self.rows is not None:
            return np.array([self._statistic(k, there[k]) for k in range(len(self.steps))])
        count = there.sum(axis=1)
        most = int(np.argmax(count))
        out = np.full(len(self.steps), np.nan)
        for k in range(len(self.steps)):
            both = there[k] & there[most]
            if count[k] == count[most]:
                out[k] = self.values[k, there[k]].mean() if count[k] else math.nan
            elif both.any():
                out[k] = self.values[most, there[most]].mean() + (self.values[k, both] - self.values[most, both]).mean()
        return out

    @cached_property
    def draws(self) -> Floats:
        """Values of each checkpoint on clusters drawn anew; shape (draws, k)."""
        if self.rows is None:
            return mean_draws(self.values, self.groups)
        assert self.measure.statistic is not None
        return statistic_draws(self.rows, self.groups, self.measure.statistic, weighted_of(self.measure.statistic))

    def only(self, steps: Sequence[int]) -> Scored:
        """The same of some of the checkpoints."""
        index = [self.steps.index(s) for s in steps]
        rows = None if self.rows is None else self.rows[index]
        found = Scored(self.measure, tuple(steps), self.values[index], self.groups, rows)
        if "draws" in self.__dict__:
            found.__dict__["draws"] = self.draws[:, index]
        return found

    def statistic(self, k: int, questions: NDArray[np.bool_]) -> float:
        """The value of one checkpoint on some of the questions; NaN without any."""
        chosen = questions & np.isfinite(self.values[k])
        if not chosen.any():
            return math.nan
        return float(self.values[k, chosen].mean()) if self.rows is None else self._statistic(k, chosen)

    def _statistic(self, k: int, chosen: NDArray[np.bool_]) -> float:
        assert self.rows is not None and self.measure.statistic is not None
        return float(self.measure.statistic(self.rows[k, chosen])) if chosen.any() else math.nan


def score(measure: Measure, probes: Sequence[Probe], answers: Mapping[int, Sequence[Answer]]) -> Scored | None:
    """Score one behaviour; None where no answer bears on it.

    Args:
        probes: in any order; answers to others are passed over.
        answers: by step; step 0 is the base model.
    """
    steps = tuple(sorted(answers))
    by_id = {s: {a.id: a for a in answers[s]} for s in steps}
    found = [[_row(measure, p, by_id[s].get(p.id), by_id.get(BASE, {}).get(p.id)) for p in probes] for s in steps]
    width = max((len(row) for line in found for row in line if row), default=0)
    kept = [i for i in range(len(probes)) if any(line[i] for line in found)]
    if not kept:
        return None
    missing = (math.nan,) * width
    rows = np.array([[line[i] or missing for i in kept] for line in found], dtype=np.float64)
    rows[~np.isfinite(rows).all(axis=2)] = math.nan
    groups = groups_of([probes[i].cluster for i in kept])
    if measure.row is None:
        return Scored(measure, steps, rows[:, :, 0], groups)
    there = np.where(np.isfinite(rows[:, :, 0]), 1.0, math.nan)
    return Scored(measure, steps, there, groups, rows)


def _row(measure: Measure, probe: Probe, answer: Answer | None, base: Answer | None) -> tuple[float, ...] | None:
    """What one answer adds, None where it bears not on the behaviour or was not asked for it."""
    if answer is None or not set(measure.needs) <= set(probe.asks):
        return None
    if measure.row is not None:
        return measure.row(probe, answer)
    if measure.against is not None:
        value = None if base is None else measure.against(probe, answer, base)
    else:
        value = measure.score(probe, answer)
    return None if value is None else (float(value),)
