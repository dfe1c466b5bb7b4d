"""Replay: what a rule would have decided at every evaluation of a past run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import overload

from doneness.core import Action, StopDecision
from doneness.runs import Run
from doneness.stopping.outcome import Replayed, outcome
from doneness.stopping.protocol import StopRule


@overload
def replay(run: Run, rule: StopRule) -> list[StopDecision]: ...


@overload
def replay(run: Run, rule: Sequence[StopRule]) -> list[Replayed]: ...


def replay(run: Run, rule: StopRule | Sequence[StopRule]) -> list[StopDecision] | list[Replayed]:
    """Let one rule, or several, decide on a past run, each time from `run.until(step)` alone.

    Returns:
        For one rule its decisions, one per evaluation; for a sequence of rules what each would have
        done: where it stops, what that forgoes, what it saves.
    """
    held = _in_memory(run)
    if isinstance(rule, Sequence):
        return [outcome(held, each) for each in rule]
    return [rule.decide(held.until(step)) for step in _steps(run)]


def first_stop(run: Run, rule: StopRule) -> StopDecision | None:
    """The first decision to stop or cool down, or None where the rule lets the run go to its end."""
    held = _in_memory(run)
    for step in _steps(run):
        decision = rule.decide(held.until(step))
        if decision.action is not Action.CONTINUE:
            return decision
    return None


def _steps(run: Run) -> list[int]:
    return [] if run.evals is None else [int(step) for step in run.evals.step]


def _in_memory(run: Run) -> Run:
    """The same run with its per-example losses loaded once, not once per decision."""
    if run.example_source is None:
        return run
    losses = {each.step: each for each in run.examples}
    return replace(run, example_source=losses.__getitem__)
