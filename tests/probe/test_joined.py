"""Options are tokenised with their question, as lm-evaluation-harness does it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from doneness.probe.joined import joined_ids, joined_options

PIECES = re.compile(r" ?\w+|\s+|[^\w\s]+")
VOCABULARY: dict[str, int] = {}


def encode(text: str) -> list[int]:
    """Words with the space before them, as byte-pair tokenizers have them."""
    return [VOCABULARY.setdefault(piece, len(VOCABULARY)) for piece in PIECES.findall(text)]


def decode(ids: list[int]) -> str:
    names = {i: piece for piece, i in VOCABULARY.items()}
    return "".join(names[i] for i in ids)


def theirs(context: str, continuation: str) -> tuple[list[int], list[int]]:
    """`TemplateLM._encode_pair` of lm-evaluation-harness 0.4, written down."""
    spaces = len(context) - len(context.rstrip())
    if spaces > 0:
        continuation = context[-spaces:] + continuation
        context = context[:-spaces]
    whole, head = encode(context + continuation), encode(context)
    return head, whole[len(head) :]


@given(st.from_regex(r"\A[a-z]{1,5}[:?]?[ \n]{0,2}\Z"), st.from_regex(r"\A ?[a-z0-9 ]{1,9}\Z"))
def test_the_split_is_theirs(context: str, continuation: str) -> None:
    assert joined_ids(encode, context, continuation) == theirs(context, continuation)


def test_the_space_between_belongs_to_the_option() -> None:
    head, option = joined_ids(encode, "Answer: ", "two kidneys")
    assert (decode(head), decode(option)) == ("Answer:", " two kidneys")
    head, (first, second) = joined_options(encode, "Why? ", ["because", "so"])
    assert (decode(head), decode(first), decode(second)) == ("Why?", " because", " so")


def test_an_option_needs_a_question() -> None:
    with pytest.raises(ValueError):
        joined_ids(encode, " \n", "x")
