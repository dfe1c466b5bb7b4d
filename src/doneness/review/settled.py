"""When enough was voted: no other checkpoint is preferred to the leader by more than a margin, at 95 %.

Somebody looks after every vote, and stops at the first look that says "settled". An interval that holds at one look is
then wrong far more often than it says; what is used here holds at all looks together. For each rival the evidence
against "it is preferred to the leader by more than the margin" is a likelihood ratio, averaged over how large the
leader's lead may be: the chance that it ever exceeds 1/a where the rival *is* preferred is at most a. The claim is made
once it exceeds (k − 1)/0.05 for each of the k − 1 rivals: whoever is truly best is one of those that had to be ruled
out, so at most one claim in twenty is wrong by more than the margin. All of this rests on one strength for each
checkpoint; where the votes on a rival and the leader alone speak against it, nothing is claimed.

Source: Robbins, Annals of Mathematical Statistics 1970, 41:1397; with an estimated variance: Waudby-Smith, Arbour,
Sinha, Kennedy and Ramdas, "Time-uniform central limit theory", Annals of Statistics 2024.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from doneness.review.ranking import Ranking

ALPHA = 0.05
MARGIN = 0.1
_LEAD = 0.7  # logits: how large a lead the average over leads has in mind
_LEAST_QUESTIONS = 10
_MOST = 100_000
_NORMAL = NormalDist()


@dataclass(frozen=True)
class Settled:
    """What the votes allow to be said.

    Attributes:
        leader: place of the strongest checkpoint.
        done: no other is preferred to it by more than the margin.
        best: it is preferred to every other, however little.
        open: places of the rivals that are not ruled out yet, the hardest first.
        votes_needed: about how many more votes will do; 0 where done.
        circle: of the open ones, those that the votes on the two alone prefer to the leader, against the ranking.
    """

    leader: int
    done: bool
    best: bool
    open: tuple[int, ...]
    votes_needed: int
    circle: tuple[int, ...] = ()


def settled(found: Ranking, margin: float = MARGIN, alpha: float = ALPHA) -> Settled:
    """Judge a ranking.

    Args:
        found: the ranking.
        margin: how much more than half of the points a rival may take and still not matter, 0 to 0.4.
        alpha: chance that "settled" is ever said wrongly.
    """
    leader, k = found.leader, found.strength.size
    rivals = [j for j in range(k) if j != leader]
    bar = math.log((k - 1) / alpha)
    slack = math.log((0.5 + margin) / (0.5 - margin))
    few = found.clusters < _LEAST_QUESTIONS
    with_margin = {j: _evidence(found, leader, j, slack) for j in rivals}
    strict = [_evidence(found, leader, j, 0.0) for j in rivals]
    # Preferences may run in a circle, which a strength for each cannot say: a pair's own votes are heard, too.
    circle = tuple(j for j in rivals if found.alone[j, leader] > 0.5 + margin)
    still = [j for j in rivals if few or with_margin[j] < bar or j in circle]
    still.sort(key=lambda j: with_margin[j])
    needed = sum(_votes(found, leader, j, slack, bar) for j in still)
    needed = max(needed, _LEAST_QUESTIONS - found.clusters) if few else needed
    best = not still and all(each >= bar for each in strict)
    return Settled(leader, not still, best, tuple(still), min(needed, _MOST), circle)


def _evidence(found: Ranking, leader: int, rival: int, slack: float) -> float:
    """Logarithm of the likelihood ratio against "the rival is ahead by `slack` logits or more"."""
    error = found.error(leader, rival)
    lead = float(found.strength[leader] - found.strength[rival]) + slack
    return log_ratio(_as_normal(lead / error, found.clusters - 1), error**-2)


def log_ratio(z: float, information: float) -> float:
    """Logarithm of the likelihood ratio, averaged over leads (half a normal distribution), against no lead.

    Args:
        z: lead over its standard error.
        information: one over the square of that error.
    """
    known = information * _LEAD**2
    part = known / (1.0 + known)
    # Φ(−8) and below would be 0.
    tail = _NORMAL.cdf(max(-8.0, z * math.sqrt(part)))
    return math.log(2.0 * tail) - 0.5 * math.log1p(known) + 0.5 * z * z * part


def _as_normal(t: float, df: int) -> float:
    """The normal deviate that is as rare as `t` with `df` degrees of freedom (Wallace, 1959)."""
    if df < 1:
        return 0.0
    size = (8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log1p(t * t / df))
    return math.copysign(size, t)


def _votes(found: Ranking, leader: int, rival: int, slack: float, bar: float) -> int:
    """Votes on this pair alone that would rule the rival out, were the lead what it looks like."""
    lead = float(found.strength[leader] - found.strength[rival]) + slack
    now = found.error(leader, rival) ** -2
    low, high = now, now + 1.0
    while log_ratio(lead * math.sqrt(high), high) < bar and high < 1e7:
        low, high = high, high * 2.0
    for _ in range(40):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if log_ratio(lead * math.sqrt(middle), middle) < bar else (low, middle)
    return max(1, math.ceil((high - now) / gained(found, leader, rival)))


def gained(found: Ranking, first: int, second: int) -> float:
    """What one vote on a pair tells of it: information on the difference of its strengths."""
    chance, share = found.chance(first, second), max(float(found.differing[first, second]), 1e-3)
    return max(chance * (1.0 - chance), 1e-3) / share**2
