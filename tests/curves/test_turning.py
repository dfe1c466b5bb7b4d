from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import nnls

from doneness.curves import convex_fit, critical_turn, turning
from doneness.curves.turning import _hinges, _nonnegative

AT = np.arange(1, 21) / 20


def _settling(seed: int, noise: float = 0.02) -> np.ndarray:
    return np.asarray(1.4 + 0.8 * np.exp(-AT / 0.08) + np.random.default_rng(seed).normal(0, noise, AT.size))


def test_a_curve_that_only_falls_has_no_turn() -> None:
    found = turning(AT, 1.0 + AT**-0.4)
    assert found is not None
    assert found.strength == 0.0
    assert found.rise == 0.0


def test_an_exact_turn_is_certain_and_placed() -> None:
    found = turning(AT, 1.4 + 0.8 * np.exp(-AT / 0.08) + 0.1 * np.maximum(AT - 0.4, 0))
    assert found is not None
    assert found.strength > 3 * critical_turn(20)
    assert found.rise == pytest.approx(0.06, rel=0.1)
    assert 0.3 <= found.low_at <= 0.45


def test_too_few_points_are_no_curve() -> None:
    assert turning([1, 2, 3, 4], [4.0, 3.0, 2.0, 3.0]) is None


@pytest.mark.parametrize("count", [8, 20])
def test_flat_curves_seldom_turn_twice_in_a_row(count: int) -> None:
    alarms = 0
    for seed in range(150):
        y = np.random.default_rng([seed, count]).normal(1.6, 0.03, count)
        looks = [turning(np.arange(k), y[:k]) for k in (count - 1, count)]
        alarms += all(turn is not None and turn.strength > critical_turn(count) for turn in looks)
    assert alarms / 150 <= 0.075  # 4 % asked for; 150 curves cannot tell 4 from 7


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_our_least_squares_are_those_of_scipy(seed: int) -> None:
    y = _settling(seed)
    columns = _hinges((AT - AT[0]) / (AT[-1] - AT[0]))[1]
    ours, _ = _nonnegative(columns, y)
    theirs, _ = nnls(columns, y, maxiter=2000)
    assert ((y - ours) ** 2).sum() == pytest.approx(((y - columns @ theirs) ** 2).sum(), rel=1e-8)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 100.0), st.floats(1.0, 1000.0))
def test_the_strength_has_no_units(seed: int, height: float, width: float) -> None:
    y = _settling(seed)
    plain, scaled = turning(AT, y), turning(AT * width, y * height)
    assert plain is not None
    assert scaled is not None
    assert scaled.strength == pytest.approx(plain.strength, rel=1e-4, abs=1e-6)
    assert scaled.rise == pytest.approx(plain.rise * height, rel=1e-4, abs=1e-9)


def test_the_fit_is_convex() -> None:
    fitted = convex_fit(AT, _settling(1))
    assert (np.diff(fitted, 2) >= -1e-9).all()


def test_a_thousand_points_are_grouped() -> None:
    at = np.arange(1, 1001) / 1000
    found = turning(at, 1.4 + 0.8 * np.exp(-at / 0.08) + 0.1 * np.maximum(at - 0.4, 0))
    assert found is not None
    assert found.n == 40
    assert found.strength > critical_turn(1000)
