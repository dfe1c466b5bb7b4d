"""Shares, means and their paired differences where questions come in clusters; a question alone is a cluster of one.

Questions on one document, or one question in two languages, rise and fall together: twenty of them are no twenty
pieces of evidence. Whole clusters are what is flipped, drawn and counted here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from doneness.curves.shares import Interval, newcombe, standard_error, tidy, wilson
from doneness.curves.student import t_cdf, t_quantile

Floats = NDArray[np.float64]
_LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + _LEVEL / 2)


@dataclass(frozen=True)
class Groups:
    """Which question belongs to which cluster.

    Attributes:
        order: the questions, sorted by cluster; shape (n,).
        starts: where in `order` each cluster begins; shape (g,).
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]

    @property
    def count(self) -> int:
        """How many clusters."""
        return int(self.starts.size)

    @property
    def alone(self) -> bool:
        """Whether every question is its own cluster."""
        return self.starts.size == self.order.size

    def sums(self, values: Floats) -> Floats:
        """Sums by cluster, NaN counted as nothing; shape (…, n) → (…, g)."""
        if not self.order.size:
            return np.zeros((*values.shape[:-1], 0))
        return np.add.reduceat(np.nan_to_num(values)[..., self.order], self.starts, axis=-1)

    @property
    def labels(self) -> NDArray[np.intp]:
        """The cluster of each question; shape (n,)."""
        label = np.empty(self.order.size, dtype=np.intp)
        label[self.order] = np.repeat(np.arange(self.count), np.diff(np.append(self.starts, self.order.size)))
        return label

    def of(self, kept: NDArray[np.bool_]) -> Groups:
        """The clusters of some of the questions; `kept` has shape (n,)."""
        return groups_of(self.labels[kept].tolist())


def groups_of(labels: Sequence[str] | Sequence[int]) -> Groups:
    """Clusters from a label for each question; the empty label is a cluster of its own."""
    code: dict[object, int] = {}
    codes = np.array(
        [code.setdefault(("alone", i) if label == "" else label, len(code)) for i, label in enumerate(labels)],
        dtype=np.intp,
    )
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1)) if codes.size else np.zeros(0, dtype=np.intp)
    return Groups(order, starts)


class Difference(NamedTuple):
    """A paired difference: its mean, 95 % interval, two-sided p-value and standard error, over `n` questions."""

    value: float
    interval: Interval
    p: float
    se: float
    n: int


def share_interval(values: Floats, groups: Groups) -> Interval:
    """Wilson's interval of a share, for as many questions as the clusters are worth.

    Args:
        values: 0 or 1; shape (n,), no NaN.
        groups: of the same questions.

    Source: effective sample size of a clustered share, Korn & Graubard, Survey Methodology 1998, 24:193; with
    Wilson's interval, Dean & Pagano, Journal of Survey Statistics and Methodology 2015, 3:484.
    """
    n = values.size
    worth = _worth(values - values.mean() if n else values, groups, float(values.var()) if n else 0.0)
    return wilson(float(values.mean()) * worth if n else 0.0, worth)


def mean_interval(values: Floats, groups: Groups, scale: float = 1.0) -> Interval:
    """Student's interval of a mean, robust to clusters, with as many degrees of freedom as they leave.

    Args:
        values: shape (n,), no NaN.
        groups: of the same questions.
        scale: the largest deviation that one more value could reasonably show, as in `shares.mean_interval`.
    """
    if groups.count < 2:
        return -math.inf, math.inf
    middle = float(values.mean())
    half = t_quantile(0.5 + _LEVEL / 2, groups.count - 1) * _mean_error(values, groups, scale)
    return tidy(middle - half), tidy(middle + half)


def share_difference(now: Floats, before: Floats, groups: Groups) -> Difference:
    """Difference of two shares on the same questions, `now` − `before`.

    The test flips whole clusters: exact, and McNemar's where each question is its own. The interval is Newcombe's for
    as many questions as the clusters are worth.

    Args:
        now, before: 0 or 1; shape (n,), no NaN.
        groups: of the same questions.
    """
    n = now.size
    d = now - before
    changed = float(np.abs(d).sum())
    worth = _worth(d - d.mean(), groups, float(d.var()))
    shrink = worth / n
    both, gained = float((now * before).sum()), float((d > 0).sum())
    counts = (both, gained, changed - gained, n - both - changed)
    interval = newcombe(*(c * shrink for c in counts))
    # Half an item more: where nothing changed, the next question may.
    spread = math.sqrt((changed + 0.5) / (n + 1) / worth)
    return Difference(tidy(float(d.mean())), interval, flip_p(groups.sums(d)), spread, n)


def mean_difference(d: Floats, groups: Groups, scale: float = 1.0) -> Difference:
    """Mean of paired differences, Student's test and interval, robust to clusters.

    Args:
        d: differences; shape (n,), no NaN.
        groups: of the same questions.
        scale: as for `mean_interval`.
    """
    if groups.count < 2:
        return Difference(tidy(float(d.mean())), (-math.inf, math.inf), 1.0, math.inf, d.size)
    middle, error = tidy(float(d.mean())), _mean_error(d, groups, scale)
    half = t_quantile(0.5 + _LEVEL / 2, groups.count - 1) * error
    p = min(1.0, 2.0 * t_cdf(-abs(middle) / error, groups.count - 1))
    return Difference(middle, (tidy(middle - half), tidy(middle + half)), p, error, d.size)


def drawn_difference(value: float, draws: Floats, groups: Groups, n: int) -> Difference:
    """Difference of two statistics from what it is on clusters drawn anew; shape of `draws`: (b,), NaN left out.

    The bootstrap gives the standard error, Student's distribution the rest: a p-value by counting draws could never
    be small enough to count among some hundred cells.
    """
    draws = draws[np.isfinite(draws)]
    if groups.count < 2 or draws.size < 2 or not math.isfinite(value):
        return Difference(value, (-math.inf, math.inf), 1.0, math.inf, n)
    error = float(draws.std(ddof=1))
    if error <= 1e-12:
        # Never moved on any draw: the next question may, by the rule of three.
        error = 3.0 / groups.count / t_quantile(0.5 + _LEVEL / 2, groups.count - 1)
    half = t_quantile(0.5 + _LEVEL / 2, groups.count - 1) * error
    p = min(1.0, 2.0 * t_cdf(-abs(value) / error, groups.count - 1))
    return Difference(tidy(value), (tidy(value - half), tidy(value + half)), p, error, n)


def flip_p(sums: Floats) -> float:
    """Exact two-sided p-value that sums by cluster are as often above zero as below; whole numbers, shape (g,).

    All 2^g ways to flip the clusters' signs are counted, by convolution. With one question a cluster it is
    McNemar's exact test.

    Source: Fisher's randomisation test; McNemar, Psychometrika 1947, 12:153.
    """
    size = np.rint(np.abs(sums)).astype(np.int64)
    size = size[size > 0]
    total = int(size.sum())
    seen = abs(int(np.rint(sums.sum())))
    ways = np.zeros(2 * total + 1)
    ones = int((size == 1).sum())
    ways[total - ones : total + ones + 1 : 2] = _binomial(ones)
    for step in size[size > 1].tolist():
        ways = 0.5 * (_shifted(ways, step) + _shifted(ways, -step))
    # The distribution is symmetric.
    return min(1.0, float(2.0 * ways[total + seen :].sum())) if seen else 1.0


def _binomial(n: int) -> Floats:
    k = np.arange(n + 1)
    logs = np.concatenate(([0.0], np.cumsum(np.log(np.arange(1, n + 1)))))
    found: Floats = np.exp(logs[n] - logs[k] - logs[n - k] - n * math.log(2.0))
    return found


def _shifted(ways: Floats, by: int) -> Floats:
    out = np.zeros_like(ways)
    if by > 0:
        out[by:] = ways[:-by]
    else:
        out[:by] = ways[-by:]
    return out


def _worth(centred: Floats, groups: Groups, variance: float) -> float:
    """How many independent questions the clusters are worth: n over the design effect, never more than n."""
    n = centred.size
    if groups.alone or n == 0:
        return float(n)
    g = groups.count
    if g < 2:
        return 1.0
    if variance <= 1e-12:
        return float(g)  # no spread tells how alike a cluster is: as alike as can be
    clustered = g / (g - 1) * float((groups.sums(centred) ** 2).sum()) / n**2
    few = (_Z / t_quantile(0.5 + _LEVEL / 2, g - 1)) ** 2
    return max(1.0, min(float(n), variance / clustered * few if clustered > 0 else float(n)))


def _mean_error(values: Floats, groups: Groups, scale: float) -> float:
    if groups.alone:
        return standard_error(values, _LEVEL, scale)
    g, n = groups.count, values.size
    if float(values.std()) <= 1e-9 * max(scale, abs(float(values.mean()))):
        return standard_error(values[groups.order[groups.starts]], _LEVEL, scale)
    sums = groups.sums(values - values.mean())
    # Clusters that cancel out to nothing are chance, not certainty.
    return max(math.sqrt(g / (g - 1) * float((sums**2).sum())), 1e-9 * scale) / n
