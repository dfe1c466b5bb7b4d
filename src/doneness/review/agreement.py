"""How far reviewers agree: with each other, with themselves, and with neither side of the page.

Krippendorff's alpha (nominal, with missing votes), share of votes for the left side, answers to the same pair shown
swapped, and Cohen's kappa of a judge against people. Intervals of alpha and kappa resample pairs of answers.

Source: Krippendorff, "Content Analysis", 2004, chapter 11; Cohen, Educational and Psychological Measurement 1960.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from doneness.curves.shares import Interval, wilson
from doneness.curves.student import t_quantile
from doneness.review.deck import name_of
from doneness.review.points import Unit, unit_of
from doneness.review.position import interval
from doneness.review.votes import FIRST, SECOND, TIE, Vote

_DRAWS, _LEAST = 1000, 15  # draws; questions below which no interval is given: of ten, it held the truth in 85 %
Labels = dict[Unit, dict[int, str]]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """A coefficient with its interval.

    Attributes:
        value: 1 for full agreement, 0 for what chance would give; None where it cannot be told.
        interval: 95 %; None below fifteen questions, or where the value is None.
        pairs: pairs of answers that at least two voted on.
        same: share of them on which all who voted say the same.
    """

    value: float | None
    interval: Interval | None
    pairs: int
    same: float


@dataclass(frozen=True)
class Bias:
    """What position does to a reviewer.

    Attributes:
        left: votes for the left side, of `decided` votes for either. Repetitions are left out: their sides are not
            drawn but swapped, so that a steady reviewer votes left in exactly one of the two.
        interval: of that share, 95 % for all reviewers together and at every look; see `position`.
        repeated: pairs shown again, swapped; `kept` of them got the same verdict.
        kept_interval: of that share, 95 %.
        followed: repeated pairs in which the same side was preferred both times, so the other answer.
    """

    reviewer: str
    kind: str
    votes: int
    left: int
    decided: int
    interval: Interval
    repeated: int
    kept: int
    kept_interval: Interval
    followed: int

    @property
    def biased(self) -> bool:
        """Whether the interval leaves out a half: of fair reviewers at most one sitting of twenty ever says so."""
        return self.decided > 0 and not self.interval[0] <= 0.5 <= self.interval[1]


def labels(votes: Iterable[Vote]) -> Labels:
    """By pair of answers and reviewer, which answer was preferred, whichever side it stood on.

    Where one reviewer voted twice, the first vote counts: a repetition is about the reviewer.
    """
    found: Labels = defaultdict(dict)
    for vote in votes:
        found[unit_of(vote.showing)].setdefault(vote.reviewer.id, label(vote))
    return found


def label(vote: Vote) -> str:
    """The verdict with the sides in the order of their names."""
    if vote.verdict not in (FIRST, SECOND):
        return vote.verdict
    in_order = name_of(vote.showing.left) == unit_of(vote.showing)[1]
    return vote.verdict if in_order else {FIRST: SECOND, SECOND: FIRST}[vote.verdict]


def alpha(votes: Sequence[Vote], seed: int = 0) -> Agreement:
    """Krippendorff's alpha over all reviewers that are no judges."""
    humans = [vote for vote in votes if vote.reviewer.kind != "judge"]
    shared = {unit: tuple(by.values()) for unit, by in labels(humans).items() if len(by) > 1}
    units = list(shared.values())
    return _resampled(units, _coincidences(units), _alpha, [unit[0] for unit in shared], seed)


def krippendorff(units: Sequence[tuple[str, ...]]) -> float | None:
    """Alpha of nominal labels; units with fewer than two are passed over. None without any, or without variety."""
    several = [unit for unit in units if len(unit) > 1]
    return _told(_alpha(_coincidences(several).sum(axis=0)))


def _coincidences(units: Sequence[tuple[str, ...]]) -> Floats:
    """How often each label meets each, unit by unit; a unit of m labels weighs m. Shape (n, labels, labels)."""
    known = sorted({name for unit in units for name in unit})
    table = np.zeros((len(units), len(known), len(known)))
    for place, unit in enumerate(units):
        counts = np.array([unit.count(name) for name in known], dtype=np.float64)
        table[place] = (np.outer(counts, counts) - np.diag(counts)) / (len(unit) - 1)
    return table


def _alpha(table: Floats) -> Floats:
    """Alpha of summed coincidences, shape (…, labels, labels); NaN without variety."""
    totals = table.sum(axis=-1)
    everything = totals.sum(axis=-1)
    observed = everything - np.trace(table, axis1=-2, axis2=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (everything**2 - (totals**2).sum(axis=-1)) / (everything - 1.0)
        return np.asarray(np.where(expected > 1e-12, 1.0 - observed / expected, np.nan))


def judged(votes: Sequence[Vote], judge: int, seed: int = 0) -> Agreement:
    """Cohen's kappa of one judge against what most people voted; pairs on which people are split count as ties."""
    mine, people, asked = [], [], []
    others = labels(vote for vote in votes if vote.reviewer.kind != "judge")
    for unit, by in labels(vote for vote in votes if vote.reviewer.id == judge).items():
        if unit in others:
            mine.append(by[judge])
            people.append(_most(others[unit].values()))
            asked.append(unit[0])
    return _resampled(list(zip(mine, people, strict=True)), _crossed(mine, people), _kappa, asked, seed)


def kappa(one: Sequence[str], other: Sequence[str]) -> float | None:
    """Cohen's kappa of two lists of labels; None without any, or where both only ever say one thing."""
    return _told(_kappa(_crossed(one, other).sum(axis=0)))


def _crossed(one: Sequence[str], other: Sequence[str]) -> Floats:
    """Which label meets which, one by one; shape (n, labels, labels)."""
    known = {name: place for place, name in enumerate(sorted({*one, *other}))}
    table = np.zeros((len(one), len(known), len(known)))
    for place, (a, b) in enumerate(zip(one, other, strict=True)):
        table[place, known[a], known[b]] = 1.0
    return table


def _kappa(table: Floats) -> Floats:
    """Kappa of summed meetings, shape (…, labels, labels); NaN without any, or where both only ever say one thing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        whole = table.sum(axis=(-2, -1))
        table = table / whole[..., None, None]
        same = np.trace(table, axis1=-2, axis2=-1)
        chance = (table.sum(axis=-1) * table.sum(axis=-2)).sum(axis=-1)
        return np.asarray(np.where((whole > 0) & (chance < 1.0 - 1e-12), (same - chance) / (1.0 - chance), np.nan))


def biases(votes: Sequence[Vote]) -> tuple[Bias, ...]:
    """Of every reviewer that voted, what position does."""
    by: dict[int, list[Vote]] = defaultdict(list)
    for vote in votes:
        by[vote.reviewer.id].append(vote)
    people = sum(each[0].reviewer.kind != "judge" for each in by.values())
    return tuple(_bias(each, max(people, 1)) for each in by.values())


def _bias(mine: Sequence[Vote], reviewers: int) -> Bias:
    known = {vote.showing.token: vote for vote in mine}
    twice = [(known[v.showing.repeats], v) for v in mine if v.showing.repeats in known]
    kept = sum(label(one) == label(other) for one, other in twice)
    followed = sum(one.verdict == other.verdict and one.verdict in (FIRST, SECOND) for one, other in twice)
    drawn = [v.verdict for v in mine if v.showing.repeats is None]
    left, decided = drawn.count(FIRST), drawn.count(FIRST) + drawn.count(SECOND)
    who = mine[0].reviewer
    return Bias(
        who.name, who.kind, len(mine), left, decided, interval(left, decided, reviewers), len(twice), kept,
        wilson(kept, len(twice)), followed,
    )  # fmt: skip


def _most(said: Iterable[str]) -> str:
    counts = Counter(said).most_common(2)
    if len(counts) == 2 and counts[0][1] == counts[1][1]:
        return TIE
    return counts[0][0]


def _told(value: Floats) -> float | None:
    return float(value) if np.isfinite(value) else None


def _resampled(
    units: Sequence[tuple[str, ...]],
    tables: Floats,
    value: Callable[[Floats], Floats],
    questions: Sequence[str],
    seed: int,
) -> Agreement:
    """The value of all units, with the interval of their questions drawn with replacement."""
    n = len(units)
    found = _told(value(tables.sum(axis=0)))
    same = sum(len(set(unit)) == 1 for unit in units) / n if n else 0.0
    places = np.unique(np.asarray(questions, dtype=str), return_inverse=True)[1] if n else np.zeros(0, dtype=np.int64)
    m = int(places.max()) + 1 if n else 0
    if found is None or m < _LEAST:
        return Agreement(found, None, n, same)
    clusters = np.zeros((m, *tables.shape[1:]))
    np.add.at(clusters, places, tables)
    tail = _tail(m)
    low, high = np.quantile(_drawn(clusters, m, value, seed), [tail, 1.0 - tail])
    # Where hardly any disagree, the draws hold no more of it than was seen: one more pair that does is among them.
    more = np.concatenate([clusters, _apart(tables.sum(axis=0), n)[None]])
    low = min(low, np.quantile(_drawn(more, m, value, seed), tail))
    return Agreement(found, (float(low), float(high)), n, same)


def _tail(n: int) -> float:
    """The share of draws below the interval: of Student's t, not of a normal, and of a sample's spread."""
    return NormalDist().cdf(-t_quantile(0.975, n - 1) * float(np.sqrt(n / (n - 1))))


def _drawn(clusters: Floats, size: int, value: Callable[[Floats], Floats], seed: int) -> Floats:
    """The value of so many clusters drawn with replacement, time and again; shape (draws,)."""
    n = len(clusters)
    drawn = np.random.default_rng(seed).multinomial(size, np.full(n, 1.0 / n), size=_DRAWS)
    again = value((drawn @ clusters.reshape(n, -1)).reshape(_DRAWS, *clusters.shape[1:]))
    # All alike in a draw: nothing speaks against full agreement there.
    return np.where(np.isfinite(again), again, 1.0)


def _apart(table: Floats, pairs: int) -> Floats:
    """The table of one more pair, of the usual weight, that disagrees as chance would."""
    chance = np.outer(table.sum(axis=1), table.sum(axis=0))
    np.fill_diagonal(chance, 0.0)
    if not chance.sum():
        return np.zeros_like(table)
    return np.asarray(chance * (table.sum() / pairs / chance.sum()))
