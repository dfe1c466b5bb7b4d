"""Intervals and tests of `curves.shares`, against scipy and published values."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from doneness.curves.shares import (
    holm,
    mcnemar_p,
    mean_interval,
    paired_share_difference,
    paired_t_p,
    wilson,
)


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (1, 0), (3, 9), (0, 12), (25, 11), (700, 640)])
def test_mcnemar_is_the_exact_binomial_test(gained: int, lost: int) -> None:
    now = [True] * gained + [False] * lost + [True, False] * 5
    before = [False] * gained + [True] * lost + [True, False] * 5
    expected = stats.binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar_p(now, before) == pytest.approx(expected, rel=1e-9)
    assert mcnemar_p(before, now) == mcnemar_p(now, before)


def test_mcnemar_needs_pairs() -> None:
    assert mcnemar_p([], []) == 1.0
    with pytest.raises(ValueError):
        mcnemar_p([True], [])


@pytest.mark.parametrize("n", [2, 3, 12, 60])
@pytest.mark.parametrize("shift", [0.0, 0.3, -2.0])
def test_the_paired_t_test_is_scipys(n: int, shift: float) -> None:
    generator = random.Random(n)
    differences = [generator.gauss(shift, 1.0) for _ in range(n)]
    assert paired_t_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0.0).pvalue, rel=1e-7)
    low, high = mean_interval(differences)
    expected = stats.t.interval(0.95, n - 1, loc=sum(differences) / n, scale=stats.sem(differences))
    assert (low, high) == pytest.approx(expected, rel=1e-7)


@given(st.floats(-5, 5), st.integers(2, 400), st.floats(0.5, 300))
def test_values_all_alike_get_the_rule_of_three(value: float, n: int, scale: float) -> None:
    low, high = mean_interval([value] * n, scale=scale)
    assert (high - low) / 2 >= 3 / n * scale * (1 - 1e-6)
    outside = not low <= 0 <= high
    if abs(abs(value) - 3 / n * scale) > 1e-6:
        assert (paired_t_p([value] * n, scale) < 0.05) == outside


def test_the_rule_of_three_at_other_levels() -> None:
    low, high = mean_interval([0.0] * 100, level=0.99)
    assert high == pytest.approx(-math.log(0.01) / 100)
    assert low == -high


def test_too_little_is_never_significant() -> None:
    assert paired_t_p([]) == 1.0
    assert paired_t_p([9.0]) == 1.0
    assert mean_interval([1.0]) == (-math.inf, math.inf)


def test_rounding_is_no_difference() -> None:
    noise = [0.1 + 0.2 - 0.3, 0.3 - 0.2 - 0.1, 0.0] * 20  # ±1e-17
    low, high = mean_interval(noise)
    assert high - low >= 2 * 3 / 60 * (1 - 1e-6)
    assert paired_t_p(noise) == 1.0
    assert wilson(0, 40)[0] == 0.0
    low, high = paired_share_difference([True] * 40, [True] * 40)
    assert low < 0 < high


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms())
def test_no_interval_of_a_share_is_of_zero_width(now: list[bool], generator: random.Random) -> None:
    before = [x if generator.random() < 0.9 else not x for x in now]
    for low, high in (
        paired_share_difference(now, before),
        paired_share_difference(now, now),
        wilson(sum(now), len(now)),
    ):
        assert high > low


def test_holm_steps_down() -> None:
    # 0.01 ≤ 0.05/4, 0.015 ≤ 0.05/3, 0.03 > 0.05/2: the rest stays, though 0.04 ≤ 0.05/1
    assert holm([0.03, 0.01, 0.04, 0.015]) == [False, True, False, True]
    assert holm([0.03, 0.01, 0.04, 0.015], alpha=0.001) == [False] * 4
    assert holm([]) == []
    assert holm([math.nan, 0.02]) == [False, True]
    assert holm([math.nan, 0.03]) == [False, False]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.2))
def test_holm_rejects_what_bonferroni_does_and_nothing_above_alpha(values: list[float], alpha: float) -> None:
    rejected = holm(values, alpha)
    for value, flag in zip(values, rejected, strict=True):
        assert flag or value > alpha / len(values)
        assert not flag or value <= alpha


def test_holm_holds_the_family_wise_error() -> None:
    generator = random.Random(3)
    wrong = sum(any(holm([generator.random() for _ in range(20)])) for _ in range(4000))
    assert 0.035 <= wrong / 4000 <= 0.06
