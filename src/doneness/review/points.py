"""From votes to numbers for the ranking: one outcome for each question and two answers, whoever voted and how often.

A vote is about two texts. It counts for every pair of checkpoints that said just these, so that checkpoints which agree
share what is learnt. Where several voted, or one voted twice (the pair was shown again, swapped), the outcome is the
mean of the reviewers' means: a reviewer who only ever takes the left side then gives half a point to each.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from doneness.review.deck import Deck, name_of
from doneness.review.ranking import Outcomes, outcomes
from doneness.review.votes import Showing, Vote

# A question and two answers to it, by name, in the order of their names.
Unit = tuple[str, str, str]


@dataclass(frozen=True)
class Counted:
    """Votes as numbers.

    Attributes:
        outcomes: for `rank`, by places in `Deck.steps`.
        units: pairs of answers that were voted on and are still the checkpoints' answers.
        stale: votes on answers that no checkpoint gives any more (probed anew with other settings).
    """

    outcomes: Outcomes
    units: int
    stale: int


def unit_of(showing: Showing) -> Unit:
    """What a showing is about, whichever side came first."""
    one, other = sorted((name_of(showing.left), name_of(showing.right)))
    return showing.question, one, other


def toward(vote: Vote) -> float:
    """Points of the first answer of the vote's unit, 0 to 1."""
    return vote.points if name_of(vote.showing.left) == unit_of(vote.showing)[1] else 1.0 - vote.points


def count(deck: Deck, votes: Iterable[Vote], kinds: tuple[str, ...] = ("human", "simulated")) -> Counted:
    """Outcomes of the votes.

    Args:
        deck: the answers as they are now.
        votes: those that count.
        kinds: of reviewers whose votes make the ranking; a judge's do not, unless asked for.
    """
    by_unit: dict[Unit, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    voted: dict[Unit, int] = defaultdict(int)
    for vote in votes:
        if vote.reviewer.kind in kinds:
            unit = unit_of(vote.showing)
            by_unit[unit][vote.reviewer.id].append(toward(vote))
            voted[unit] += 1
    rows: list[tuple[int, int, float, float, int]] = []
    stale = units = 0
    for unit, by_reviewer in by_unit.items():
        question, one, other = unit
        place = deck.places.get(question)
        sides = [[k for k, n in enumerate(deck.names[place]) if n == name] for name in (one, other)] if (
            place is not None
        ) else [[], []]  # fmt: skip
        if place is None or not all(sides):
            stale += voted[unit]
            continue
        units += 1
        means = [sum(points) / len(points) for points in by_reviewer.values()]
        points = sum(means) / len(means)
        rows += [(i, j, points, 1.0, place) for i in sides[0] for j in sides[1]]
    return Counted(outcomes(rows), units, stale)
