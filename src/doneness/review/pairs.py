"""Preference pairs from votes: what people preferred, as rows to train on.

A pair is two texts on which everybody who decided took the same side. Ties, "both bad" and splits are left out and
counted. A rewrite is better than both answers it was written over. Rows keep who voted, when, and by what margin.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from doneness.curves.clustered import groups_of, share_interval
from doneness.curves.shares import Interval
from doneness.data.near_duplicates import near_pairs
from doneness.review.deck import name_of
from doneness.review.points import Unit, unit_of
from doneness.review.votes import FIRST, SECOND, Vote

_ALIKE = 0.1  # a difference of lengths below a tenth says nothing of length


@dataclass(frozen=True, slots=True)
class Pair:
    """A better and a worse answer to a question.

    Attributes:
        prompt, chosen, rejected: texts.
        question: probe id; rows of one question belong together.
        who: names of those who voted so, in order.
        when: of the newest of their votes, UTC, ISO 8601.
        margin: share of the reviewers of this pair that voted so, 0 to 1; ties count against it.
        rewritten: the chosen answer is a reviewer's own.
    """

    prompt: str
    chosen: str
    rejected: str
    question: str
    who: tuple[str, ...]
    when: str
    margin: float
    rewritten: bool = False

    @property
    def lead(self) -> float:
        """How much longer the chosen answer is: the logarithm of the ratio of characters."""
        return math.log((len(self.chosen) + 1) / (len(self.rejected) + 1))

    def row(self) -> dict[str, Any]:
        """As it is written, and read by the stages that learn from pairs."""
        found = asdict(self)
        found["question_id"] = found.pop("question")
        found["who"] = list(self.who)
        return found | {"margin": round(self.margin, 4)}


@dataclass(frozen=True)
class Left:
    """What became of the votes that are no pair, in pairs of answers.

    Attributes:
        ties: nobody preferred either.
        split: reviewers, or one of them at two times, took different sides.
        kept_apart: of questions that are kept for the table after training.
        leaked: of questions that are, or nearly are, among those the run is evaluated on or that are kept apart.
        unmatched: left out to match lengths.
        blank: one of the two answers is empty, which nothing can be learnt from.
    """

    ties: int = 0
    split: int = 0
    kept_apart: int = 0
    leaked: int = 0
    unmatched: int = 0
    blank: int = 0


@dataclass(frozen=True)
class Lengths:
    """Whether longer answers were preferred.

    Attributes:
        chosen, rejected: median length in characters.
        longer: pairs whose chosen answer is longer by a tenth or more, of `decided` that differ by as much.
        interval: of that share, 95 %.
    """

    chosen: float
    rejected: float
    longer: int
    decided: int
    interval: Interval


def preferred(votes: Iterable[Vote]) -> tuple[tuple[Pair, ...], Left]:
    """The pairs that votes make, in the order of the questions' first votes."""
    by_unit: dict[Unit, list[Vote]] = defaultdict(list)
    for vote in votes:
        by_unit[unit_of(vote.showing)].append(vote)
    pairs: list[Pair] = []
    ties = split = 0
    for cast in by_unit.values():
        winners = {_winner(vote) for vote in cast} - {None}
        rewrites = [vote for vote in cast if vote.rewrite]
        for vote in rewrites:
            pairs += _over(vote, vote.showing.left) + _over(vote, vote.showing.right)
        if len(winners) > 1:
            split += 1
        elif not winners:
            ties += not rewrites
        else:
            pairs.append(_agreed(cast, str(*winners)))
    once = _once(pairs)
    whole = [pair for pair in once if pair.chosen.strip() and pair.rejected.strip()]
    # A rewrite may say what somebody else voted against: both ways round it teaches nothing.
    ways = {(pair.question, name_of(pair.chosen), name_of(pair.rejected)) for pair in whole}
    agreed = [p for p in whole if (p.question, name_of(p.rejected), name_of(p.chosen)) not in ways]
    return tuple(agreed), Left(ties, split + (len(whole) - len(agreed)) // 2, blank=len(once) - len(whole))


def apart(pairs: Sequence[Pair], kept: Iterable[str], prompts: Sequence[str]) -> tuple[tuple[Pair, ...], int, int]:
    """Without the questions that something is to be measured on.

    Args:
        pairs: all.
        kept: ids of questions that are kept for the table after training.
        prompts: of these questions and of the rows that the run is evaluated on; what is nearly one of them goes too.

    Returns:
        The pairs left, how many were of `kept`, and how many of `prompts` without being of `kept`.
    """
    known = {*kept}
    rest = [pair for pair in pairs if pair.question not in known]
    texts = list(dict.fromkeys(pair.prompt for pair in rest))
    near = {texts[i] for i, _, _ in near_pairs(texts, list(prompts))} if texts and prompts else set()
    clean = tuple(pair for pair in rest if pair.prompt not in near)
    return clean, len(pairs) - len(rest), len(rest) - len(clean)


def lengths(pairs: Sequence[Pair]) -> Lengths | None:
    """Whether the chosen answers are the longer ones; None without pairs."""
    if not pairs:
        return None
    decided = [pair for pair in pairs if abs(pair.lead) >= _ALIKE]
    longer = sum(pair.lead > 0 for pair in decided)
    # Pairs of one question share its answers.
    asked = groups_of([pair.question for pair in decided])
    interval = share_interval(np.array([pair.lead > 0 for pair in decided], dtype=np.float64), asked)
    middle = [float(median(len(getattr(pair, side)) for pair in pairs)) for side in ("chosen", "rejected")]
    return Lengths(middle[0], middle[1], longer, len(decided), interval)


def matched(pairs: Sequence[Pair]) -> tuple[Pair, ...]:
    """Pairs in which length says nothing: of those that differ in length, as many longer as shorter, alike in how much.

    Each pair of the rarer kind is matched with the one of the other kind whose difference is nearest; the rest goes.
    """
    longer = [pair for pair in pairs if pair.lead >= _ALIKE]
    shorter = [pair for pair in pairs if pair.lead <= -_ALIKE]
    few, many = sorted((longer, shorter), key=len)
    kept = {pair for pair in pairs if abs(pair.lead) < _ALIKE} | {*few}
    left = sorted(many, key=lambda pair: abs(pair.lead))
    # The hardest to match first, so that the largest differences find one another.
    for pair in sorted(few, key=lambda pair: -abs(pair.lead)):
        nearest = min(left, key=lambda other: abs(abs(other.lead) - abs(pair.lead)))
        left.remove(nearest)
        kept.add(nearest)
    return tuple(pair for pair in pairs if pair in kept)


def _once(pairs: Iterable[Pair]) -> list[Pair]:
    """One row for the same two texts: a rewrite that was given at several showings of a question is one."""
    found: dict[tuple[str, str, str], Pair] = {}
    for pair in pairs:
        key = pair.question, name_of(pair.chosen), name_of(pair.rejected)
        other = found.get(key)
        if other is not None:
            who, when = tuple(sorted({*other.who, *pair.who})), max(other.when, pair.when)
            pair = replace(other, who=who, when=when, rewritten=other.rewritten and pair.rewritten)
        found[key] = pair
    return list(found.values())


def _winner(vote: Vote) -> str | None:
    """The name of the answer that was preferred, or None."""
    shown = {FIRST: vote.showing.left, SECOND: vote.showing.right}.get(vote.verdict)
    return None if shown is None else name_of(shown)


def _agreed(cast: Sequence[Vote], winner: str) -> Pair:
    """The pair of votes that all name one winner, or none."""
    shown = cast[0].showing
    chosen, rejected = (shown.left, shown.right) if name_of(shown.left) == winner else (shown.right, shown.left)
    said = [vote for vote in cast if _winner(vote) == winner]
    who = tuple(sorted({vote.reviewer.name for vote in said}))
    everybody = {vote.reviewer.id for vote in cast}
    share = sum(
        sum(_winner(v) == winner for v in cast if v.reviewer.id == each)
        / sum(v.reviewer.id == each for v in cast)
        for each in everybody
    ) / len(everybody)  # fmt: skip
    return Pair(shown.prompt, chosen, rejected, shown.question, who, max(v.at for v in said), share)


def _over(vote: Vote, answer: str) -> list[Pair]:
    """The reviewer's own words over an answer, unless they are that answer."""
    if name_of(vote.rewrite) == name_of(answer):
        return []
    shown = vote.showing
    return [Pair(shown.prompt, vote.rewrite, answer, shown.question, (vote.reviewer.name,), vote.at, 1.0, True)]
