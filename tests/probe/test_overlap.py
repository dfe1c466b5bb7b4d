"""Overlap of texts against the plain definitions."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from hypothesis import given
from hypothesis import strategies as st

from doneness.probe.overlap import common_prefix, contained, exact, f1, longest_run, reproduced, rouge_l, units

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "痛", "风"]), max_size=12)


def subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    @lru_cache
    def longest(i: int, k: int) -> int:
        if i == len(one) or k == len(other):
            return 0
        return 1 + longest(i + 1, k + 1) if one[i] == other[k] else max(longest(i + 1, k), longest(i, k + 1))

    return longest(0, 0)


@given(WORDS, WORDS)
def test_rouge_l_is_that_of_the_longest_common_subsequence(one: list[str], other: list[str]) -> None:
    common = subsequence(one, other)
    expected = 2 * common / (len(one) + len(other)) if common else 0.0
    assert rouge_l(" ".join(one), " ".join(other)) == expected
    assert rouge_l(" ".join(other), " ".join(one)) == expected


@given(WORDS, WORDS)
def test_the_longest_run_is_the_longest(one: list[str], other: list[str]) -> None:
    pieces = {tuple(one[i:k]) for i in range(len(one) + 1) for k in range(i, len(one) + 1)}
    there = {tuple(other[i:k]) for i in range(len(other) + 1) for k in range(i, len(other) + 1)}
    assert longest_run(one, other) == max(map(len, pieces & there))


@given(WORDS, WORDS)
def test_shares_stay_between_none_and_all(one: list[str], other: list[str]) -> None:
    a, b = " ".join(one), " ".join(other)
    for value in (f1(a, b), rouge_l(a, b), reproduced(a, b), reproduced(a, b, capped=True)):
        assert 0.0 <= value <= 1.0
    assert reproduced(a, a) == (1.0 if one else 0.0)


def test_marks_case_and_articles_are_passed_over() -> None:
    assert units("痛风，是 DNA？１２") == ["痛", "风", "是", "dna", "12"]
    assert exact("The heart!", "heart") and not exact("hearts", "heart")
    assert contained("It is, a Heart.", "heart") and not contained("heartless", "heart") and not contained("x", "")
    assert common_prefix(units("a b c"), units("a b d")) == 2
    assert common_prefix(units("a"), units("a b")) == 1


def test_a_letter_chosen_is_an_answer_and_no_article() -> None:
    assert exact("A.", "A") and not exact("", "A") and not exact("B", "A")
    assert contained("A", "A") and f1("A", "A") == 1.0 and f1("B", "A") == 0.0
    assert exact("The heart", "a heart")
