"""Whether a reviewer leans to one side, in numbers that hold however often one looks.

A reviewer whom position does not matter to votes "left" in half of what is decided, whatever the answers are, because
sides are drawn. The page and the terminal say where the votes stand after any of them, and of every reviewer; a test
made for one look would call one of twenty fair reviewers swayed at each. So the evidence is a bet that pays nothing on
average as long as the share is the one that is asked about: it grows twentyfold in at most one of twenty sittings,
however long they are.

Source: Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics
1970; Ville's inequality. The bet is on a share drawn from a beta distribution around a half.
"""

from __future__ import annotations

import math

from doneness.curves.shares import Interval

LEVEL = 0.95
_AROUND = 8.0  # the beta distribution's parameters: leanings of a third against two thirds are what it is made for
_HALVINGS = 50


def evidence(left: int, decided: int, share: float = 0.5) -> float:
    """How many times more likely these votes are under a leaning than under `share`, in logarithms to base e."""
    right = decided - left
    return (
        _log_beta(_AROUND + left, _AROUND + right) - _log_beta(_AROUND, _AROUND)
        - _weighed(left, share) - _weighed(right, 1.0 - share)
    )  # fmt: skip


def interval(left: int, decided: int, reviewers: int = 1, level: float = LEVEL) -> Interval:
    """The shares of left that the votes leave standing.

    At `level` it holds the true shares of all `reviewers` together, at every look. (0, 1) without votes.
    """
    if not decided:
        return 0.0, 1.0
    most = math.log(max(reviewers, 1) / (1.0 - level))
    middle = left / decided
    return _edge(left, decided, most, middle, 0.0), _edge(left, decided, most, middle, 1.0)


def _edge(left: int, decided: int, most: float, inside: float, outside: float) -> float:
    """Where the evidence against a share reaches `most`, between the share that was seen and an end."""
    if evidence(left, decided, outside) <= most:
        return outside
    for _ in range(_HALVINGS):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if evidence(left, decided, middle) <= most else (inside, middle)
    return inside


def _weighed(votes: int, share: float) -> float:
    return 0.0 if not votes else votes * math.log(share) if share > 0.0 else -math.inf


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
