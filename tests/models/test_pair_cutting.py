"""Pairs and marked answers longer than the limit, cut as LLaMA-Factory cuts them."""

from __future__ import annotations

from typing import Any

import pytest

from doneness.core import DataError
from doneness.data import KtoRow, PreferenceRow, Turn
from doneness.models import encode
from doneness.models.cutting import balanced
from doneness.models.pairs import Asked, encode_marked, encode_pairs
from doneness.testing.tiny import make_tiny_tokenizer

pytestmark = pytest.mark.model
LIMITS = (24, 60, 120, 200, 1000)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tiny_tokenizer()


def pair(chosen: int, rejected: int, *said: str) -> PreferenceRow:
    """A conversation of these turns with answers of so many letters."""
    turns = tuple(Turn("user" if k % 2 == 0 else "assistant", text) for k, text in enumerate(said))
    answers = ((Turn("assistant", letter * n),) for letter, n in (("c", chosen), ("r", rejected)))
    return PreferenceRow("a", turns, *answers, line=1)


ROWS = [
    pair(10, 12, "q" * 200),
    pair(150, 20, "q" * 30),
    pair(20, 150, "q" * 100),
    pair(90, 80, "q" * 50, "a" * 60, "s" * 40),
]


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("row", ROWS)
def test_the_longer_answer_says_what_is_left_of_the_question(tokenizer: Any, row: PreferenceRow, limit: int) -> None:
    # What LLaMA-Factory's pairwise processor does, with all that was said before the answers as the question.
    whole = [encode(tokenizer, side, 4096, answers="last", cut="balanced") for side in row.sides]
    head = whole[0].ids[: whole[0].start]
    answers = [side.ids[side.start :] for side in whole]
    source, target = balanced(len(head), max(map(len, answers)), limit)
    found = encode_pairs(tokenizer, [row], Asked(limit, cut="balanced"))
    made = found.rows[0]
    for side, answer in zip((made.chosen, made.rejected), answers, strict=True):
        assert side.ids == head[:source] + answer[:target]
        assert side.labels == (-100,) * source + answer[:target]
        assert side.lost == len(answer) - len(answer[:target])
        assert side.cut == side.lost + len(head) - source
        assert side.answers[-1].ended == (side.lost == 0)
    assert (found.truncated, found.cut, found.lost) == (made.cut > 0, made.cut, made.lost)


@pytest.mark.parametrize("limit", LIMITS)
def test_a_marked_answer_is_cut_by_itself(tokenizer: Any, limit: int) -> None:
    for side in ROWS[3].sides:
        whole = encode(tokenizer, side, 4096, answers="last", cut="balanced")
        source, target = balanced(whole.start, len(whole.ids) - whole.start, limit)
        made = encode_marked(tokenizer, [KtoRow(side, True)], Asked(limit, cut="balanced")).rows[0].row
        assert made.ids == whole.ids[:source] + whole.ids[whole.start :][:target]


def test_long_pairs_are_skipped_or_refused(tokenizer: Any) -> None:
    short = pair(3, 4, "q")
    kept = encode_pairs(tokenizer, [ROWS[0], short], Asked(100, on_long="skip", cut="balanced"))
    assert (kept.skipped, kept.truncated, len(kept.rows)) == (1, 0, 1)
    with pytest.raises(DataError):
        encode_pairs(tokenizer, [short, ROWS[0]], Asked(100, on_long="refuse", cut="balanced"))


def test_answers_that_are_the_same_once_cut_are_refused_where_it_is_not_their_cut(tokenizer: Any) -> None:
    turns, same = (Turn("user", "q" * 40),), "s" * 200
    row = PreferenceRow("a", turns, (Turn("assistant", same + "c"),), (Turn("assistant", same + "r"),), line=1)
    made = encode_pairs(tokenizer, [row], Asked(100, cut="balanced")).rows[0]
    assert made.chosen.ids == made.rejected.ids
    with pytest.raises(DataError):
        encode_pairs(tokenizer, [row], Asked(100))
