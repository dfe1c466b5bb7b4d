from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.train import evaluation_steps


@pytest.mark.parametrize(
    ("total", "every", "expected"),
    [
        (96, 16, (1, 2, 4, 8, 16, 32, 48, 64, 80, 96)),
        (48, 0, (1, 2, 4, 8, 16, 24, 32, 40, 48)),
        (50, 16, (1, 2, 4, 8, 16, 32, 48, 50)),
        (1, 0, (1,)),
        (3, 0, (1, 2, 3)),
        (0, 0, ()),
    ],
)
def test_geometric_then_even(total: int, every: int, expected: tuple[int, ...]) -> None:
    assert evaluation_steps(total, every) == expected


def test_the_even_ones_alone() -> None:
    assert evaluation_steps(20, 8, early=False) == (8, 16, 20)
    assert evaluation_steps(4, 20, early=False) == (4,)


@given(st.integers(1, 5000), st.integers(0, 600))
def test_the_last_step_is_always_looked_at_and_none_is_beyond_it(total: int, every: int) -> None:
    steps = evaluation_steps(total, every)
    assert steps[-1] == total
    assert list(steps) == sorted(set(steps))
    assert steps[0] >= 1
    gap = every or max(1, round(total / 6))
    assert all(b - a <= gap for a, b in zip((0, *steps), steps, strict=False))
