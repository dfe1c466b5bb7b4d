"""Statistics of weights agree with the same statistics of repeated rows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.probe.behaviours import MEASURES
from doneness.probe.measure import Measure
from doneness.probe.weighted import weighted_of

STATISTICS = [m for m in MEASURES if m.statistic is not None]


@pytest.mark.parametrize("measure", STATISTICS, ids=lambda m: m.behaviour.name)
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_row_drawn_three_times_weighs_three(measure: Measure, seed: int) -> None:
    assert measure.statistic is not None
    weighted = weighted_of(measure.statistic)
    assert weighted is not None, "without it two thousand draws take seconds"
    generator = np.random.default_rng(seed)
    n = int(generator.integers(4, 60))
    if measure.behaviour.name.startswith("class"):
        rows = np.stack([generator.integers(0, 4, n), generator.integers(-1, 4, n)], axis=1).astype(float)
    elif "ece" in measure.behaviour.name or "auroc" in measure.behaviour.name:
        rows = np.stack([generator.integers(0, 20, n) / 20, generator.integers(0, 2, n)], axis=1).astype(float)
    else:
        rows = np.stack([generator.integers(0, 2, n), generator.random(n)], axis=1).astype(float)
    often = generator.integers(0, 4, (5, n))
    often[0] = 1
    found = weighted(rows, often.astype(float))
    for value, times in zip(found, often, strict=True):
        repeated = np.repeat(rows, times, axis=0)
        expected = measure.statistic(repeated) if len(repeated) else math.nan
        assert value == pytest.approx(expected, nan_ok=True, abs=1e-9)
