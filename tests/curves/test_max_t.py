"""Holm and max-T: what they promise, on p-values and on simulated questions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from doneness.curves.clustered import flip_p, groups_of
from doneness.curves.multiplicity import drawn_pairs, flipped_pairs, holm_adjusted, step_down
from doneness.curves.resample import halves, mean_draws, statistic_draws
from doneness.curves.shares import holm

P = st.lists(st.floats(0, 1), max_size=30)


@settings(deadline=None)
@given(P, st.sampled_from([0.01, 0.05, 0.2]))
def test_adjusted_p_values_reject_what_holm_rejects(p: list[float], alpha: float) -> None:
    adjusted = holm_adjusted(p)
    near = [abs(a - alpha) < 1e-12 for a in adjusted]
    for flag, value, close in zip(holm(p, alpha), adjusted, near, strict=True):
        assert close or flag == (value <= alpha)
    assert all(a >= b for a, b in zip(adjusted, p, strict=True))


def test_a_missing_p_value_counts_and_is_never_rejected() -> None:
    adjusted = holm_adjusted([0.01, math.nan])
    assert adjusted[0] == pytest.approx(0.02)
    assert math.isnan(adjusted[1])


def test_no_difference_is_never_shown() -> None:
    p = step_down(*flipped_pairs(np.zeros((6, 50))))
    assert p.tolist() == [1.0] * 6


def test_one_comparison_alone_is_the_exact_test() -> None:
    sums = np.array([[1.0] * 18 + [-1.0] * 6 + [0.0] * 30])
    p = step_down(*flipped_pairs(sums))
    assert p[0] == pytest.approx(flip_p(sums[0]), abs=0.006)


def test_what_is_large_is_shown_and_what_is_small_beside_it_is_held_back() -> None:
    generator = np.random.default_rng(4)
    large = np.where(generator.random(80) < 0.7, 1.0, 0.0)
    small = np.where(generator.random(80) < 0.55, 1.0, -1.0) * (generator.random(80) < 0.3)
    p = step_down(*flipped_pairs(np.stack([large, *[small] * 3])))
    assert p[0] < 0.001
    assert p[1] == p[2] == p[3] > flip_p(small) / 2


def test_the_family_errs_no_more_than_it_may() -> None:
    """400 panels of seven checkpoints that do not differ, answers alike among neighbours."""
    generator = np.random.default_rng(9)
    wrong = bare = 0
    for _ in range(400):
        right = generator.random(60) < 0.6
        values = np.where(generator.random((7, 60)) < 0.15, ~right, right).astype(float)
        sums = np.stack([values[i] - values[j] for i in range(7) for j in range(i)])
        wrong += step_down(*flipped_pairs(sums, flips=499)).min() <= 0.05
        bare += min(flip_p(s) for s in sums) <= 0.05
    assert wrong / 400 <= 0.075  # two standard errors above 5 %
    assert bare / 400 > 0.2  # what the correction is for


def test_statistics_are_compared_by_their_draws() -> None:
    generator = np.random.default_rng(2)
    draws = generator.normal([0.5, 0.9, 0.52], 0.04, (2000, 3))
    p = step_down(*drawn_pairs(np.array([0.5, 0.9, 0.52]), draws, [(1, 0), (2, 0), (1, 2)]))
    assert p[0] < 0.01
    assert p[2] < 0.01
    assert p[1] > 0.5
    assert step_down(np.zeros(0), np.zeros((10, 0))).size == 0


def test_means_and_statistics_are_drawn_alike() -> None:
    generator = np.random.default_rng(6)
    values = generator.random((2, 40))
    values[1, 30:] = math.nan
    groups = groups_of([f"{i // 2}" for i in range(40)])
    means = mean_draws(values, groups, draws=200)
    other = statistic_draws(values[:, :, None], groups, lambda rows: float(rows.mean()), draws=200)
    assert means == pytest.approx(other)
    assert means.std(axis=0).min() > 0


def test_halves_are_halves_of_clusters() -> None:
    split = halves(groups_of([""] * 21), times=10)
    assert split.shape == (10, 21)
    assert set(split.sum(axis=1)) == {10}
    assert len({tuple(row) for row in split.tolist()}) == 10
