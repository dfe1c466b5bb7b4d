"""Reviewers with known tastes, and checkpoints of which it is known what share of points each takes from each."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from doneness.review import Deck, Habits, Ranking, Settled, Showing, Vote, count, pick, rank, settled
from doneness.review.votes import Reviewer
from doneness.runs.probes import Question

Floats = NDArray[np.float64]
_TRUTH_QUESTIONS = 40_000


@dataclass(frozen=True)
class Kind:
    """A kind of world.

    Attributes:
        quality: of each checkpoint, logits.
        spread: by how much an answer is better or worse than its checkpoint, standard deviation, logits.
        same: chance that a checkpoint says word for word what the one before it said.
        tie: a difference (taste and noise) below this is a tie, logits.
        questions: in the deck.
    """

    quality: tuple[float, ...]
    spread: float = 0.8
    same: float = 0.25
    tie: float = 0.5
    questions: int = 120


@dataclass
class World:
    """Answers drawn anew, and votes on them."""

    kind: Kind
    seed: int
    deck: Deck = field(init=False)
    worth: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng([self.seed, 7])
        taste, names = _answers(self.kind, self.kind.questions, self.rng)
        texts = tuple(tuple(f"{q}/{n}" for n in row) for q, row in enumerate(names))
        self.worth = {text: float(taste[q, k]) for q, row in enumerate(texts) for k, text in enumerate(row)}
        asked = tuple(Question(f"q{q}", "knowledge", f"question {q}", "") for q in range(self.kind.questions))
        self.deck = Deck(tuple(range(len(self.kind.quality))), asked, texts)

    def verdict(self, shown: Showing, bias: float = 0.0, noise: float = 1.0) -> str:
        """How a reviewer votes: taste, logistic noise, and a liking for the left side, logits."""
        lead = self.worth[shown.left] - self.worth[shown.right] + bias + noise * float(self.rng.logistic())
        return "tie" if abs(lead) < self.kind.tie else "1" if lead > 0 else "2"


@dataclass
class Sitting:
    """Votes on one world, cast one after another."""

    world: World
    reviewers: tuple[tuple[float, float], ...] = ((0.0, 1.0),)  # bias and noise of each
    habits: Habits = field(default_factory=Habits)
    votes: list[Vote] = field(default_factory=list)
    shown: dict[int, list[Showing]] = field(default_factory=dict)

    def vote(self, found: Ranking | None = None) -> bool:
        """One more vote, by the reviewers in turn; False where there is nothing left to be shown."""
        turn = len(self.votes) % len(self.reviewers)
        who = Reviewer(turn + 1, f"r{turn + 1}", "simulated", 1000 * self.world.seed + turn)
        mine = self.shown.setdefault(who.id, [])
        showing = pick(self.world.deck, who, mine, self.votes, self.habits, found)
        if showing is None:
            return False
        mine.append(showing)
        said = self.world.verdict(showing, *self.reviewers[turn])
        self.votes.append(Vote(len(self.votes) + 1, showing, who, said, ((), ()), "", ""))
        return True

    def ranking(self) -> Ranking:
        """By the votes so far."""
        return rank(count(self.world.deck, self.votes).outcomes, self.world.deck.share)

    def until(self, most: int, margin: float) -> tuple[Ranking, Settled]:
        """Vote until it is settled, looking after every vote; at most so often."""
        while True:
            found = self.ranking()
            end = settled(found, margin)
            if end.done or len(self.votes) >= most or not self.vote(found):
                return found, end


@lru_cache(maxsize=32)
def truth(kind: Kind) -> Floats:
    """Share of points that each checkpoint takes from each, over all questions there could be; shape (k, k)."""
    taste, names = _answers(kind, _TRUTH_QUESTIONS, np.random.default_rng(3))
    k = len(kind.quality)
    found = np.full((k, k), 0.5)
    for i in range(k):
        for j in range(k):
            lead = taste[:, i] - taste[:, j]
            won, lost = _logistic(lead - kind.tie), _logistic(-lead - kind.tie)
            points = np.where(names[:, i] == names[:, j], 0.5, 0.5 * (1.0 + won - lost))
            found[i, j] = points.mean()
    return found


def shares(points: Floats) -> Floats:
    """Share of points that each takes from all others alike."""
    k = points.shape[0]
    return np.asarray((points.sum(axis=1) - 0.5) / (k - 1))


def _answers(kind: Kind, questions: int, rng: np.random.Generator) -> tuple[Floats, NDArray[np.int64]]:
    """How good each answer is, and its name; (questions, k) each."""
    k = len(kind.quality)
    taste = np.asarray(kind.quality) + kind.spread * rng.standard_normal((questions, k))
    names = np.tile(np.arange(k), (questions, 1))
    for j in range(1, k):
        copies = rng.random(questions) < kind.same
        names[copies, j], taste[copies, j] = names[copies, j - 1], taste[copies, j - 1]
    return taste, names


def _logistic(x: Floats) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
