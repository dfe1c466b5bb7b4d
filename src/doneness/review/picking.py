"""The next pair for a reviewer: mostly where a vote tells most, at times what measures the reviewers themselves.

One showing in ten repeats, sides swapped, a pair that the reviewer voted on a while ago; one in seven, where others
have voted, is a pair of theirs, so that agreement can be told. Which side an answer stands on is drawn for every
showing. All of it hangs on the reviewer's seed and on how much the reviewer was shown, and on nothing else that is
random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from doneness.review.active import worth
from doneness.review.deck import Deck, name_of
from doneness.review.points import Unit, count, unit_of
from doneness.review.ranking import Ranking, rank
from doneness.review.settled import MARGIN
from doneness.review.votes import Reviewer, Showing, Vote, new_token, now


@dataclass(frozen=True)
class Habits:
    """How pairs are picked.

    Attributes:
        active: by what a vote tells; False picks two checkpoints at random.
        repeat: share of showings that repeat an earlier one, swapped.
        shared: share that others voted on.
        gap: showings between a pair and its repetition, at least.
        margin: as for `settled`.
    """

    active: bool = True
    repeat: float = 0.1
    shared: float = 0.15
    gap: int = 8
    margin: float = MARGIN


@dataclass
class _Table:
    """What one reviewer can still be shown."""

    deck: Deck
    reviewer: Reviewer
    mine: Sequence[Showing]
    votes: Sequence[Vote]
    habits: Habits
    rng: np.random.Generator
    seen: set[Unit] = field(init=False)
    raters: Counter[Unit] = field(init=False)

    def __post_init__(self) -> None:
        self.seen = {unit_of(s) for s in self.mine}
        self.raters = Counter({u: len(who) for u, who in _who(self.votes).items()})

    def shown(self, place: int, one: int, other: int, repeats: Showing | None = None) -> Showing:
        """A showing of two checkpoints' answers to a question; the first on the left."""
        question, texts = self.deck.questions[place], self.deck.texts[place]
        steps = self.deck.steps
        left, right = texts[one] or "", texts[other] or ""
        again = repeats.token if repeats else None
        return Showing(
            new_token(), self.reviewer.id, question.id, question.prompt, steps[one], steps[other], left, right, again,
            now(),
        )  # fmt: skip

    def sided(self, place: int, one: int, other: int) -> Showing:
        """The same, sides drawn."""
        return self.shown(place, one, other) if self.rng.random() < 0.5 else self.shown(place, other, one)

    def unit(self, place: int, one: int, other: int) -> Unit:
        """What showing them would be about."""
        names = self.deck.names[place]
        first, second = sorted((names[one], names[other]))
        return self.deck.questions[place].id, first, second


def pick(
    deck: Deck,
    reviewer: Reviewer,
    mine: Sequence[Showing],
    votes: Sequence[Vote],
    habits: Habits | None = None,
    found: Ranking | None = None,
) -> Showing | None:
    """What to show next; None where the reviewer has seen every pair that differs.

    Args:
        deck: the answers.
        reviewer: to whom.
        mine: what the reviewer was shown so far.
        votes: everybody's that count.
        habits: how to pick.
        found: the ranking by these votes, where it is known already.
    """
    habits = habits or Habits()
    rng = np.random.default_rng([reviewer.seed, len(mine)])
    table = _Table(deck, reviewer, mine, votes, habits, rng)
    draw = rng.random()
    if draw < habits.repeat and (again := _repeated(table)) is not None:
        return again
    if habits.repeat <= draw < habits.repeat + habits.shared and (known := _shared(table)) is not None:
        return known
    return _telling(table, found) or _shared(table)


def _repeated(table: _Table) -> Showing | None:
    """An earlier pair of the reviewer's, sides swapped, that was voted on and not repeated yet."""
    voted = {vote.showing.token for vote in table.votes}
    done = {s.repeats for s in table.mine}
    old = [s for s in table.mine[: -table.habits.gap or None] if s.token in voted and s.repeats is None]
    open_ = [s for s in old if s.token not in done and current(table.deck, s)]
    if not open_:
        return None
    before = open_[int(table.rng.integers(len(open_)))]
    steps = table.deck.steps
    sides = steps.index(before.right_step), steps.index(before.left_step)
    return table.shown(table.deck.places[before.question], *sides, repeats=before)


def _shared(table: _Table) -> Showing | None:
    """A pair that others voted on and the reviewer has not seen; of those, one that the fewest did."""
    latest = {unit_of(vote.showing): vote.showing for vote in table.votes if vote.showing.reviewer != table.reviewer.id}
    open_ = [s for u, s in latest.items() if u not in table.seen and current(table.deck, s)]
    if not open_:
        return None
    least = min(table.raters[unit_of(s)] for s in open_)
    found = [s for s in open_ if table.raters[unit_of(s)] == least]
    chosen = found[int(table.rng.integers(len(found)))]
    steps = table.deck.steps
    sides = steps.index(chosen.left_step), steps.index(chosen.right_step)
    return table.sided(table.deck.places[chosen.question], *sides)


def _telling(table: _Table, found: Ranking | None) -> Showing | None:
    """The pair of checkpoints that a vote tells most about, at the question that was voted on least."""
    deck, k = table.deck, len(table.deck.steps)
    if k < 2:
        return None
    if table.habits.active:
        found = found or rank(count(deck, table.votes).outcomes, deck.share)
        value = worth(found, table.habits.margin)
        # Of equal worth, as at the beginning, any.
        value = np.round(value, 6) + 1e-9 * table.rng.random((k, k))
    else:
        value = table.rng.random((k, k))
    load = Counter(vote.showing.question for vote in table.votes)
    pairs = sorted(((i, j) for i in range(k) for j in range(i + 1, k)), key=lambda p: -value[p])
    for one, other in pairs:
        open_ = [
            int(q) for q in np.flatnonzero(deck.differing[:, one, other])
            if (u := table.unit(int(q), one, other)) not in table.seen and not table.raters[u]
        ]  # fmt: skip
        if open_:
            least = min(load[deck.questions[q].id] for q in open_)
            rarest = [q for q in open_ if load[deck.questions[q].id] == least]
            return table.sided(rarest[int(table.rng.integers(len(rarest)))], one, other)
    return None


def current(deck: Deck, showing: Showing) -> bool:
    """Whether both checkpoints still say what was shown of them."""
    place = deck.places.get(showing.question)
    if place is None or not {showing.left_step, showing.right_step} <= {*deck.steps}:
        return False
    names = deck.names[place]
    left, right = (names[deck.steps.index(step)] for step in (showing.left_step, showing.right_step))
    return left == name_of(showing.left) and right == name_of(showing.right)


def _who(votes: Sequence[Vote]) -> dict[Unit, set[int]]:
    found: dict[Unit, set[int]] = {}
    for vote in votes:
        if vote.reviewer.kind != "judge":
            found.setdefault(unit_of(vote.showing), set()).add(vote.reviewer.id)
    return found
