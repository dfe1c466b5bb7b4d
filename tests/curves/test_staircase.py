"""False alarms, power and robustness of the staircase, on losses with planted drops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from doneness.curves import staircase

Floats = NDArray[np.float64]
PER = 60


def losses(
    seed: int, drop: float = 0.0, noise: float = 0.15, correlation: float = 0.3, per: int = PER, epochs: int = 3
) -> tuple[Floats, Floats]:
    """Epochs and train losses: an early fall, a cosine's help, a share `drop` off at every edge, AR(1) noise."""
    rng = np.random.default_rng(seed)
    n = per * epochs
    epoch = np.arange(1, n + 1) / per
    course = 1.0 + 0.8 * np.exp(-epoch / 0.15) - 0.075 * (1.0 - np.cos(np.pi * epoch / epochs))
    course *= (1.0 - drop) ** np.floor(np.arange(n) / per)
    error = rng.normal(size=n)
    for i in range(1, n):
        error[i] = correlation * error[i - 1] + np.sqrt(1.0 - correlation**2) * error[i]
    return epoch, course * (1.0 + noise * error)


def certain(epoch: Floats, value: Floats) -> bool:
    found = staircase(epoch, value)
    assert found is not None
    stayed, se = found.stayed
    return found.p(0.005 * found.level) < 0.00135 and found.total > 0.01 * found.level and stayed > 2.0 * se


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_no_staircase_is_seen_where_there_is_none(correlation: float) -> None:
    assert np.mean([certain(*losses(seed, correlation=correlation)) for seed in range(500)]) <= 0.02


def test_drops_of_5_percent_are_found_with_enough_rows() -> None:
    found = [certain(*losses(seed, drop=0.05, noise=0.05, correlation=0.0, per=200)) for seed in range(60)]
    assert np.mean(found) >= 0.95


def test_the_interval_covers_what_was_planted() -> None:
    inside = []
    for seed in range(200):
        epoch, value = losses(seed, drop=0.1, correlation=0.0, per=100)
        found = staircase(epoch, value)
        assert found is not None
        low, high = found.interval(0.9)
        # Shares of the course at either edge.
        truth = 0.1 * (1.0 - 0.0375) + 0.09 * (1.0 - 0.1125)
        inside.append(low <= truth <= high)
    assert np.mean(inside) >= 0.8


def test_outliers_do_not_make_a_staircase() -> None:
    for at in (PER - 1, PER, PER + 1, PER // 2 + PER):
        for size in (20.0, -20.0):
            hits = 0
            for seed in range(20):
                epoch, value = losses(seed, correlation=0.0)
                value[at] += size
                hits += certain(epoch, value)
            assert hits <= 1


def test_a_pattern_that_every_epoch_repeats_shows_itself() -> None:
    # Rows in a fixed order, the hard ones last: the loss falls at every edge and climbs back.
    rng = np.random.default_rng(0)
    epoch = np.arange(1, 301) / 100
    found = staircase(epoch, 1.0 + 0.5 * ((epoch - 1e-9) % 1.0) + 0.02 * rng.normal(size=300))
    assert found is not None
    assert found.total == pytest.approx(1.0, abs=0.05)
    assert abs(found.stayed[0]) < 3.0 * found.stayed[1]
    assert found.climb[0] > 10.0 * found.climb[1]
    stairs = staircase(*losses(0, drop=0.2, noise=0.02, correlation=0.0))
    assert stairs is not None
    assert stairs.stayed[0] > 10.0 * stairs.stayed[1]
    assert stairs.climb[0] < 2.0 * stairs.climb[1]


def test_a_smooth_fall_is_no_staircase() -> None:
    epoch = np.arange(1, 301) / 100
    for tau in (0.1, 0.3, 1.0, 3.0):
        found = staircase(epoch, 1.0 + np.exp(-epoch / tau))
        assert found is not None
        assert found.total < 0.001


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_scale_changes_nothing_but_the_unit(scale: float) -> None:
    epoch, value = losses(3, drop=0.1)
    one, other = staircase(epoch, value), staircase(epoch, value * scale)
    assert one is not None
    assert other is not None
    assert other.total == pytest.approx(one.total * scale)
    assert other.z == pytest.approx(one.z)


def test_rows_that_span_an_edge_and_edges_left_out_do_not_count() -> None:
    epoch, value = losses(1, drop=0.3, noise=0.01)
    shifted = epoch + 0.4 / PER  # every row now averages over a piece of time that no longer ends at the edge
    found = staircase(shifted, value)
    assert found is not None
    assert certain(shifted, value)
    alone = staircase(epoch, value, without={1})
    assert alone is not None
    assert [d.edge for d in alone.drops] == [2]


def test_too_few_rows_say_nothing() -> None:
    assert staircase([], []) is None
    assert staircase(np.arange(1, 41) / 10, np.ones(40), least=12) is None
    assert staircase([0.5, 1.0, 1.5, 2.0], [2.0, 1.9, 1.2, 1.1]) is None
    assert staircase(np.arange(1, 101) / 100, np.ones(100)) is None  # one epoch has no inner edge
    flat = staircase(np.arange(1, 201) / 100, np.ones(200))
    assert flat is not None
    assert flat.se > 0
    assert flat.p() > 0.1
