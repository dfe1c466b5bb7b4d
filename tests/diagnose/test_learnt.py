"""CV10, what RN01 says of a run that trains nothing, and train and evaluation loss that rise together (CV01)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from doneness.core import LANGUAGES, Action, Finding, Status, Verdict
from doneness.diagnose import diagnose
from doneness.runs import EVAL_LOSS, LEARNING_RATE, TRAIN_LOSS, Run, Series
from doneness.testing import synthetic as make

Judge = Callable[..., Finding]
STEP = np.arange(10, 2001, 10)
EVALS = np.arange(100, 2001, 100)


def course(train: float, evaluation: float | None, noise: float = 0.01, first: int = 0, seed: int = 0) -> Run:
    """Losses that change linearly, by the shares `train` and `evaluation`, from 2 nats."""
    chance = np.random.default_rng(seed)
    keep = first <= STEP
    losses = 2.0 * (1.0 + train * STEP / STEP[-1] + noise * chance.normal(size=STEP.size))
    series = {TRAIN_LOSS: Series.of(STEP[keep], losses[keep])}
    if evaluation is not None:
        series[EVAL_LOSS] = Series.of(EVALS, 2.0 * (1.0 + evaluation * EVALS / EVALS[-1]))
    return Run("course", series=series)


def fast() -> Run:
    """All of the fall lies in the first few rows, before the first evaluation."""
    chance = np.random.default_rng(5)
    losses = 1.2 + 1.4 * np.exp(-STEP / 25.0) + 0.02 * chance.normal(size=STEP.size)
    evals = 1.25 + 0.001 * chance.normal(size=EVALS.size)
    return Run("fast", series={TRAIN_LOSS: Series.of(STEP, losses), EVAL_LOSS: Series.of(EVALS, evals)})


def only(*evals: float) -> Run:
    return Run("evals", series={EVAL_LOSS: Series.of(np.arange(1, len(evals) + 1) * 100, evals)})


@pytest.mark.parametrize(
    ("status", "key", "build"),
    [
        (Status.PASS, "learnt", lambda: course(-0.3, None)),
        (Status.PASS, "evals", lambda: course(0.0, -0.05)),
        (Status.PASS, "evals", lambda: make.converged_run(rows=0)),
        (Status.WARN, "unmoved", lambda: course(0.0, 0.0)),
        (Status.WARN, "unmoved", lambda: course(-0.002, -0.001)),
        (Status.WARN, "unmoved", lambda: course(0.0, None)),
        (Status.UNSURE, "unclear", lambda: course(0.0, None, noise=0.3)),
        (Status.UNSURE, "unclear", lambda: course(0.0, None, first=1000)),
        (Status.UNSURE, "unclear", lambda: course(0.3, 0.3)),
        (Status.WARN, "unmoved", lambda: course(0.0, 0.0, noise=0.1)),
        (Status.PASS, "learnt", fast),
        (Status.PASS, "evals", lambda: only(2.0, 1.8, 1.7)),
        (Status.UNSURE, "flat_evals", lambda: only(2.0, 2.01, 2.0)),
        (Status.UNSURE, "few", lambda: only(2.0, 2.0)),
    ],
)
def test_cv10(judge: Judge, status: Status, key: str, build: Callable[[], Run]) -> None:
    found = judge("CV10", build())
    assert (found.status, found.message.key) == (status, f"diagnose.cv10.{key}")
    for lang in LANGUAGES:
        assert "=" not in found.message.text(lang)
    assert Finding.from_dict(found.to_dict()) == found


def test_cv10_needs_likelihoods(judge: Judge) -> None:
    assert judge("CV10", replace(course(0.0, 0.0), meta={"method": "dpo"})).status is Status.SKIPPED


def test_losses_of_zero_are_no_run_that_stands_still(judge: Judge) -> None:
    flat = course(0.0, 0.0)
    column = flat.series[TRAIN_LOSS]
    zeros = replace(flat, series={**flat.series, TRAIN_LOSS: replace(column, value=1e-3 * column.value)})
    assert judge("CV10", zeros).message.key == "diagnose.cv10.unclear"


def test_a_run_that_stands_where_it_began_is_not_done() -> None:
    found = diagnose(course(0.0, 0.0))
    assert (found.verdict, found.action) == (Verdict.UNDECIDED, Action.STOP)
    assert found.headline is not None
    assert "stands where it began" in found.headline.text("en")
    assert found.advice is not None
    assert "learning rate" in found.advice.text("en")


def test_a_learning_rate_of_zero_is_broken(judge: Judge) -> None:
    run = course(0.0, None)
    idle = replace(run, series={**run.series, LEARNING_RATE: Series.of(STEP, np.zeros(STEP.size))})
    assert judge("RN01", idle).message.key == "diagnose.rn01.no_rate"
    assert diagnose(idle).verdict is Verdict.BROKEN
    printed = replace(
        course(-0.5, None), series={**course(-0.5, None).series, LEARNING_RATE: Series.of(STEP, 0.0 * STEP)}
    )
    assert judge("RN01", printed).status is Status.PASS, "a rate printed with few digits"
    warm = replace(run, series={**run.series, LEARNING_RATE: Series.of(STEP, 1e-5 * (STEP > 500))})
    assert judge("RN01", warm).status is Status.PASS


@pytest.mark.parametrize(
    ("value", "evals", "key"),
    [
        (0.6931, None, "constant"),
        (0.6931, [0.7, 0.7], "constant"),
        (0.6931, [0.7, 0.6], "fine"),  # the evaluations move: the log of the train loss is at fault
        (0.69, None, "fine"),  # two digits hide what moves in the third
    ],
)
def test_the_same_loss_in_every_row(judge: Judge, value: float, evals: list[float] | None, key: str) -> None:
    series = {TRAIN_LOSS: Series.of(STEP, np.full(STEP.size, value))}
    if evals is not None:
        series[EVAL_LOSS] = Series.of([1000, 2000], evals)
    assert judge("RN01", Run("same", series=series)).message.key == f"diagnose.rn01.{key}"


def turned(train: float) -> Run:
    """Evaluations that fall, then rise by a tenth; train loss that changes by `train` meanwhile."""
    half = EVALS[-1] / 2
    evals = 2.0 - 0.4 * np.minimum(EVALS, half) / half + 0.2 * np.maximum(EVALS - half, 0) / half
    chance = np.random.default_rng(3)
    losses = 2.0 - 0.4 * np.minimum(STEP, half) / half + train * np.maximum(STEP - half, 0) / half
    series = {
        TRAIN_LOSS: Series.of(STEP, losses + 0.02 * chance.normal(size=STEP.size)),
        EVAL_LOSS: Series.of(EVALS, evals + 0.005 * chance.normal(size=EVALS.size)),
    }
    return Run("turned", series=series)


def test_both_losses_rising_is_no_overfitting(judge: Judge) -> None:
    found = diagnose(turned(0.25))
    assert found.verdict is Verdict.DIVERGED
    assert judge("CV01", turned(0.25)).message.key == "diagnose.cv01.together"
    for fall in (-0.2, 0.0, 0.03):
        assert diagnose(turned(fall)).verdict is Verdict.OVERFITTING


def test_a_rise_that_falls_again_or_comes_with_a_higher_rate_is_no_divergence() -> None:
    run = turned(0.25)
    late = STEP > 1700
    losses = run.series[TRAIN_LOSS].value - 0.0008 * np.where(late, STEP - 1700.0, 0.0)
    evals = run.series[EVAL_LOSS].value - 0.0008 * np.maximum(EVALS - 1500.0, 0.0)
    receding = replace(run, series={TRAIN_LOSS: Series.of(STEP, losses), EVAL_LOSS: Series.of(EVALS, evals)})
    restarted = replace(run, series={**run.series, LEARNING_RATE: Series.of(STEP, np.where(STEP > 1000, 2e-4, 2e-5))})
    for each in (receding, restarted):
        assert diagnose(each).verdict is not Verdict.DIVERGED


def test_a_spike_that_passed_names_what_would_have_avoided_it(judge: Judge) -> None:
    chance = np.random.default_rng(0)
    losses = 1.5 + 0.05 * chance.normal(size=STEP.size) + 3.0 * ((STEP > 800) & (STEP < 1200))
    found = judge("CV01", Run("spike", series={TRAIN_LOSS: Series.of(STEP, losses)}))
    assert (found.status, found.message.key) == (Status.WARN, "diagnose.cv01.passed")
    assert found.advice is not None
    assert "lower peak learning rate" in found.advice.text("en")


def test_being_done_on_a_high_rate_says_so_in_the_advice() -> None:
    run = replace(make.converged_run(rows=0, schedule="cosine"), events=())
    assert run.number("planned_steps") is not None
    early = diagnose(run, until=int(0.6 * run.last_step))
    assert early.action is Action.STOP
    assert early.advice is not None
    assert "% of its peak" in early.advice.text("en")
