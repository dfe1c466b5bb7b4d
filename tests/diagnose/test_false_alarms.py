"""How often a curve that is flat is called overfitting at any of its 20 looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from doneness.core import Finding
from doneness.diagnose import Params
from doneness.runs import EVAL_LOSS, TRAIN_LOSS, Run, Series
from doneness.testing import synthetic as make

Judge = Callable[..., Finding]


WATCHED = Params(watched=True)


def _ever_failed(judge: Judge, code: str, run: Run) -> bool:
    assert run.evals is not None
    return any(judge(code, run.until(int(step)), WATCHED).status.value == "fail" for step in run.evals.step[2:])


@pytest.mark.parametrize("noise", [0.003, 0.016])
def test_per_example_losses(judge: Judge, noise: float) -> None:
    alarms = [_ever_failed(judge, "CV02", make.flat_run(seed=s, rows=100, noise=noise)) for s in range(40)]
    assert np.mean(alarms) <= 0.05


def test_means_only(judge: Judge) -> None:
    alarms = [_ever_failed(judge, "CV03", make.flat_run(seed=s, rows=0, noise=0.027)) for s in range(40)]
    assert np.mean(alarms) <= 0.1  # 5 % asked for; 40 runs cannot tell 5 from 10


def test_a_flat_curve_seen_once_at_its_end(judge: Judge) -> None:
    alarms = [judge("CV03", make.flat_run(seed=s, rows=0, noise=0.027)).status.value == "fail" for s in range(120)]
    assert np.mean(alarms) <= 0.075  # 4 % asked for; 120 runs cannot tell 4 from 7


@pytest.mark.parametrize(("rise", "least"), [(0.05, 0.65), (0.1, 0.95)])
def test_a_planted_rise_is_found_through_noise_of_1_7_percent(judge: Judge, rise: float, least: float) -> None:
    runs = [make.overfitting_run(rise=rise, seed=s, rows=0, noise=0.0238) for s in range(60)]
    assert np.mean([judge("CV03", run).status.value == "fail" for run in runs]) >= least


def test_a_watched_run_is_not_stopped_by_a_rise_over_three_steps(judge: Judge) -> None:
    """Labels of one token, batches of two: the loss went 6.29, 3.09, 1.40, 2.44, 3.06, and down to 0.91 later."""
    series = {EVAL_LOSS: Series.of([0, 1, 2, 4, 5], [6.29, 3.09, 1.40, 2.44, 3.06])}
    hasty = Run("labels", meta={"planned_steps": 100, "steps_per_epoch": 50}, series=series)
    assert judge("CV03", hasty, WATCHED).status.value == "unsure"
    slow = {EVAL_LOSS: Series.of([0, 20, 40, 80, 100], [6.29, 3.09, 1.40, 2.44, 3.06])}
    assert judge("CV03", Run("labels", meta=hasty.meta, series=slow), WATCHED).status.value == "fail"


def test_ten_rows_that_jump_have_not_diverged(judge: Judge) -> None:
    jumping = [3.97, 2.3, 0.78, 0.2, 0.01, 0.0, 0.0, 2.82, 4.95, 1.06]
    climbing = [1.64, 1.7, 1.66, 1.72, 1.69, 2.4, 3.9, 5.5, 6.8, 7.9]
    found = [
        judge("CV01", Run("train", series={TRAIN_LOSS: Series.of(np.arange(1, 11), loss)})).status.value
        for loss in (jumping, climbing)
    ]
    assert found == ["warn", "fail"]
