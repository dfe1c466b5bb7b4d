from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.curves import forecast, read_rate, told_end

STEP = np.arange(0, 601, 30)


def _law(step: np.ndarray) -> np.ndarray:
    return np.asarray(1.0 + (step / 600 + 0.02) ** -0.25)


def test_three_evaluations_give_no_forecast() -> None:
    assert forecast([1, 2, 3], [3.0, 2.0, 1.5], 10) is None
    assert forecast(STEP, _law(STEP), 600) is None


def test_a_power_law_is_carried_on() -> None:
    found = forecast(STEP, _law(STEP), 900)
    assert found is not None
    truth = float(_law(np.array([600.0]))[0] - _law(np.array([900.0]))[0])
    low, high = found.interval(0.9)
    assert low < truth < high
    assert found.gain == pytest.approx(truth, rel=0.5)
    assert found.method == "power law"


def _outcomes(noise: float, seeds: int) -> tuple[float, float]:
    """Share covered by the 90 % interval, share above it; three kinds of curve, from their first 60 %."""
    kinds = (_law, lambda s: 1.4 + 0.8 * np.exp(-s / 60), lambda s: 1.2 + 0.9 * np.exp(-s / 250))
    inside, above = [], []
    past = STEP[STEP <= 360]
    for seed in range(seeds):
        truth = kinds[seed % 3]
        rng = np.random.default_rng(seed)
        found = forecast(past, truth(past) + rng.normal(0, noise, past.size), 600)
        assert found is not None
        low, high = found.interval(0.9)
        real = float(truth(np.array([360.0]))[0] - truth(np.array([600.0]))[0])
        inside.append(low <= real <= high)
        above.append(real > high)
    return float(np.mean(inside)), float(np.mean(above))


@pytest.mark.parametrize("noise", [0.004, 0.015])
def test_the_interval_covers_what_then_happened(noise: float) -> None:
    inside, above = _outcomes(noise, 45)
    assert inside >= 0.85
    assert above <= 0.1


def test_a_loss_that_rises_is_carried_on_rising() -> None:
    step = np.arange(1, 11) * 100
    loss = 1.4 + 0.6 * np.exp(-step / 120) + 0.0002 * np.maximum(step - 400, 0)
    found = forecast(step, loss, 2000)
    assert found is not None
    assert found.mean[-1] > loss[-1] + 0.05
    assert found.gain < 0
    assert found.to_gain() < 0.01


def test_the_best_of_several_is_not_taken_at_its_word() -> None:
    loss = 1.5 + np.random.default_rng(3).normal(0, 0.02, STEP.size)
    found = forecast(STEP, loss, 900)
    assert found is not None
    assert found.best > loss.min() + 0.005


def test_few_points_make_wide_intervals() -> None:
    few, many = forecast(STEP[:5], _law(STEP[:5]), 900), forecast(STEP[:9], _law(STEP[:9]), 900)
    assert few is not None
    assert many is not None
    assert np.ptp(few.interval()) > np.ptp(many.interval())


@settings(max_examples=8, deadline=None)
@given(st.floats(0.2, 5.0))
def test_gains_follow_the_scale_of_the_loss(scale: float) -> None:
    loss = _law(STEP) + np.random.default_rng(0).normal(0, 0.005, STEP.size)
    plain, scaled = forecast(STEP, loss, 900), forecast(STEP, scale * loss, 900)
    assert plain is not None
    assert scaled is not None
    assert scaled.gain == pytest.approx(scale * plain.gain, rel=1e-3)
    assert scaled.interval()[1] == pytest.approx(scale * plain.interval()[1], rel=1e-3)


def test_it_is_the_same_every_time() -> None:
    first, again = forecast(STEP, _law(STEP), 900), forecast(STEP, _law(STEP), 900)
    assert first is not None
    assert again is not None
    assert (first.gain, *first.interval()) == (again.gain, *again.interval())


def test_no_loss_is_foreseen_below_zero() -> None:
    step = np.arange(1, 9) * 50
    found = forecast(step, np.linspace(1.0, 0.1, 8), 4000)
    assert found is not None
    assert found.interval()[1] <= found.level
    assert (found.fan()[0] >= 0.0).all()
    assert (found.mean >= 0.0).all()


def test_a_coming_decay_raises_what_may_still_come() -> None:
    settled = 1.5 + 0.5 * np.exp(-STEP / 60)
    logged = np.linspace(0, 600, 601)
    held = read_rate(logged, np.full(601, 2e-4), 1000)
    falling = read_rate(logged, 2e-4 * (1 - logged / 1000), 1000)
    flat, decay = forecast(STEP, settled, 1000, held), forecast(STEP, settled, 1000, falling)
    assert flat is not None
    assert decay is not None
    assert flat.method == decay.method == "lr-law"
    assert flat.anneal == pytest.approx(0.0, abs=1e-12)
    assert decay.anneal >= 0.0
    assert decay.to_gain(0.9) > flat.to_gain(0.9) - 0.01


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("constant", lambda u: np.ones_like(u)),
        ("linear", lambda u: 1 - u),
        ("cosine", lambda u: 0.5 + 0.5 * np.cos(np.pi * u)),
    ],
)
def test_schedules_are_recognised_and_continued(name: str, shape: object) -> None:
    step = np.arange(0, 601)
    rate = read_rate(step, 3e-4 * shape(step / 1000), 1000)  # type: ignore[operator]
    assert rate is not None
    assert rate.shape == name
    assert float(rate.at(800)) == pytest.approx(float(shape(np.array([0.8]))[0]), abs=0.02)  # type: ignore[operator]


def test_a_rate_that_says_nothing_is_none() -> None:
    assert read_rate([1], [1e-4], None) is None
    assert read_rate([1, 2, 3], [0.0, 0.0, np.nan], 10) is None
    held = read_rate([1, 2, 3], [1e-4, 1e-4, 1e-4], None)
    assert held is not None
    assert held.shape == "held"


@pytest.mark.parametrize("shape", [lambda u: 1 - u, lambda u: 0.5 + 0.5 * np.cos(np.pi * u)])
def test_a_decaying_rate_tells_where_the_plan_ends(shape: object) -> None:
    step = np.arange(0, 401, 10)
    rate = 3e-4 * np.minimum(step / 50, 1.0) * shape(np.maximum(step - 50, 0) / 950)  # type: ignore[operator]
    assert told_end(step, rate) == pytest.approx(1000, rel=0.02)


def test_a_rate_without_a_plan_tells_none() -> None:
    step = np.arange(0, 401, 10)
    assert told_end(step, np.full(step.size, 1e-4)) is None
    assert told_end(step, 1e-4 * step / 400) is None
    assert told_end(step[:4], 1e-4 * (1 - step[:4] / 1000)) is None
    assert told_end(step, np.where(step < 200, 1e-4, 1e-5)) is None
