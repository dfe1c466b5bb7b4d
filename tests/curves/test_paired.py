from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.curves import minimum_detectable, paired_effect, rows_needed

vectors = st.integers(3, 40).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0.1, 50), min_size=n, max_size=n),
        st.lists(st.floats(0.1, 50), min_size=n, max_size=n),
        st.lists(st.integers(1, 300), min_size=n, max_size=n),
    )
)


@given(vectors, st.floats(0.1, 10))
def test_scaling_the_losses_scales_effect_and_error(
    data: tuple[list[float], list[float], list[int]], by: float
) -> None:
    cur, ref, tokens = (np.array(v, dtype=float) for v in data)
    plain, scaled = paired_effect(cur, ref, tokens), paired_effect(by * cur, by * ref, tokens)
    assert scaled.diff == pytest.approx(by * plain.diff, rel=1e-6, abs=1e-9)
    assert scaled.se == pytest.approx(by * plain.se, rel=1e-6, abs=1e-9)


@given(vectors, st.floats(-5, 5))
def test_a_shift_per_token_moves_the_effect_and_not_its_error(
    data: tuple[list[float], list[float], list[int]], by: float
) -> None:
    cur, ref, tokens = (np.array(v, dtype=float) for v in data)
    plain, shifted = paired_effect(cur, ref, tokens), paired_effect(cur + by * tokens, ref, tokens)
    assert shifted.diff == pytest.approx(plain.diff + by, rel=1e-6, abs=1e-8)
    assert shifted.se == pytest.approx(plain.se, rel=1e-5, abs=1e-8)


def test_one_example_never_gives_a_narrow_interval() -> None:
    effect = paired_effect([2.0], [1.0], [10])
    assert effect.se == math.inf
    assert effect.interval() == (-math.inf, math.inf)
    assert effect.p_worse() == 1.0
    assert minimum_detectable(effect) == math.inf
    assert rows_needed(effect, 0.01) is None


def test_no_example_gives_nan() -> None:
    effect = paired_effect([math.nan, 1.0], [1.0, 1.0], [3, 0])
    assert effect.n == 0
    assert math.isnan(effect.diff)


def test_error_matches_the_spread_over_repeated_samples() -> None:
    rng = np.random.default_rng(1)
    tokens = rng.lognormal(4, 0.6, (2000, 150)).round() + 1
    delta = rng.normal(0.02, 0.06, tokens.shape) * tokens
    effects = [paired_effect(d, np.zeros_like(d), t) for d, t in zip(delta, tokens, strict=True)]
    diffs = np.array([e.diff for e in effects])
    assert np.mean([e.se for e in effects]) == pytest.approx(diffs.std(), rel=0.06)
    covered = np.mean([low <= 0.02 <= high for low, high in (e.interval(0.9) for e in effects)])
    assert 0.87 < covered < 0.93


def test_clusters_of_copies_count_once() -> None:
    rng = np.random.default_rng(2)
    delta, tokens = rng.normal(0, 1, 50), np.full(50, 20)
    single = paired_effect(delta, np.zeros(50), tokens)
    fourfold = paired_effect(np.repeat(delta, 4), np.zeros(200), np.repeat(tokens, 4), np.repeat(np.arange(50), 4))
    assert fourfold.n == 50
    assert fourfold.se == pytest.approx(single.se)


def test_rows_needed_reach_the_target() -> None:
    rng = np.random.default_rng(3)
    tokens = np.full(100, 30.0)
    effect = paired_effect(rng.normal(0, 0.06, 100) * tokens, np.zeros(100), tokens)
    needed = rows_needed(effect, 0.005)
    assert needed is not None
    assert minimum_detectable(effect) * math.sqrt(100 / needed) <= 0.005


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="one length"):
        paired_effect([1.0, 2.0], [1.0, 2.0], [3])
