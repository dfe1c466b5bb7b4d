"""A ranking from votes: Bradley-Terry on points, with intervals that hold questions together.

A vote gives its first side 1 point, 0, or half a point (a tie, or both bad). P(i, j) = σ(θᵢ − θⱼ) is the share of
points that checkpoint i takes from j over all questions, those included to which both said the same word for word:
these are never shown, and known to be ties. A vote on a pair that differs at a share d of the questions therefore says
½ + d (y − ½) of that pair as a whole, and stands for 1/d questions.

Half points need no model of how often ties happen, as Davidson's (JASA 1970) does, and their variance is taken from
the votes themselves: what is left of a question's votes when it is left out (a jackknife over questions), so that
several votes on one question are not taken for as many questions. Every pair begins with a virtual tie of a small
weight, so that a checkpoint that won every vote stays finite, and one without votes has a wide interval, not none.

Source: Bradley and Terry, Biometrika 1952; quasi-likelihood and its covariance by clusters: Liang and Zeger, Biometrika
1986; the jackknife over clusters in one step: Bell and McCaffrey, Survey Methodology 2002.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from doneness.curves.student import t_quantile

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NORMAL = NormalDist()
_VIRTUAL = 2.0  # virtual votes of each checkpoint, all rivals together
_ROUNDS, _CLOSE = 60, 1e-9
_LEAST_ALONE = 10  # questions from which on a pair's own votes are looked at


@dataclass(frozen=True)
class Outcomes:
    """Votes as numbers.

    Attributes:
        first, second: which two checkpoints, as places in the list of all of them; shape (n,).
        points: of the first, 0 to 1; shape (n,).
        weight: of each, 1 for a vote that stands alone; shape (n,).
        cluster: number of the question, from 0; shape (n,).
    """

    first: Ints
    second: Ints
    points: Floats
    weight: Floats
    cluster: Ints

    def __len__(self) -> int:
        return int(self.first.size)


def outcomes(rows: Sequence[tuple[int, int, float, float, int]]) -> Outcomes:
    """From (first, second, points, weight, question) each."""
    table = np.asarray(rows, dtype=np.float64).reshape(-1, 5)
    whole = table[:, [0, 1, 4]].astype(np.int64)
    return Outcomes(whole[:, 0], whole[:, 1], table[:, 2], table[:, 3], whole[:, 2])


@dataclass(frozen=True)
class Ranking:
    """Checkpoints by strength.

    Attributes:
        strength: θ in logits, mean 0; shape (k,).
        covariance: of the strengths, by questions; shape (k, k).
        clusters: questions with votes.
        votes: how many each checkpoint was in; shape (k,).
        differing: share of the questions at which two checkpoints do not say the same; shape (k, k).
        alone: share of points that the first takes from the second by the votes on these two alone, less one standard
            error; NaN below ten questions. Shape (k, k).
    """

    strength: Floats
    covariance: Floats
    clusters: int
    votes: Ints
    differing: Floats
    alone: Floats

    @property
    def leader(self) -> int:
        """The strongest; of equals the first, which is the earliest checkpoint."""
        return int(np.argmax(np.round(self.strength, 9)))

    def chance(self, first: int, second: int) -> float:
        """Share of points that one takes from the other, 0 to 1."""
        return float(_logistic(self.strength[first] - self.strength[second]))

    def error(self, first: int, second: int) -> float:
        """Standard error of the difference of two strengths, logits."""
        c = self.covariance
        return float(np.sqrt(max(c[first, first] + c[second, second] - 2.0 * c[first, second], 1e-12)))

    def share(self, place: int, level: float = 0.95) -> tuple[float, float, float]:
        """Share of points that a checkpoint takes from all others alike, with its interval; 0 to 1."""
        others = np.arange(self.strength.size) != place
        chances = _logistic(self.strength[place] - self.strength[others])
        slopes = np.zeros_like(self.strength)
        slopes[others] = -chances * (1.0 - chances) / others.sum()
        slopes[place] = -slopes.sum()
        middle = float(chances.mean())
        half = _quantile(level, self.clusters) * float(np.sqrt(slopes @ self.covariance @ slopes))
        # On the scale of logits, where it stays between 0 and 1.
        scale = max(middle * (1.0 - middle), 1e-6)
        centre = float(np.log(middle / (1.0 - middle)))
        return middle, float(_logistic(centre - half / scale)), float(_logistic(centre + half / scale))

    def against(self, place: int, other: int, level: float = 0.95) -> tuple[float, float, float]:
        """Share of points that one takes from one other, with its interval; 0 to 1."""
        difference = self.strength[place] - self.strength[other]
        half = _quantile(level, self.clusters) * self.error(place, other)
        low, middle, high = (_logistic(difference + way * half) for way in (-1.0, 0.0, 1.0))
        return float(middle), float(low), float(high)


def rank(votes: Outcomes, differing: Floats, virtual: float = _VIRTUAL) -> Ranking:
    """Fit the ranking.

    Args:
        votes: with places below k.
        differing: share of the questions at which two checkpoints do not say the same, 0 to 1; shape (k, k).
        virtual: how many virtual tied votes each checkpoint begins with.

    Raises:
        ValueError: fewer than two checkpoints.
    """
    k = differing.shape[0]
    if k < 2:
        raise ValueError(f"two checkpoints at least, got {k}")
    share = np.maximum(differing[votes.first, votes.second], 1e-3)
    points, weight = 0.5 + share * (votes.points - 0.5), votes.weight / share
    prior = _prior(differing, virtual)
    strength = _fitted(votes, points, weight, prior)
    bread, scores, breads = _parts(strength, votes, points, weight, prior)
    covariance = _covariance(bread, scores, breads, differing, virtual)
    counts = np.bincount(np.concatenate([votes.first, votes.second]), minlength=k)
    alone = _alone(votes, points, k)
    return Ranking(strength, covariance, scores.shape[0], counts.astype(np.int64), differing, alone)


def _alone(votes: Outcomes, points: Floats, k: int) -> Floats:
    """What each pair's own votes say, whatever the others do: less one standard error, NaN where they are few."""
    n, total, squares = np.zeros((k, k)), np.zeros((k, k)), np.zeros((k, k))
    for one, other, part in ((votes.first, votes.second, points), (votes.second, votes.first, 1.0 - points)):
        np.add.at(n, (one, other), 1.0)
        np.add.at(total, (one, other), part)
        np.add.at(squares, (one, other), part**2)
    known = np.where(n >= _LEAST_ALONE, n, np.nan)
    mean = total / known
    return np.asarray(mean - np.sqrt(np.maximum(squares / known - mean**2, 0.0) / (known - 1.0)))


def _fitted(votes: Outcomes, points: Floats, weight: Floats, prior: Floats) -> Floats:
    """The strengths, mean 0, by Newton's method on what each pair adds up to."""
    k = prior.shape[0]
    total, won = prior.copy(), 0.5 * prior
    for one, other, part in ((votes.first, votes.second, points), (votes.second, votes.first, 1.0 - points)):
        np.add.at(total, (one, other), weight)
        np.add.at(won, (one, other), weight * part)
    strength = np.zeros(k)
    for _ in range(_ROUNDS):
        chance = _logistic(strength[:, None] - strength[None, :])
        score = (won - total * chance).sum(axis=1)
        # A constant added to all strengths changes nothing; the ones keep their mean where it is.
        step = np.linalg.solve(_laplacian(total * chance * (1.0 - chance)) + 1.0, score)
        size = float(np.abs(step).max())
        strength = strength + step * min(1.0, 2.0 / max(size, 1e-12))
        if size < _CLOSE:
            break
    return np.asarray(strength - strength.mean(), dtype=np.float64)


def _prior(differing: Floats, virtual: float) -> Floats:
    """Weight of every pair's virtual tie; shape (k, k), symmetric, zero on the diagonal."""
    k = differing.shape[0]
    weight: Floats = virtual / (k - 1) / np.maximum(differing, 1e-3)
    np.fill_diagonal(weight, 0.0)
    return weight


def _parts(
    strength: Floats, votes: Outcomes, points: Floats, weight: Floats, prior: Floats
) -> tuple[Floats, Floats, Floats]:
    """Negative slope of the score (k, k); the score by question (g, k), and its negative slope (g, k, k)."""
    k = strength.size
    chance = _logistic(strength[votes.first] - strength[votes.second])
    known, cluster = np.unique(votes.cluster, return_inverse=True)
    scores = np.zeros((known.size, k))
    residual = weight * (points - chance)
    np.add.at(scores, (cluster, votes.first), residual)
    np.add.at(scores, (cluster, votes.second), -residual)
    breads = np.zeros((known.size, k, k))
    slope = weight * chance * (1.0 - chance)
    for one, other, sign in ((0, 0, 1.0), (1, 1, 1.0), (0, 1, -1.0), (1, 0, -1.0)):
        places = (votes.first, votes.second)
        np.add.at(breads, (cluster, places[one], places[other]), sign * slope)
    beside = _logistic(strength[:, None] - strength[None, :])
    bread = breads.sum(axis=0) + _laplacian(prior * beside * (1.0 - beside)) + 1.0
    return bread, scores, breads


def _covariance(bread: Floats, scores: Floats, breads: Floats, differing: Floats, virtual: float) -> Floats:
    """Of the strengths: questions left out one by one, and the virtual ties as uncertain as votes."""
    k, g = bread.shape[0], scores.shape[0]
    inverse = np.linalg.inv(bread)
    loose = np.full_like(differing, virtual / (k - 1) / 4.0)
    np.fill_diagonal(loose, 0.0)
    found = inverse @ _laplacian(loose) @ inverse
    if g > 1:
        moved = np.linalg.solve(bread[None] - breads, scores[:, :, None])[:, :, 0]
        found = found + (g - 1) / g * moved.T @ moved
    return np.asarray(found, dtype=np.float64)


def _laplacian(weight: Floats) -> Floats:
    return np.asarray(np.diag(weight.sum(axis=1)) - weight, dtype=np.float64)


def _quantile(level: float, clusters: int) -> float:
    p = 0.5 + level / 2.0
    return t_quantile(p, clusters - 1) if clusters > 2 else _NORMAL.inv_cdf(p)


def _logistic(x: Floats | float) -> Floats:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, dtype=np.float64))))
