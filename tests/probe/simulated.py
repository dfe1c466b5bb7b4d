"""Panels with planted truths: what each checkpoint would answer to every question is drawn beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tests.probe.engines import Planted

from doneness.models import Generated
from doneness.probe import Asking, Panel, Probe, Store, build_table
from doneness.probe.allocation import Aim, Allocated, Rounds, allocate, in_turn
from doneness.probe.choice import goal_of, left_by_goal, ruled_out
from doneness.probe.measure import Measure
from doneness.probe.panel import Alone
from doneness.runs.probes import BASE, Answer, Behaviour

STEPS = (10, 20, 30, 40, 50, 60)


def _share(sort: str) -> Measure:
    guard = sort != "task"
    behaviour = Behaviour(sort, "higher", "share", 0.05, guard=guard, goal=not guard)
    return Measure(behaviour, lambda p, a: float(a.text == "yes") if p.sort == sort else None)


MEASURES = (_share("task"), _share("knowledge"))


@dataclass(frozen=True)
class World:
    """Shares of right answers by sort and step, base first; and which steps are tied in loss."""

    truth: Mapping[str, Sequence[float]]
    questions: int
    tied: tuple[int, ...] = ()
    seed: int = 0

    def probes(self) -> tuple[Probe, ...]:
        half = self.questions // 2
        asked = [Probe(f"t{i}", "task", f"t{i}", "yes", ()) for i in range(half)]
        return in_turn(
            [*asked, *(Probe(f"k{i}", "knowledge", f"k{i}", "yes", ()) for i in range(self.questions - half))]
        )

    def panel(self) -> tuple[Panel, Planted]:
        generator = np.random.default_rng(self.seed)
        probes = self.probes()
        # Neighbouring checkpoints answer alike: each question has one threshold, and a little noise for each of them.
        hard = {p.prompt: generator.random() for p in probes}
        own = {(s, p.prompt): generator.random() for s in (BASE, *STEPS) for p in probes}
        swap = {(s, p.prompt): generator.random() < 0.15 for s in (BASE, *STEPS) for p in probes}
        sort = {p.prompt: p.sort for p in probes}

        def says(step: int, question: str) -> str:
            at = 0 if step == BASE else 1 + STEPS.index(step)
            draw = own[step, question] if swap[step, question] else hard[question]
            return "yes" if draw < self.truth[sort[question]][at] else "no"

        engine = Fast(STEPS, says)
        weights = {s: str(s) for s in (BASE, *STEPS)}
        return Panel(
            Alone(lambda: engine), probes, Asking(max_new_tokens=4, batch_size=64), Store(None), weights
        ), engine

    def aim(self) -> Aim:
        return Aim(self.tied, MEASURES)


class Fast(Planted):
    """Answers without tokens."""

    def _generated(self, text: str) -> Generated:
        return Generated(text, 1, 0.75, False, (1,))


def choice_of(probes: Sequence[Probe], answers: Mapping[int, Sequence[Answer]], tied: Sequence[int]) -> int | None:
    """What the table says, chosen as `probe.choice.explain` does."""
    table = build_table(probes, {s: a for s, a in answers.items() if a}, measures=MEASURES)
    vetoed = ruled_out(table, tied)
    found = goal_of(table)
    if found is not None:
        allowed = [s for s in found[1].candidates if s not in vetoed]
        left = [step for steps in left_by_goal(table, found, tied, allowed) for step in steps]
        if left:
            return left[0]
    return next((s for s in tied if s not in vetoed), None)


def both_ways(world: World, rounds: Rounds) -> tuple[int | None, int | None, Allocated, float]:
    """The choice by allocation and by asking everything, and the share of long answers that the former took."""
    asked, engine = world.panel()
    done = allocate(asked, STEPS, world.aim(), rounds)
    quick = choice_of(asked.probes, asked.answers((BASE, *STEPS)), world.tied)
    took = len(engine.asked)
    asked.ask((BASE, *STEPS))
    return quick, choice_of(asked.probes, asked.answers(), world.tied), done, took / len(engine.asked)


def drawn(seed: int, questions: int = 400) -> World:
    """A run as runs are: the task rises and flattens, knowledge holds or falls late, the loss has a flat stretch."""
    generator = np.random.default_rng([seed, 7])
    base, gain = generator.uniform(0.2, 0.6), generator.choice([0.0, 0.05, 0.15, 0.3])
    pace = generator.uniform(0.3, 2.5)
    task = [base, *(base + gain * (1 - np.exp(-pace * (k + 1))) for k in range(len(STEPS)))]
    late = int(generator.integers(2, len(STEPS) + 1))
    fall = generator.choice([0.0, 0.0, 0.1, 0.25])
    known = generator.uniform(0.5, 0.8)
    knowledge = [known, *(known - (fall if k >= late else 0.0) for k in range(len(STEPS)))]
    first = int(generator.integers(0, len(STEPS) - 1))
    tied = STEPS[first : first + int(generator.integers(1, 4))]
    return World({"task": task, "knowledge": knowledge}, questions, tuple(tied), seed)
