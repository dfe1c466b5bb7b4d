"""How often a curve that is flat is called overfitting at any of its 20 looks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from doneness.core import Finding
from doneness.diagnose import Params
from doneness.runs import Run
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
