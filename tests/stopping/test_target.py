"""A run that is for a measured behaviour stops where it is there, however high the loss."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from doneness.config.target import Target, parse_target
from doneness.core import Action, Verdict
from doneness.runs import Run, Series
from doneness.stopping import EvidenceRule
from doneness.testing import synthetic


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("exact >= 95%", Target("exact", 0.95, True)),
        ("eval_accuracy>0.9", Target("accuracy", 0.9, True)),
        ("eval/wer ≤ 5 %", Target("wer", 0.05, False)),
        ("", None),
    ],
)
def test_what_a_target_says(text: str, wanted: Target | None) -> None:
    assert parse_target(text) == wanted


@pytest.mark.parametrize("text", ["exact", ">= 3", "exact >= x", "exact >= nan", "a b >= 1"])
def test_what_is_no_target(text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        parse_target(text)


def with_exact(values: list[float]) -> Run:
    run = synthetic.learning_run(seed=1, rows=60, evals=len(values) - 1)
    assert run.evals is not None
    column = Series.of(run.evals.step, np.array(values))
    return replace(run, series={**run.series, "eval/exact": column})


def test_a_behaviour_that_is_there_twice_ends_the_run() -> None:
    run = with_exact([0.0, 0.2, 0.96, 0.97, 0.98, 0.99, 1.0, 1.0])
    rule = EvidenceRule(goal="target", aim=Target("exact", 0.95, True))
    assert run.evals is not None
    found = [rule.decide(run.until(int(step))) for step in run.evals.step]
    actions = [each.action for each in found]
    assert actions[:3] == [Action.CONTINUE] * 3, "once may be luck"
    assert actions[3] is Action.STOP
    assert found[3].verdict is Verdict.LEARNING
    assert "0.97" in found[3].reason.text()


def test_a_behaviour_that_comes_and_goes_is_not_there() -> None:
    run = with_exact([0.0, 0.96, 0.4, 0.96, 0.4, 0.96, 0.4, 0.96])
    rule = EvidenceRule(goal="target", aim=Target("exact", 0.95, True))
    assert rule.decide(run).action is Action.CONTINUE


def test_what_the_base_model_can_do_is_no_goal_reached() -> None:
    run = with_exact([1.0, 1.0, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    assert run.evals is not None
    rule = EvidenceRule(goal="target", aim=Target("exact", 0.95, True))
    assert rule.decide(run.until(int(run.evals.step[1]))).action is Action.CONTINUE
