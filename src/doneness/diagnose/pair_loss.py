"""Has the loss of held-out pairs risen, and do margin or accuracy fall with it?

The losses of DPO and its kin on held-out pairs are logistic likelihoods of who won (KTO's is a bounded share of them):
a rise says that the model predicts new pairs worse than it did. Alone it may be nothing but over-confidence: a few
pairs that are wrong by more and more. With a margin or an accuracy that falls it is overfitting.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.core import Message, say
from doneness.curves import Noise, critical_turn, pooled_noise, turning, worse_than_best
from doneness.diagnose.case import Case, LossTable

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
EVEN = math.log(2.0)  # the loss of a pair that the model does not tell apart
_LEAST = 6  # evaluations
_USUAL = 0.003  # trajectory noise as a share of the loss, see CV02
_SURE = 0.05
_PLAIN = 0.05  # of the lowest loss
_FIRST = 2  # evaluations before the first look at pairs


@dataclass(frozen=True, slots=True)
class Rise:
    """A certain rise of the held-out loss.

    Attributes:
        step: where it was lowest.
        share: by how much it has risen since, of the lowest.
        words: how that is known.
    """

    step: int
    share: float
    words: Message


def risen(case: Case) -> Rise | None:
    """The rise of the held-out loss, where two looks in a row are certain of it: of its pairs, or of its course.

    By a twentieth at least: margin and accuracy come of the same answers, so that noise which lifts the loss of a run
    that stands still lowers them with it.
    """
    paired = None if case.pairs is None else _by_pairs(case, case.pairs)
    found = _by_means(case) if paired is None else paired
    return found if found is not None and found.share >= _PLAIN else None


def falls(step: Ints, value: Floats, watched: bool = False) -> bool:
    """Whether a quantity that should rise has turned downwards: a concave curve that turns fits better than any other.

    At two looks in a row, at what the earlier look of CV03 asks: it decides only together with a rise of the loss.

    Args:
        step: steps of the evaluations; shape (n,).
        value: accuracies or margins; shape (n,).
        watched: whether it is looked at again and again.
    """
    n = int(value.size)
    if n <= _LEAST or float(np.median(value[-3:])) >= float(value.max()):
        return False
    turns = (turning(step[:count], -value[:count]) for count in (n - 1, n))
    return all(turn is not None and turn.strength > critical_turn(n, watched, earlier=True) for turn in turns)


def margins(table: LossTable) -> Floats:
    """Margins of the pairs from their losses −log σ(margin); shape (k, n)."""
    # Beyond 30 the loss is the margin itself, to thirteen digits.
    loss = np.clip(table.nll, 1e-12, None)
    found: Floats = -np.where(loss > 30.0, loss, np.log(np.expm1(np.minimum(loss, 30.0))))
    return found


def right(table: LossTable) -> Floats:
    """1 where a pair is ranked rightly, 0 where it is not; shape (k, n). Pairs at exactly zero count as wrong."""
    found: Floats = (table.nll < EVEN - 1e-9).astype(np.float64)
    return found


def _by_means(case: Case) -> Rise | None:
    step, loss, n = case.step, case.loss, int(case.loss.size)
    if n < _LEAST or float(np.median(loss[-3:])) <= float(loss.min()) + case.epsilon:
        return None
    watched = case.params.watched
    now, before = turning(step, loss), turning(step[:-1], loss[:-1])
    if now is None or before is None or now.strength <= critical_turn(n, watched):
        return None
    if before.strength <= critical_turn(n, watched, earlier=True):
        return None
    if case.pairs is not None and not _differ(case.pairs):
        return None
    low = int(np.argmin(loss))
    share = float(loss[-1] - loss[low]) / (abs(float(loss[low])) or 1.0)
    return Rise(int(step[low]), share, say("diagnose.pf01.means", evals=n))


def _differ(table: LossTable) -> bool:
    """Whether the rise since the best is there on the very same pairs."""
    best = int(np.argmin(table.mean))
    return best < len(table.step) - 1 and table.effect(-1, best).p_worse(0.0, 0.0) < _SURE


def _by_pairs(case: Case, table: LossTable) -> Rise | None:
    rows = len(table.step)
    if rows <= _FIRST + 1 or not all(_worse(case, table, row) for row in (rows - 2, rows - 1)):
        return None
    mean = table.mean
    low = int(np.argmin(mean))
    share = float(mean[-1] - mean[low]) / (float(mean[low]) or 1.0)
    return Rise(int(table.step[low]), share, say("diagnose.pf01.paired", n=int(table.tokens.size)))


def _worse(case: Case, table: LossTable, row: int) -> bool:
    """Whether an evaluation is worse than the best so far; chances are spent over looks, as in CV02."""
    mean = table.mean[: row + 1]
    level = abs(float(np.median(mean[-3:])))
    noise: Noise = pooled_noise(table.step[: row + 1], mean, _USUAL * level)
    look = worse_than_best(table.nll[: row + 1], table.tokens, table.half, noise)
    spent = sum(bool(mean[r] > mean[:r].min()) for r in range(_FIRST, row + 1))
    alpha = case.params.alpha * 6.0 / (math.pi**2 * max(1, spent) ** 2)
    return look.diff > case.params.epsilon(level) / 2.0 and look.p < alpha
