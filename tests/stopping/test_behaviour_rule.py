from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.core import Action, StopDecision, Verdict, say
from doneness.runs import Run
from doneness.runs.panels import Panel, Scores, panels_of, save_panels, to_record, with_panels
from doneness.runs.probes import Behaviour
from doneness.runs.run import Event, Series
from doneness.stopping import replay
from doneness.stopping.rules import BehaviourRule

GUARD = Behaviour("knowledge", "higher", "share", 0.05, guard=True)
GOAL = Behaviour("task_exact", "higher", "share", 0.02, guard=False, goal=True)
LENGTH = Behaviour("length", "none", "tokens", 3.0, guard=True)


class Says:
    """An inner rule that has made up its mind."""

    name = "planted"

    def __init__(self, action: Action = Action.CONTINUE, verdict: Verdict = Verdict.LEARNING, best: int = 30) -> None:
        self.action, self.verdict, self.best = action, verdict, best

    def decide(self, run: Run) -> StopDecision:
        return StopDecision(
            self.action, self.verdict, say("stopping.none_yet", step=run.last_step), (), run.last_step, self.best
        )


HARM = Says(Action.STOP, Verdict.OVERFITTING)


def scores(behaviour: Behaviour, right: int, n: int = 40) -> Scores:
    return Scores(behaviour, True, {f"q{i}": float(i < right) for i in range(n)})


def run_of(*panels: tuple[int, Sequence[Scores]]) -> Run:
    last = max(step for step, _ in panels)
    steps = list(range(10, last + 1, 10))
    evals = Series.of(steps, [1.0 / s for s in steps])
    events = tuple(Event("probe", step, {"panel": to_record(some)}) for step, some in panels)
    return Run("planted", series={"eval/loss": evals, "train/loss": evals}, events=events)


def guard(*rights: int, n: int = 40) -> Run:
    return run_of(*((10 * (k + 1), [scores(GUARD, right, n)]) for k, right in enumerate(rights)))


def test_a_guard_that_goes_off_ends_the_run_while_loss_falls() -> None:
    run = guard(34, 36, 35, 4)
    decision = BehaviourRule(Says()).decide(run)
    assert (decision.action, decision.verdict) == (Action.STOP, Verdict.OVERFITTING)
    assert decision.recommended_step == 30  # what loss recommends, as it is sound
    for lang in ("en", "zh"):
        assert "0.9" in decision.reason.text(lang) and "20" in decision.reason.text(lang)
    assert BehaviourRule(Says(best=40)).decide(run).recommended_step == 30  # not the one that went off


@pytest.mark.parametrize("rights", [(34, 36, 35, 33), (20, 22), (36,), (4, 20, 36)])
def test_noise_and_gains_leave_the_inner_rule_alone(rights: Sequence[int]) -> None:
    decision = BehaviourRule(Says()).decide(guard(*rights))
    assert decision == Says().decide(guard(*rights))


def test_a_change_that_is_no_harm_stops_nothing() -> None:
    long = [Scores(LENGTH, False, {f"q{i}": 10.0 * k + i for i in range(40)}) for k in (1, 9)]
    assert BehaviourRule(Says()).decide(run_of((10, [long[0]]), (20, [long[1]]))).action is Action.CONTINUE
    small = replace(GUARD, margin=0.5)
    assert BehaviourRule(Says()).decide(run_of((10, [scores(small, 40)]), (20, [scores(small, 25)]))).action is (
        Action.CONTINUE
    )


def test_overfitting_in_loss_is_overruled_while_behaviour_improves() -> None:
    rising = run_of((30, [scores(GOAL, 8)]), (40, [scores(GOAL, 18)]), (50, [scores(GOAL, 32)]))
    decision = BehaviourRule(HARM).decide(rising)
    assert (decision.action, decision.verdict) == (Action.CONTINUE, Verdict.LEARNING)
    assert decision.reason.key == "stopping.behaviour.improves"
    flat = run_of((30, [scores(GOAL, 8)]), (40, [scores(GOAL, 32)]), (50, [scores(GOAL, 32)]), (60, [scores(GOAL, 32)]))
    assert BehaviourRule(HARM).decide(flat).action is Action.STOP  # it did improve, and does no longer
    for verdict in (Verdict.CONVERGED, Verdict.BROKEN, Verdict.DIVERGED):
        assert BehaviourRule(Says(Action.STOP, verdict)).decide(rising).action is Action.STOP
    off = [scores(GUARD, 36), scores(GUARD, 35), scores(GUARD, 2)]
    both = run_of(*((e.step, [scores(GOAL, 8 + k * 12), off[k]]) for k, e in enumerate(rising.events)))
    assert BehaviourRule(HARM).decide(both).reason.key == "stopping.behaviour.off"


def test_a_decision_never_uses_later_steps() -> None:
    run = guard(34, 36, 35, 30, 20, 4, 2)
    rule = BehaviourRule(Says())
    for step in range(10, 80, 10):
        early = run_of(
            *(
                (e.step, [scores(GUARD, r)])
                for e, r in zip(run.events, (34, 36, 35, 30, 20, 4, 2), strict=True)
                if e.step <= step
            )
        )
        assert rule.decide(run.until(step)) == rule.decide(early)
    actions = [d.action for d in replay(run, rule)]
    assert actions[:4] == [Action.CONTINUE] * 4 and actions[-1] is Action.STOP


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40), min_size=2, max_size=6))
def test_it_stops_only_for_harm_beyond_the_margin(rights: list[int]) -> None:
    decision = BehaviourRule(Says()).decide(guard(*rights))
    if decision.action is Action.STOP:
        assert (max(rights[:-1]) - rights[-1]) / 40 > GUARD.margin
    if rights[-1] == max(rights):
        assert decision.action is Action.CONTINUE


def test_false_stops_stay_below_their_rate() -> None:
    """Ten looks at a model that does not change, 60 times: at most 5 % of runs are stopped."""
    generator = np.random.default_rng(3)
    stopped = 0
    for _ in range(60):
        level = generator.random(40)
        looks: list[tuple[int, list[Scores]]] = []
        rule, halted = BehaviourRule(Says()), False
        for look in range(1, 11):
            noise = np.where(generator.random(40) < 0.4, generator.random(40), level)
            of = {f"q{i}": float(noise[i] < 0.6) for i in range(40)}
            looks.append((look * 10, [Scores(replace(GUARD, name=n), True, of) for n in ("knowledge",)]))
            halted = halted or rule.decide(run_of(*looks)).action is Action.STOP
        stopped += halted
    assert stopped / 60 <= 0.05


@pytest.mark.parametrize(
    "panel",
    [
        None,
        3,
        [],
        [3],
        [{}],
        [
            {
                "name": "x",
                "better": "up",
                "unit": "share",
                "margin": 0.1,
                "guard": True,
                "goal": False,
                "binary": True,
                "scores": {"q": 1},
            }
        ],
        [
            {
                "name": "x",
                "better": "higher",
                "unit": "share",
                "margin": True,
                "guard": True,
                "goal": False,
                "binary": True,
                "scores": {"q": 1},
            }
        ],
        [
            {
                "name": "x",
                "better": "higher",
                "unit": "share",
                "margin": 0.1,
                "guard": True,
                "goal": False,
                "binary": True,
                "scores": {"q": "y"},
            }
        ],
    ],
)
def test_a_damaged_panel_is_passed_over(panel: Any) -> None:
    run = guard(30, 31)
    damaged = replace(run, events=(*run.events, Event("probe", 30, {"panel": panel})))
    assert [p.step for p in panels_of(damaged)] == [10, 20]


def test_what_was_asked_afterwards_is_seen_in_replay(tmp_path: Path) -> None:
    run = replace(guard(34, 36, 35), path=tmp_path)
    save_panels(tmp_path, [Panel(30, {"knowledge": scores(GUARD, 1)}), Panel(40, {"knowledge": scores(GUARD, 2)})])
    with (tmp_path / "probes" / "panels.jsonl").open("a") as handle:
        handle.write("{torn")
    found = panels_of(with_panels(run))
    assert [(p.step, p.scores["knowledge"].mean) for p in found] == [(10, 0.85), (20, 0.9), (30, 0.875), (40, 0.05)]
    assert with_panels(replace(run, path=None)).events == run.events
