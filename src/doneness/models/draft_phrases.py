"""Which token followed the last few, in all answers so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

_LENGTHS = (4, 3, 2)  # tokens that a phrase is known by, the longest first
_MOST = 200_000  # phrases; then all are forgotten, for a table must not grow for ever


class Next(NamedTuple):
    """A guess: the token, the length of the phrase that it follows, and the share of its uses that went on so."""

    token: int
    length: int
    share: float


class Phrases:
    """Counts of what followed phrases of two to four tokens."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, ...], dict[int, int]] = {}
        self._most: dict[tuple[int, ...], tuple[int, int]] = {}  # the token that followed most often, and all uses

    def add(self, said: Sequence[int]) -> None:
        """Take in the last token said, after those before it."""
        if len(self._counts) > _MOST:
            self._counts.clear()
            self._most.clear()
        token = said[-1]
        for length in _LENGTHS:
            if len(said) <= length:
                continue
            phrase = tuple(said[-1 - length : -1])
            counts = self._counts.setdefault(phrase, {})
            counts[token] = counts.get(token, 0) + 1
            best, uses = self._most.get(phrase, (token, 0))
            self._most[phrase] = (token if counts[token] >= counts.get(best, 0) else best, uses + 1)

    def next(self, said: Sequence[int]) -> Next | None:
        """What most often followed the longest phrase that is known; None where none is."""
        for length in _LENGTHS:
            phrase = tuple(said[-length:])
            if len(phrase) == length and phrase in self._most:
                token, uses = self._most[phrase]
                # Half a use of something else: once is not always.
                return Next(token, length, self._counts[phrase][token] / (uses + 0.5))
        return None
