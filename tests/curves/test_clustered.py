"""Shares, means and differences by cluster: exact where they can be, and never surer for questions asked twice."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from doneness.curves import shares
from doneness.curves.clustered import (
    drawn_difference,
    flip_p,
    groups_of,
    mean_difference,
    mean_interval,
    share_difference,
    share_interval,
)

BITS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=60)


@settings(deadline=None)
@given(BITS)
def test_alone_every_number_is_that_of_the_plain_test(pairs: list[tuple[bool, bool]]) -> None:
    now, before = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    groups = groups_of([""] * len(pairs))
    found = share_difference(now, before, groups)
    flags = [p[0] for p in pairs], [p[1] for p in pairs]
    assert found.p == pytest.approx(shares.mcnemar_p(*flags), abs=1e-12)
    assert found.interval == pytest.approx(shares.paired_share_difference(*flags))
    assert share_interval(now, groups) == pytest.approx(shares.wilson(now.sum(), now.size))
    assert mean_difference(now - before, groups).p == pytest.approx(shares.paired_t_p(list(now - before)))


@settings(deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
def test_flipping_whole_clusters_is_counted_exactly(sums: list[int]) -> None:
    sizes = np.abs(sums)
    ways = [abs(int((np.array(signs) * sizes).sum())) for signs in product((-1, 1), repeat=len(sums))]
    expected = sum(w >= abs(sum(sums)) for w in ways) / len(ways)
    assert flip_p(np.array(sums, dtype=float)) == pytest.approx(expected)


@settings(deadline=None)
@given(BITS, st.integers(2, 5))
def test_asking_every_question_again_tells_nothing_new(pairs: list[tuple[bool, bool]], times: int) -> None:
    now, before = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    once = share_difference(now, before, groups_of([""] * len(pairs)))
    labels = [f"c{i}" for i in range(len(pairs)) for _ in range(times)]
    often = share_difference(np.repeat(now, times), np.repeat(before, times), groups_of(labels))
    assert often.p == pytest.approx(once.p)
    assert often.value == pytest.approx(once.value)
    assert often.interval[1] - often.interval[0] >= once.interval[1] - once.interval[0] - 1e-9
    low, high = share_interval(np.repeat(now, times), groups_of(labels))
    assert high - low >= np.subtract(*shares.wilson(now.sum(), now.size)[::-1]) - 1e-9


def test_a_clustered_mean_is_wider_than_a_plain_one_and_right() -> None:
    generator = np.random.default_rng(3)
    labels = [f"{i // 5}" for i in range(200)]
    held = plain = 0
    for _ in range(300):
        values = np.repeat(generator.standard_normal(40), 5) + 0.3 * generator.standard_normal(200)
        low, high = mean_interval(values, groups_of(labels))
        held += low <= 0 <= high
        low, high = mean_interval(values, groups_of([""] * 200))
        plain += low <= 0 <= high
    assert held / 300 > 0.92
    assert plain / 300 < 0.75  # what clusters are for


def test_one_cluster_tells_nothing() -> None:
    groups = groups_of(["same"] * 40)
    values = np.arange(40.0) % 2
    assert mean_interval(values, groups) == (-math.inf, math.inf)
    assert mean_difference(values, groups).p == 1.0
    found = share_difference(np.ones(40), np.zeros(40), groups)
    assert found.p == 1.0
    low, high = share_interval(values, groups)
    assert high - low > 0.8


def test_drawn_differences_have_students_tail() -> None:
    draws = np.random.default_rng(1).normal(0.3, 0.1, 4000)
    found = drawn_difference(0.3, draws, groups_of([""] * 30), 30)
    assert found.p == pytest.approx(2 * stats.t.sf(3.0, 29), rel=0.15)
    low, high = drawn_difference(0.0, np.zeros(100), groups_of([""] * 30), 30).interval
    assert (low, high) == pytest.approx((-0.1, 0.1))  # the rule of three: no interval of zero width
    assert drawn_difference(0.3, np.full(10, math.nan), groups_of([""] * 30), 30).p == 1.0


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=30))
def test_groups_add_up(labels: list[str]) -> None:
    groups = groups_of(labels)
    values = np.arange(len(labels), dtype=float)
    assert groups.sums(values).sum() == pytest.approx(values.sum())
    assert groups.count == len(set(labels) - {""}) + labels.count("")
    kept = np.arange(len(labels)) % 2 == 0
    assert groups.of(kept).count == groups_of([x for x, k in zip(labels, kept, strict=True) if k]).count
