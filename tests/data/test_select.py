from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.data import Row, Turn, stratified


def rows(kinds: list[str | None]) -> list[Row]:
    return [Row(str(i), (Turn("user", "q"), Turn("assistant", "a")), i + 1, kind=kind) for i, kind in enumerate(kinds)]


KINDS = st.lists(st.sampled_from(["fact", "unknown", "emergency", None]), max_size=60)


@given(KINDS, st.integers(0, 70), st.integers(0, 9))
def test_shares_are_kept_within_one(kinds: list[str | None], n: int, seed: int) -> None:
    chosen = stratified(rows(kinds), n, seed)
    size = min(n, len(kinds))
    assert len(chosen) == len({row.id for row in chosen}) == size
    taken, there = Counter(row.kind for row in chosen), Counter(kinds)
    for kind, count in there.items():
        assert abs(taken[kind] - size * count / len(kinds)) < 1


@given(KINDS, st.integers(0, 70), st.integers(0, 9))
def test_same_seed_same_rows(kinds: list[str | None], n: int, seed: int) -> None:
    assert stratified(rows(kinds), n, seed) == stratified(rows(kinds), n, seed)


def test_known_draw_never_changes() -> None:
    chosen = stratified(rows(["a"] * 6 + ["b"] * 3 + [None]), 5, seed=7)
    assert Counter(row.kind for row in chosen) == {"a": 3, "b": 2}
    assert len({tuple(row.id for row in stratified(rows(["a"] * 30), 30, seed)) for seed in range(5)}) == 5


def test_own_key_and_negative() -> None:
    assert len(stratified(rows(["a"] * 4), 2, 0, key=lambda row: row.id)) == 2
    with pytest.raises(ValueError, match="negative"):
        stratified([], -1, 0)
