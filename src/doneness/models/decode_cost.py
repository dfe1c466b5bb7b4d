"""What a forward of so many tokens takes on this machine, learnt while it runs, and how many guesses are worth it."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from statistics import median

_KEPT = 7  # forwards of one size that the median is taken of
_SIZES = 2  # sizes told apart within a doubling


class Costs:
    """Seconds of a forward by its tokens."""

    def __init__(self) -> None:
        self._seen: dict[int, deque[tuple[int, float]]] = {}

    def note(self, tokens: int, seconds: float) -> None:
        """A forward of `tokens` took `seconds`."""
        size = round(_SIZES * math.log2(tokens))
        self._seen.setdefault(size, deque(maxlen=_KEPT)).append((tokens, seconds))

    def line(self) -> list[tuple[float, float]]:
        """(tokens, seconds) of every size seen, ascending.

        More tokens never take less: where a larger size was measured faster, both get the mean, by how often each was
        seen (isotonic regression), so that one slow moment of the machine does not count for all larger sizes.
        """
        merged: list[tuple[float, int, list[float]]] = []  # seconds, how often seen, tokens of the sizes in it
        for _, seen in sorted(self._seen.items()):
            seconds, count, sizes = median(s for _, s in seen), len(seen), [median(t for t, _ in seen)]
            while merged and merged[-1][0] >= seconds:
                before, often, smaller = merged.pop()
                seconds = (seconds * count + before * often) / (count + often)
                count, sizes = count + often, smaller + sizes
            merged.append((seconds, count, sizes))
        return [(tokens, seconds) for seconds, _, sizes in merged for tokens in sizes]

    def of(self, counts: Sequence[int]) -> list[float]:
        """Seconds of forwards of ascending sizes; of one token's time, where nothing is known, a token takes all."""
        line = self.line()
        if len(line) < 2:
            # A machine that does nothing but arithmetic: the cautious guess, for there drafts gain least.
            tokens, seconds = line[0] if line else (1.0, 1.0)
            return [seconds * count / tokens for count in counts]
        found, at = [], 0
        for count in counts:
            while at < len(line) - 2 and line[at + 1][0] < count:
                at += 1
            (a, low), (b, high) = line[at], line[at + 1]
            found.append(max(low + (high - low) * (count - a) / (b - a), 0.5 * low))
        return found


def worth(chances: Sequence[Sequence[float]], fixed: int, costs: Costs) -> list[int]:
    """How many guesses of each row go into the next forward, so that most tokens come out per second.

    Args:
        chances: of every row, and every guess of it, the chance that it and all before it are right; falling.
        fixed: tokens that the forward has anyway.
        costs: of forwards.

    Returns:
        A number for each row, 0 for all where guessing does not pay.
    """
    ranked = sorted(((-chance, row) for row, each in enumerate(chances) for chance in each), key=lambda item: item[0])
    alone, *seconds = costs.of([len(chances), *range(fixed, fixed + len(ranked) + 1)])
    best, taken, expected = len(chances) / alone, 0, float(len(chances))
    for count, (chance, _) in enumerate(ranked, start=1):
        expected -= chance
        # Prompts that are read meanwhile have to be read anyway.
        rate = expected / (alone + seconds[count] - seconds[0])
        if rate > best:
            best, taken = rate, count
    counts = [0] * len(chances)
    for _, row in ranked[:taken]:
        counts[row] += 1
    return counts
