from __future__ import annotations

import numpy as np

from doneness.curves import Noise, half_of, worse_than_best


def _evals(rng: np.random.Generator, means: np.ndarray, rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    tokens = rng.integers(10, 100, rows).astype(float)
    hard = rng.normal(2, 0.6, rows)
    each = means[:, None] + hard[None, :] + rng.normal(0, 0.04, (means.size, rows))
    return each * tokens, tokens


def test_halves_depend_on_ids_not_on_order() -> None:
    ids = [f"row {i}" for i in range(101)]
    half = dict(zip(ids, half_of(ids), strict=True))
    turned = dict(zip(ids[::-1], half_of(ids[::-1]), strict=True))
    assert half == turned
    assert sum(half.values()) in (50, 51)


def test_flat_curves_are_rarely_called_worse() -> None:
    called = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        nll, tokens = _evals(rng, np.zeros(15))
        called.append(worse_than_best(nll, tokens, half_of([str(i) for i in range(300)])).p < 0.05)
    assert np.mean(called) < 0.09


def test_trajectory_noise_is_not_taken_for_a_rise() -> None:
    called = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        nll, tokens = _evals(rng, rng.normal(0, 0.02, 15))
        half = half_of([str(i) for i in range(300)])
        called.append(worse_than_best(nll, tokens, half, Noise(0.02, 8)).p < 0.05)
    assert np.mean(called) < 0.08


def test_a_real_rise_is_found() -> None:
    nll, tokens = _evals(np.random.default_rng(0), np.array([0.5, 0.2, 0.0, 0.01, 0.05]))
    look = worse_than_best(nll, tokens, half_of([str(i) for i in range(300)]), Noise(0.003, 8))
    assert look.p < 1e-4
    assert 0.03 < look.diff < 0.07
    assert set(look.best) == {2}


def test_the_best_is_not_worse_than_itself() -> None:
    nll, tokens = _evals(np.random.default_rng(0), np.array([0.5, 0.2, 0.0]))
    look = worse_than_best(nll, tokens, half_of([str(i) for i in range(300)]), Noise(0.01, 3))
    assert (look.diff, look.p) == (0.0, 1.0)


def test_one_evaluation_or_three_examples_say_nothing() -> None:
    assert worse_than_best(np.ones((1, 9)), np.ones(9), half_of(list("abcdefghi"))).p == 1.0
    assert worse_than_best(np.ones((4, 3)), np.ones(3), half_of(list("abc"))).p == 1.0
