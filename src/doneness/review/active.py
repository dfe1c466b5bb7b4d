"""Which two checkpoints a vote tells most about, by the present ranking.

What is to be known is whether any rival is preferred to the leader. A vote on any pair narrows the leader's lead over
every rival a little; its worth is the sum of these narrowings, each weighted by how likely it still is that this rival
is in truth ahead (expected reduction of variance, as in optimal design; the weights are those of top-two rules: Russo,
"Simple Bayesian algorithms for best-arm identification", Operations Research 2020).
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from doneness.review.ranking import Floats, Ranking
from doneness.review.settled import MARGIN, gained

_NORMAL = NormalDist()


def worth(found: Ranking, margin: float = MARGIN) -> Floats:
    """What a vote on each pair is worth, relative to the best, 0 to 1; shape (k, k), symmetric, 0 on the diagonal."""
    k, leader, cov = found.strength.size, found.leader, found.covariance
    slack = math.log((0.5 + margin) / (0.5 - margin))
    out = np.zeros((k, k))
    rivals = [j for j in range(k) if j != leader]
    doubt = np.array([_doubt(found, leader, j, slack) for j in rivals])
    doubt /= doubt.max()
    leads = np.array([cov[leader] - cov[j] for j in rivals])  # covariance of each lead with all strengths
    variances = np.array([found.error(leader, j) ** 2 for j in rivals])
    for a in range(k):
        for b in range(a + 1, k):
            told = gained(found, a, b)
            narrowed = told * (leads[:, a] - leads[:, b]) ** 2 / (1.0 + told * found.error(a, b) ** 2)
            out[a, b] = out[b, a] = float(doubt @ (narrowed / variances))
    most = out.max()
    return out / most if most > 0 else out


def _doubt(found: Ranking, leader: int, rival: int, slack: float) -> float:
    lead = float(found.strength[leader] - found.strength[rival]) + slack
    return max(_NORMAL.cdf(-lead / found.error(leader, rival)), 1e-12)
