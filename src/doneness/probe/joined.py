"""Tokens of an option behind its question, as lm-evaluation-harness splits them.

A tokenizer may write the end of a question and the beginning of an option as one token, so the two are tokenised
together and parted afterwards: the option's tokens are what is left of the whole behind as many tokens as the question
has alone. White space at the end of the question goes to the option first, since most tokenizers write a word together
with the space before it.
Source: `TemplateLM._encode_pair` of lm-evaluation-harness 0.4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


def joined_ids(encode: Callable[[str], Sequence[int]], context: str, continuation: str) -> tuple[list[int], list[int]]:
    """(tokens of the context, tokens of the continuation behind it).

    Args:
        encode: text → token ids, the same for a context alone and with its continuation.
        context: the question, not empty.
        continuation: the option; a space between the two is written by whoever wants one.

    Raises:
        ValueError: the context is empty or white space alone.
    """
    kept = context.rstrip()
    if not kept:
        raise ValueError("an option needs a question before it")
    whole = list(encode(kept + context[len(kept) :] + continuation))
    head = list(encode(kept))
    return head, whole[len(head) :]


def joined_options(
    encode: Callable[[str], Sequence[int]], context: str, options: Sequence[str]
) -> tuple[list[int], list[list[int]]]:
    """Tokens of a question and of each of its options; the question's are the same for all."""
    pairs = [joined_ids(encode, context, option) for option in options]
    return pairs[0][0], [ids for _, ids in pairs]


def encoder(tokenizer: Any) -> Callable[[str], list[int]]:
    """How a tokenizer writes a question: as a template wrote it, or with the token that begins a text."""
    from doneness.models.render import head_ids

    return lambda text: head_ids(tokenizer, text)
