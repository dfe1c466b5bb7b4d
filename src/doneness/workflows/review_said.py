"""Where the votes of a review stand, in words: for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from doneness.core import Message, say, tr
from doneness.core.text import printable
from doneness.review import Agreement, Bias
from doneness.workflows.review import Status


def headline(found: Status) -> Message:
    """Whether the ranking is settled, and what is open."""
    first = next(place for place in found.places if place.step == found.leader)
    most, settled = 0.5 + found.margin, found.settled
    numbers = {"leader": checkpoint(first.step), "share": first.share, "low": first.low, "high": first.high}
    if settled.done:
        key = "review.settled_best" if settled.best else "review.settled_tied"
        return say(key, **numbers, units=found.units, **({} if settled.best else {"most": most}))
    if not found.pairs:
        return say("review.all_same")
    over = found.units >= found.pairs
    if not found.votes or (len(settled.open) == len(found.steps) - 1 and found.units < 10):
        return (
            say("review.few_over", units=found.units) if over else say("review.open_all", needed=settled.votes_needed)
        )
    rivals = _listed(found, settled.open)
    if over:
        return say("review.open_over", **numbers, rivals=rivals, most=most)
    if settled.circle:
        circle = _listed(found, settled.circle)
        return say("review.circle", **numbers, rivals=circle, most=most)
    return say("review.open", **numbers, rivals=rivals, most=most, needed=settled.votes_needed)


def _listed(found: Status, places: Sequence[int]) -> Message:
    rivals = [checkpoint(found.steps[k]) for k in places]
    return reduce(lambda left, right: say("review.list_join", left=left, right=right), rivals)


def checkpoint(step: int) -> Message:
    """A checkpoint by name; the base model is one too."""
    return say("review.checkpoint", step=step) if step else say("review.base")


def lines(found: Status) -> list[str]:
    """What else is to be known, a line each."""
    reviewers = sum(bias.kind != "judge" for bias in found.biases)
    numbers: dict[str, Any] = {"votes": found.votes, "units": found.units, "pairs": found.pairs, "same": found.same}
    told = [tr("review.counts", reviewers=reviewers, **numbers)]
    if found.stale:
        told.append(tr("review.stale", stale=found.stale))
    if found.units >= found.pairs and not found.settled.done:
        told.append(tr("review.exhausted"))
    if reviewers > 1:
        told.append(_agreement(found.agreement))
    told += [_bias(bias) for bias in found.biases if bias.kind != "judge"]
    return told + [_judge(name, each) for name, each in found.judges.items()]


def _agreement(found: Agreement) -> str:
    if found.value is None or found.interval is None:
        return tr("review.agreement_few", pairs=found.pairs)
    low, high = found.interval
    return tr("review.agreement", value=found.value, low=low, high=high, pairs=found.pairs, same=found.same)


def _bias(found: Bias) -> str:
    low, high = found.interval
    name = printable(found.reviewer)
    if found.kind != "human":
        name = f"{name} ({tr('review.kind.simulated')})"
    key = "review.position_biased" if found.biased else "review.position"
    share = found.left / found.decided if found.decided else 0.5
    told = tr(key, name=name, votes=found.votes, share=share, decided=found.decided, low=low, high=high)
    if found.repeated:
        low, high = found.kept_interval
        numbers: dict[str, Any] = {"kept": found.kept, "repeated": found.repeated, "followed": found.followed}
        told += tr("review.repeated", **numbers, low=low, high=high)
    return told


def _judge(name: str, found: Agreement) -> str:
    if found.value is None or found.interval is None:
        return tr("review.judge_few", name=printable(name), pairs=found.pairs)
    low, high = found.interval
    numbers: dict[str, Any] = {"value": found.value, "low": low, "high": high, "same": found.same, "pairs": found.pairs}
    return tr("review.judge", name=printable(name), **numbers)
