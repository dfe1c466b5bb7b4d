from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view

from doneness.curves import mann_kendall, running_median

VALUES = st.lists(st.one_of(st.integers(-5, 5).map(float), st.floats(-1e30, 1e30)), min_size=1, max_size=80)


@given(VALUES, st.integers(1, 30))
def test_running_medians_are_medians_of_windows(values: list[float], width: int) -> None:
    v, width = np.array(values), min(width, len(values))
    assert np.array_equal(running_median(v, width), np.median(sliding_window_view(v, width), axis=1))


def test_blocks_do_not_show() -> None:
    v = np.random.default_rng(0).normal(size=70_000)
    assert np.array_equal(running_median(v, 20), np.median(sliding_window_view(v, 20), axis=1))


@given(VALUES)
def test_the_sum_of_signs_is_that_of_all_pairs(values: list[float]) -> None:
    found, v = mann_kendall(values), np.array(values)
    if found is None or np.unique(v).size == 1:
        return
    i, j = np.triu_indices(v.size, 1)
    assert found.s == int(np.sign(v[j] - v[i]).sum())


def test_many_points_take_no_matrix_of_pairs() -> None:
    found = mann_kendall(-np.arange(300_000.0))
    assert found is not None
    assert found.s == -300_000 * 299_999 // 2
