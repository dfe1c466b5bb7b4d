from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from doneness.curves import Noise, mann_kendall, pooled_noise, theil_sen, trajectory_noise, trend

SPACED = np.array([0, 1, 2, 4, 8, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160])


@pytest.mark.parametrize("count", [8, 20, 50])
def test_noise_is_recovered_on_average(count: int) -> None:
    rng = np.random.default_rng(count)
    step = np.arange(1, count + 1) * 25
    found = [trajectory_noise(step, 1.5 + rng.normal(0, 0.01, count)) for _ in range(300)]
    assert np.mean([f for f in found if f is not None]) == pytest.approx(0.01, rel=0.1)


def test_the_bend_of_a_curve_is_not_noise() -> None:
    found = trajectory_noise(SPACED, 1.2 + (SPACED / 160 + 0.05) ** -0.3)
    assert found is not None
    assert found < 0.005


@settings(max_examples=30)
@given(st.floats(-3, 3), st.floats(0.1, 10))
def test_noise_ignores_shifts_and_follows_scale(shift: float, scale: float) -> None:
    loss = 1.5 + np.random.default_rng(0).normal(0, 0.01, SPACED.size)
    plain, moved = trajectory_noise(SPACED, loss), trajectory_noise(SPACED, scale * loss + shift)
    assert plain is not None
    assert moved == pytest.approx(scale * plain, rel=1e-6)


def test_four_points_tell_no_noise() -> None:
    assert trajectory_noise([1, 2, 3, 4], [1.0, 2.0, 1.0, 2.0]) is None
    assert trajectory_noise([1, 2, 3, 4, 5], [1.0, 2.0, np.nan, 2.0, 1.0]) is None


@pytest.mark.parametrize("count", [6, 10, 20, 40])
def test_the_degrees_of_freedom_of_the_pooled_noise_are_those_of_its_spread(count: int) -> None:
    """With no usual noise to lean on, σ² spreads like a χ² with the degrees that are named, less the pooled two."""
    rng = np.random.default_rng(count)
    found = [pooled_noise(np.arange(count) * 25, 1.5 + rng.normal(0, 0.01, count), 1e-9) for _ in range(1500)]
    own = np.array([f.df - 2.0 for f in found])
    square = np.array([f.sigma**2 * f.df / (f.df - 2.0) for f in found])
    spread = 2.0 * square.mean() ** 2 / square.var()
    assert 0.6 < np.median(own) / spread < 1.6
    assert 0.9 < math.sqrt(square.mean()) / 0.01 < 1.3


def test_the_usual_noise_stands_in_where_evaluations_are_few_and_yields_where_they_are_many() -> None:
    assert pooled_noise([1, 2, 3, 4], [1.0, 2.0, 1.0, 2.0], 0.3) == Noise(0.3, 3.0)
    rng = np.random.default_rng(5)
    step = np.arange(200) * 25
    assert pooled_noise(step, 1.5 + rng.normal(0, 0.01, 200), 0.1).sigma < 0.03
    few = pooled_noise(step[:6], 1.5 + rng.normal(0, 1e-4, 6), 0.1)
    assert 0.05 < few.sigma < 0.1


def test_the_opening_fall_is_no_noise_of_a_test() -> None:
    rng = np.random.default_rng(2)
    step = np.arange(20) * 25
    fallen = 1.5 + np.exp(-step / 60.0) + rng.normal(0, 0.005, 20)
    assert pooled_noise(step, fallen, 0.005).sigma < 0.01


def test_theil_sen_agrees_with_scipy_and_shrugs_at_outliers() -> None:
    rng = np.random.default_rng(4)
    x = np.arange(40.0)
    y = 0.5 * x + rng.normal(0, 1, 40)
    y[3], y[30] = 1e6, -1e6
    found, theirs = theil_sen(x, y, 0.9), stats.theilslopes(y, x, 0.9)
    assert found is not None
    assert found.slope == pytest.approx(theirs.slope)
    assert found.low == pytest.approx(theirs.low_slope, rel=0.02)
    assert found.high == pytest.approx(theirs.high_slope, rel=0.02)


def test_mann_kendall_agrees_with_kendalls_tau() -> None:
    rng = np.random.default_rng(5)
    y = rng.normal(0, 1, 30) - 0.05 * np.arange(30)
    found = mann_kendall(y)
    assert found is not None
    theirs = stats.kendalltau(np.arange(30), y, method="asymptotic", alternative="less").pvalue
    assert found.p_down == pytest.approx(theirs, abs=0.01)
    assert mann_kendall([1.0, 1.0, 1.0, 1.0, 1.0]).p_up == 1.0  # type: ignore[union-attr]


def test_trend_means_the_same_for_short_and_long_logs() -> None:
    def bend(n: int) -> np.ndarray:
        x = np.linspace(0, 1, n)
        return trend(x, np.sin(3 * x) + np.random.default_rng(n).normal(0, 0.05, n), n_out=50).mid

    assert np.abs(bend(300) - bend(20000)).max() < 0.06


def test_trend_passes_over_holes_and_spikes() -> None:
    x = np.arange(200.0)
    y = 2.0 - 0.005 * x
    y[10:15], y[50], y[120] = np.nan, 90.0, -90.0
    found = trend(x, y)
    assert np.abs(found.mid - (2.0 - 0.005 * found.x)).max() < 0.01
    assert (found.low <= found.mid).all()
    assert (found.mid <= found.high).all()


def test_trend_of_nearly_nothing_is_empty() -> None:
    assert trend([1.0, 2.0], [1.0, 2.0]).x.size == 0
    assert trend([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]).x.size == 0


def test_band_covers_the_truth() -> None:
    x = np.linspace(0, 1, 150)
    hits = []
    for seed in range(30):
        found = trend(x, 1 - x + np.random.default_rng(seed).normal(0, 0.1, 150), n_out=20)
        hits.append(np.mean((found.low <= 1 - found.x) & (1 - found.x <= found.high)))
    assert np.mean(hits) > 0.85
