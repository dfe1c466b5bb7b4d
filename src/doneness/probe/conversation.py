"""What is said to a model: the system turn, the question, its own answers, the questions that follow."""

from __future__ import annotations

from collections.abc import Sequence


def turns_of(system: str, asked: Sequence[str], answered: Sequence[str] = ()) -> list[dict[str, str]]:
    """The conversation up to the point where the assistant is to speak next.

    Args:
        system: put first; empty leaves it to the chat template.
        asked: what the user said, in order; one more than was answered.
        answered: what the assistant said.

    Raises:
        ValueError: the last word is not the user's.
    """
    if len(asked) != len(answered) + 1:
        raise ValueError(f"one question more than answers is needed, got {len(asked)} and {len(answered)}")
    said = [{"role": "system", "content": system}] if system else []
    for question, answer in zip(asked, answered, strict=False):
        said += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return [*said, {"role": "user", "content": asked[-1]}]
