from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.plan import Rate, budget, estimate_time

ROWS = st.lists(st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), min_size=1, max_size=40)


@given(ROWS, st.integers(1, 9), st.integers(1, 9), st.integers(1, 4), st.integers(1, 60))
def test_counts_what_a_trainer_does(
    rows: list[tuple[int, int]], batch: int, micro: int, epochs: int, limit: int
) -> None:
    """A loop written out, step by step, agrees with the formulae."""
    sizes, targets = [n for n, _ in rows], [t for _, t in rows]
    steps = tokens = aims = padded = 0
    for _ in range(epochs):
        for start in range(0, len(rows), batch):
            steps += 1
            part = rows[start : start + batch]
            for first in range(0, len(part), micro):
                chunk = [min(n, limit) for n, _ in part[first : first + micro]]
                padded += max(chunk) * len(chunk)
                tokens += sum(chunk)
            # Tokens are cut from the end, where the targets stand.
            aims += sum(sum(1 for at in range(n - t, n) if at < limit) for n, t in part)
    found = budget(sizes, targets, batch, micro, epochs=epochs, max_length=limit)
    assert (found.steps, found.total_tokens, found.total_target_tokens) == (steps, tokens, aims)
    assert found.padding_share == pytest.approx(1 - tokens / padded)
    assert (found.rows, found.epochs, found.steps_per_epoch) == (len(rows), epochs, math.ceil(len(rows) / batch))
    assert found.truncated == sum(n > limit for n in sizes)


def test_known_budget() -> None:
    found = budget([10, 30, 20, 40, 50], [5, 5, 5, 5, 5], 2, 2, epochs=2)
    assert (found.steps_per_epoch, found.steps, found.tokens, found.target_tokens) == (3, 6, 150, 25)
    assert found.padding_share == pytest.approx(1 - 150 / (60 + 80 + 50))
    assert found.longest == 50


def test_broken_off_epoch_and_fractions() -> None:
    found = budget([10, 20, 30, 40], [1, 2, 3, 4], 2, 1, max_steps=3)
    assert (found.epochs, found.total_tokens, found.total_target_tokens) == (1.5, 130, 13)
    assert budget([1] * 30, [1] * 30, 1, 1, epochs=0.1).steps == 3
    assert budget([1] * 30, [1] * 30, 1, 1, epochs=5, max_steps=7).steps == 7


def test_emptied_rows() -> None:
    found = budget([10, 10, 4], [2, 6, 2], 1, 1, epochs=1, max_length=8)
    assert (found.truncated, found.emptied, found.target_tokens) == (2, 1, 0 + 4 + 2)


@pytest.mark.parametrize(
    "change",
    [{"lengths": []}, {"target_lengths": [1]}, {"target_lengths": [9, 9]}, {"batch_size": 0}, {"micro_batch": 0},
     {"epochs": None}, {"epochs": 0.0}, {"epochs": math.nan}, {"max_steps": 0}, {"max_length": 0}],
)  # fmt: skip
def test_refusals(change: dict[str, Any]) -> None:
    args: dict[str, Any] = {
        "lengths": [4, 5], "target_lengths": [1, 2], "batch_size": 1, "micro_batch": 1, "epochs": 1.0, **change
    }  # fmt: skip
    with pytest.raises(ValueError):
        budget(**args)


def test_time_follows_the_rates() -> None:
    found = estimate_time(10, 9000, 2000, Rate(50, 100, 200), seconds_per_step=0.5)
    assert found == (105.0, 55.0, 205.0)
    with pytest.raises(ValueError, match="low <= mid"):
        estimate_time(1, 1, 0, Rate(2, 1, 3))
    with pytest.raises(ValueError, match="negative"):
        estimate_time(1, -1, 0, Rate(1, 1, 1))
