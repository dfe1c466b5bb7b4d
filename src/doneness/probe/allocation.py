"""Which questions are put to which checkpoints: cheap ones to all, long ones where they can still change the choice.

All checkpoints get what takes one forward pass (likelihoods), and the first questions that are answered at length.
Then, round by round, more questions go to fewer checkpoints: the lower half is dropped, except those within
noise of the best (one standard error of the paired difference) and those that could still be picked. Asking ends where
the choice is certain, where everything was asked, or where the budget does.

Source: successive halving, Jamieson & Talwalkar, AISTATS 2016; what may be dropped is stricter than there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil
from typing import Any

import numpy as np

from doneness.probe.asking import CHEAP, WRITTEN, asks_of
from doneness.probe.behaviours import MEASURES
from doneness.probe.budget import Budget, Meter
from doneness.probe.choice import picked_step
from doneness.probe.foresight import Foreseen, drawn_whole, foresee
from doneness.probe.measure import Measure
from doneness.probe.panel import Panel
from doneness.probe.scoring import Scored, score
from doneness.probe.suite import Probe
from doneness.probe.table import build_table
from doneness.probe.vetoes import Guards
from doneness.runs.probes import BASE, ProbeTable


@dataclass(frozen=True)
class Rounds:
    """How fast the field narrows.

    Attributes:
        first: questions answered at length by every checkpoint.
        growth: how many times as many there are after each further round; the more often it is looked, the sooner
            what is certain is seen, and every round reads anew what the prompts begin with.
        noise: standard errors below the best that still count as noise.
        sure: share of foreseen outcomes that makes a choice certain; above 1 everything is asked.
        rare: share of foreseen outcomes below which a checkpoint no longer matters.
    """

    first: int = 100
    growth: float = 1.25
    noise: float = 1.0
    sure: float = 0.95
    rare: float = 0.005


@dataclass(frozen=True)
class Aim:
    """What the choice is made by.

    Attributes:
        tied: steps in the order in which loss alone would take them; empty where nothing is known.
        measures: the behaviours.
        guards: which of them may rule out.
        goal: the one that is to decide; None leaves it to those that are goals.
    """

    tied: tuple[int, ...] = ()
    measures: Sequence[Measure] = MEASURES
    guards: Guards = field(default_factory=Guards)
    goal: str | None = None


@dataclass(frozen=True)
class Round:
    """One round.

    Attributes:
        questions: that were put so far to those still in.
        steps: still in.
        dropped: step → what it was below the best by, in standard errors, and how often it was foreseen to matter.
        picked: step → share of foreseen outcomes; "-" for no checkpoint.
    """

    questions: int
    steps: tuple[int, ...]
    dropped: Mapping[int, Mapping[str, float]]
    picked: Mapping[str, float]


@dataclass(frozen=True)
class Allocated:
    """What was asked and why no more.

    Attributes:
        rounds: one after the other.
        ended: "all" (everything was asked), "certain" (more questions would not change the choice), or "budget".
        unasked: by step, questions answered at length that were left out.
        questions: all there are.
    """

    rounds: tuple[Round, ...]
    ended: str
    unasked: Mapping[int, int]
    questions: int

    def to_dict(self) -> dict[str, Any]:
        """As it is written down."""
        data = asdict(self)
        data["unasked"] = {str(step): n for step, n in self.unasked.items()}
        data["rounds"] = [
            {**each, "steps": list(each["steps"]), "dropped": {str(s): v for s, v in each["dropped"].items()}}
            for each in data["rounds"]
        ]
        return data


def allocate(
    panel: Panel,
    steps: Sequence[int],
    aim: Aim | None = None,
    rounds: Rounds | None = None,
    budget: Budget | None = None,
    meter: Meter | None = None,
) -> Allocated:
    """Ask `steps` and the base model, as much as the choice between them takes.

    The answers are in the panel's store. Questions are put in the panel's order; put those of a kind in turn
    (`in_turn`), so that the first hundred stand for all.

    Args:
        panel: of the run.
        steps: checkpoints to choose from.
        aim: what the choice is made by.
        rounds: how fast the field narrows.
        budget: what it may cost.
        meter: of that budget, where it began to run before.
    """
    return _Field(panel, steps, aim or Aim(), rounds or Rounds(), meter or Meter(budget or Budget())).run()


def in_turn(probes: Sequence[Probe]) -> tuple[Probe, ...]:
    """The same questions, the sorts in proportion in every beginning of the list."""
    by_sort: dict[str, list[Probe]] = {}
    for probe in probes:
        by_sort.setdefault(probe.sort, []).append(probe)
    placed = [((i + 0.5) / len(some), sort, probe) for sort, some in by_sort.items() for i, probe in enumerate(some)]
    return tuple(probe for _, _, probe in sorted(placed, key=lambda each: each[:2]))


class _Field:
    """The checkpoints that are still in, and what was decided so far."""

    def __init__(self, panel: Panel, steps: Sequence[int], aim: Aim, rounds: Rounds, meter: Meter) -> None:
        self.panel, self.aim, self.rounds, self.meter = panel, aim, rounds, meter
        self.all = tuple(sorted(set(steps) - {BASE}))
        self.active = list(self.all)
        self.written = tuple(p for p in panel.probes if set(asks_of(p)) & set(WRITTEN))
        self.told: list[Round] = []
        self.compared = 0  # with base, in the whole table; counted at the first look

    def run(self) -> Allocated:
        """Round by round."""
        self.panel.expect((BASE, *self.all), self.panel.probes, (*CHEAP, *WRITTEN))
        if not self._put((BASE, *self._order()), self.panel.probes, CHEAP):
            return self._ended("budget")
        for count in self._sizes():
            if not self._put((BASE, *self._order()), self.written[:count], WRITTEN):
                return self._ended("budget")
            if self._narrowed(count):
                return self._ended("certain")
        return self._ended("all" if len(self.active) == len(self.all) else "certain")

    def _sizes(self) -> list[int]:
        """How many questions there are after each round; with a budget small rounds come first, which end in step."""
        whole, sizes = len(self.written), []
        count = self.panel.asking.batch_size if self.meter.budget else self.rounds.first
        while count < whole:
            sizes.append(count)
            count = 2 * count if count < self.rounds.first else ceil(count * self.rounds.growth)
        return [*sizes, whole] if whole else []

    def _order(self) -> list[int]:
        """What matters most first where a budget may end it; else by step, where drafts are of the neighbour."""
        if not self.meter.budget:
            return sorted(self.active)
        first = [s for s in self.aim.tied if s in self.active]
        return [*first, *(s for s in sorted(self.active) if s not in first)]

    def _put(self, steps: Sequence[int], probes: Sequence[Probe], asks: Sequence[str]) -> bool:
        whole = self.panel.ask(steps, probes, asks, lambda job: self.meter.enough(job, self.panel.written))
        self.meter.close(self.panel.written)
        return whole

    def _narrowed(self, count: int) -> bool:
        """Drop who cannot be picked any more; whether the choice is certain."""
        if count >= len(self.written) or count < self.rounds.first:
            return False
        scored = self._scored()
        self.compared = self.compared or self._comparisons()
        found = foresee(scored, self.active, self._whole(scored), self.aim.tied, self.aim.goal, self.compared)
        if found is None:
            return False
        behind = {step: self._behind(scored, step) for step in self.active}
        dropped = self._dropped(found, behind)
        self.active = [s for s in self.active if s not in dropped]
        shares = {str(s if s is not None else "-"): round(p, 4) for s, p in found.picked.items()}
        self.told.append(Round(count, tuple(self.active), dropped, shares))
        step, share = found.likeliest
        # What is picked in the end is picked from the answers there are, which may not yet show what more would.
        return share >= self.rounds.sure and step == picked_step(self._table(), self.aim.tied)

    def _table(self) -> ProbeTable:
        """What would be said if asking ended here."""
        answers = {s: a for s, a in self.panel.answers((BASE, *self.all)).items() if a}
        aim = self.aim
        return build_table(self.panel.probes, answers, aim.measures, None, aim.guards, aim.goal, aim.tied)

    def _comparisons(self) -> int:
        """How many comparisons with base the table corrects for, once all are asked."""
        answers = self.panel.answers((BASE, *self.all), partial=True)
        rows = [score(measure, self.panel.probes, answers) for measure in self.aim.measures]
        return sum(each is not None for each in rows) * len(self.all)

    def _dropped(self, found: Foreseen, behind: Mapping[int, float]) -> dict[int, dict[str, float]]:
        """The lower half, less those within noise of the best and those that could still matter."""
        ranked = sorted(self.active, key=lambda s: (behind[s], s))
        lower = ranked[ceil(len(ranked) / 2) :]
        gone = [s for s in lower if behind[s] > self.rounds.noise and found.matters(s) <= self.rounds.rare]
        return {s: {"behind": round(behind[s], 3), "matters": round(found.matters(s), 4)} for s in gone}

    def _behind(self, scored: Sequence[Scored], step: int) -> float:
        """By how many standard errors it lies below the best: in the goals together, the least of them counts."""
        least = [self._below(each, step) for each in scored if self._is_goal(each)]
        known = [value for value in least if value is not None]
        if known:
            return min(known)
        # Without a goal the loss decides, and guards: who is not tied in loss is behind all who are.
        return 0.0 if step in self.aim.tied or not self.aim.tied else float("inf")

    def _below(self, scored: Scored, step: int) -> float | None:
        steps = [s for s in self.active if s in scored.steps]
        drawn = drawn_whole(scored, steps, 1) if step in steps else None
        if drawn is None:
            return None
        levels = scored.sign * scored.only(steps).levels
        best = int(np.argmax(levels))
        mine = steps.index(step)
        if mine == best:
            return 0.0
        apart = scored.only(steps).draws
        error = float(np.nanstd(apart[:, best] - apart[:, mine]))
        gap = float(levels[best] - levels[mine])
        floor = 1.0 / max(1, int(np.isfinite(scored.values).all(axis=0).sum()))
        return gap / max(error, floor * (1.0 if scored.measure.behaviour.unit == "share" else 1e-9))

    def _is_goal(self, scored: Scored) -> bool:
        behaviour = scored.measure.behaviour
        return behaviour.name == self.aim.goal if self.aim.goal else behaviour.goal

    def _scored(self) -> list[Scored]:
        """Behaviours that decide, on what every one of the active was asked."""
        answers = self.panel.answers((BASE, *self.active), partial=True)
        wanted = [self.aim.guards.applied(m) for m in self.aim.measures]
        deciding = [m for m in wanted if m.behaviour.goal or m.behaviour.guard or m.behaviour.name == self.aim.goal]
        kept = {s: {a.id: a for a in some} for s, some in answers.items()}
        found = []
        for measure in deciding:
            asked = [p for p in self.panel.probes if self._asked(p, measure, kept)]
            if (each := score(measure, asked, answers)) is not None:
                found.append(each)
        return found

    def _asked(self, probe: Probe, measure: Measure, kept: Mapping[int, Mapping[str, Any]]) -> bool:
        """Whether all were asked what this behaviour needs of the question."""
        return all(
            probe.id in some and all(self.panel.key(s, probe, ask) in self.panel.store for ask in measure.needs)
            for s, some in kept.items()
            if set(measure.needs) <= set(asks_of(probe))
        )

    def _whole(self, scored: Sequence[Scored]) -> list[int]:
        """For each behaviour, how many questions bear on it once all are asked."""
        sizes = []
        for each in scored:
            able = [p for p in self.panel.probes if set(each.measure.needs) <= set(asks_of(p))]
            done = [p for p in able if all(self.panel.key(BASE, p, a) in self.panel.store for a in each.measure.needs)]
            asked = int(np.isfinite(each.values).all(axis=0).sum())
            sorts = {p.sort for p in done}
            ratio = sum(p.sort in sorts for p in able) / max(1, len(done))
            sizes.append(max(asked, round(asked * ratio)))
        return sizes

    def _ended(self, how: str) -> Allocated:
        unasked = {}
        for step in (BASE, *self.all):
            left = {probe.id for probe, _ in self.panel.lacking(step, self.written, WRITTEN)}
            if left:
                unasked[step] = len(left)
        if not unasked and how == "certain":
            how = "all"
        return Allocated(tuple(self.told), how, unasked, len(self.written))
