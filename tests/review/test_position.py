"""Whether position sways a reviewer: fair ones are left in peace, also where one looks after every vote."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from doneness.review import Habits, Vote, biases, pick
from doneness.review.position import LEVEL, evidence, interval
from doneness.review.votes import Reviewer, Showing
from doneness.workflows.review import deck_of

SITTINGS, VOTES = 2000, 200
RANDOM = Habits(active=False, repeat=0.1, shared=0.0)


def ever(lefts: np.ndarray, reviewers: int = 1) -> bool:
    """Whether a look after any of the votes would have named the reviewer; the cheap form of `interval`."""
    most = np.log(reviewers / (1 - LEVEL))
    return any(evidence(int(left), n, 0.5) > most for n, left in enumerate(np.cumsum(lefts), start=1))


def test_fair_reviewers_are_named_in_one_sitting_of_twenty_at_most() -> None:
    """Looks after each of 200 votes: at most 5 %, up to three standard errors of the count."""
    chance = np.random.default_rng(7)
    named = sum(ever(votes) for votes in chance.random((SITTINGS, VOTES)) < 0.5)
    promised = 1 - LEVEL
    assert named / SITTINGS <= promised + 3 * np.sqrt(promised * (1 - promised) / SITTINGS)
    assert named / SITTINGS > 0.005, "a test that never speaks promises nothing"


def test_those_who_lean_are_named() -> None:
    chance = np.random.default_rng(8)
    named = [ever(votes) for votes in chance.random((200, VOTES)) < 0.7]
    assert sum(named) / len(named) > 0.95


def test_the_interval_and_the_evidence_say_the_same() -> None:
    for left, decided in ((62, 161), (75, 187), (20, 100), (0, 40), (40, 40), (1, 1)):
        low, high = interval(left, decided)
        assert 0.0 <= low <= left / decided <= high <= 1.0
        assert (low <= 0.5 <= high) == (evidence(left, decided) <= np.log(1 / (1 - LEVEL)))
        for edge in (low, high):
            if 0.0 < edge < 1.0:
                assert evidence(left, decided, edge) == pytest.approx(np.log(20), abs=1e-6)
    assert interval(0, 0) == (0.0, 1.0)
    # A share that one fair reviewer of 125 shows at a single look is no proof.
    assert interval(75, 187)[1] > 0.5


def test_more_reviewers_have_wider_intervals() -> None:
    wide = [interval(60, 100, reviewers) for reviewers in (1, 2, 5, 20)]
    assert all(b[0] < a[0] and b[1] > a[1] for a, b in pairwise(wide))


def test_sides_hang_on_nothing_that_matters(probed: Path) -> None:
    """Over many sittings, the better answer, and the later checkpoint's, stand on the left half of the time."""
    deck = deck_of(probed)
    worth = {
        name: len(name) * 31 % 7 + n * 1e-3 for n, name in enumerate(sorted({t for r in deck.texts for t in r if t}))
    }
    better = later = shown = 0
    for seed in range(40):
        who, mine, votes = Reviewer(1, "Ann", "simulated", seed), list[Showing](), list[Vote]()
        for n in range(60):
            showing = pick(deck, who, mine, votes, RANDOM)
            assert showing is not None
            mine.append(showing)
            first = worth[showing.left] > worth[showing.right]
            votes.append(Vote(n + 1, showing, who, "1" if first else "2", ((), ()), "", ""))
            if showing.repeats is None:
                shown, better, later = shown + 1, better + first, later + (showing.left_step > showing.right_step)
        (bias,) = biases(votes)
        assert bias.decided == sum(s.repeats is None for s in mine)
    room = 4 * np.sqrt(shown) / 2
    assert abs(better - shown / 2) < room and abs(later - shown / 2) < room


def test_repetitions_say_nothing_of_the_share() -> None:
    """A steady reviewer votes left in exactly one of two swapped showings; only the drawn one counts."""
    who = Reviewer(1, "Ann", "human", 1)
    first = Showing("t1", 1, "q", "?", 0, 1, "a", "b", None, "")
    again = Showing("t2", 1, "q", "?", 1, 0, "b", "a", "t1", "")
    votes = [Vote(n, s, who, v, ((), ()), "", "") for n, s, v in ((1, first, "1"), (2, again, "2"))]
    (bias,) = biases(votes)
    assert (bias.votes, bias.left, bias.decided, bias.repeated, bias.kept) == (2, 1, 1, 1, 1)
