"""Two runs beside each other: whether their losses may be compared, and the paired difference at one place."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from doneness.core import Message, say
from doneness.curves import PairedEffect, paired_effect
from doneness.diagnose.case import Case
from doneness.diagnose.params import Params
from doneness.runs import ExampleLosses, Run

Floats = NDArray[np.float64]
_SAME_START = 0.005  # share by which two losses before training may differ
_SAME_PLACE = 1e-9


@dataclass(frozen=True)
class Reading:
    """The evaluation loss of a run at one place of an axis.

    Attributes:
        loss: nats per target token; NaN where no evaluation is usable.
        interpolated: whether it lies between two evaluations, on the straight line between them.
        examples: per-example losses at that place (weighted alike), where both evaluations have them.
    """

    loss: float
    interpolated: bool
    examples: ExampleLosses | None = None


def reading(run: Run, places: Sequence[float], at: float) -> Reading:
    """The loss of `run` at the place `at`; never beyond its first and last usable evaluation.

    Args:
        run: with evaluations.
        places: where each usable evaluation lies on the axis, ascending; shape (k,).
        at: the place asked for.
    """
    case = Case(run, Params())
    where = np.asarray(places, dtype=np.float64)
    if not where.size or not where[0] - _SAME_PLACE <= at <= where[-1] * (1 + _SAME_PLACE) + _SAME_PLACE:
        return Reading(math.nan, False)
    after = min(int(np.searchsorted(where, at * (1 - _SAME_PLACE))), where.size - 1)
    before = after if abs(where[after] - at) <= _SAME_PLACE * max(abs(at), 1.0) else max(after - 1, 0)
    span = where[after] - where[before]
    share = float((at - where[before]) / span) if span > 0 else 0.0
    loss = float((1 - share) * case.loss[before] + share * case.loss[after])
    stored = {e.step: e for e in run.examples}
    first, second = stored.get(int(case.step[before])), stored.get(int(case.step[after]))
    examples = _between(first, second, share) if first is not None and second is not None else None
    return Reading(loss, before != after, examples)


def difference(first: Reading, second: Reading) -> PairedEffect | None:
    """`second` minus `first` on the examples that both hold with the same targets; None with fewer than four."""
    if first.examples is None or second.examples is None:
        return None
    ours, theirs = _shared(first.examples, second.examples)
    if ours.size < 4:
        return None
    examples = first.examples
    clusters = None if examples.cluster is None else examples.cluster[ours].tolist()
    return paired_effect(second.examples.nll[theirs], examples.nll[ours], examples.tokens[ours], clusters)


def noise_between(first: Run, second: Run) -> float:
    """The trajectory noise that a difference of the two carries, as one σ for both; nats."""
    found = [Case(run, Params()).noise for run in (first, second)]
    kept = [n if math.isfinite(n) else 0.0 for n in found]
    return math.sqrt((kept[0] ** 2 + kept[1] ** 2) / 2.0)


def hindrances(first: Run, second: Run, names: tuple[str, str]) -> list[Message]:
    """What keeps the losses of two runs from being compared, one sentence each; empty where nothing is seen."""
    one, other = Case(first, Params()), Case(second, Params())
    said = {"first": names[0], "second": names[1]}
    if one.preference != other.preference:
        return [say("diagnose.between.kinds", **said)]
    found = []
    methods = [str(r.meta.get("method", "")).lower() for r in (first, second)]
    if all(methods) and methods[0] != methods[1] and (one.preference or other.preference):
        found.append(say("diagnose.between.methods", **said, one=methods[0], other=methods[1]))
    sizes = [r.number("vocab_size") for r in (first, second)]
    if None not in sizes and sizes[0] != sizes[1]:
        found.append(say("diagnose.between.vocabulary", **said, one=int(sizes[0] or 0), other=int(sizes[1] or 0)))
    return found + _rows(first, second, said)


def kind_of_loss(run: Run) -> str:
    """What the evaluation loss of `run` is: "" for a likelihood, else the method whose loss it is, or "preference"."""
    method = str(run.meta.get("method", "")).lower()
    return (method or "preference") if Case(run, Params()).preference else ""


def rows_known_alike(first: Run, second: Run) -> bool:
    """Whether per-example losses show that both were evaluated on the same rows."""
    pair = _last_examples(first, second)
    return pair is not None and _shared(*pair)[0].size == pair[0].ids.size == pair[1].ids.size


def _rows(first: Run, second: Run, said: dict[str, str]) -> list[Message]:
    pair = _last_examples(first, second)
    if pair is not None:
        a, b = pair
        same_ids = int(np.intersect1d(a.ids, b.ids).size)
        alike = int(_shared(a, b)[0].size)
        if same_ids < max(a.ids.size, b.ids.size):
            return [say("diagnose.between.rows", **said, shared=same_ids, one=int(a.ids.size), other=int(b.ids.size))]
        if alike < same_ids:
            return [say("diagnose.between.targets", **said, n=same_ids - alike, all=same_ids)]
        return []
    counts = [r.number("eval_rows") for r in (first, second)]
    if None not in counts and counts[0] != counts[1]:
        return [say("diagnose.between.counts", **said, one=int(counts[0] or 0), other=int(counts[1] or 0))]
    sets = [str(r.meta.get("eval_data", "")) for r in (first, second)]
    if all(sets) and sets[0] != sets[1]:
        return [say("diagnose.between.sets", **said, one=sets[0], other=sets[1])]
    starts = [_start(r) for r in (first, second)]
    one, other = starts
    if one is None or other is None or abs(one - other) <= _SAME_START * max(abs(one), abs(other)):
        return []
    return [say("diagnose.between.start", **said, one=round(one, 4), other=round(other, 4))]


def _last_examples(first: Run, second: Run) -> tuple[ExampleLosses, ExampleLosses] | None:
    a, b = first.examples, second.examples
    return (a[-1], b[-1]) if a and b else None


def _start(run: Run) -> float | None:
    """The loss before any training, where it was evaluated."""
    case = Case(run, Params())
    return float(case.loss[0]) if case.step.size and case.step[0] == 0 else None


def _shared(a: ExampleLosses, b: ExampleLosses) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of `a` and of `b` that are the same example with the same number of targets and a finite loss."""
    _, ours, theirs = np.intersect1d(a.ids, b.ids, assume_unique=True, return_indices=True)
    good = (a.tokens[ours] == b.tokens[theirs]) & np.isfinite(a.nll[ours]) & np.isfinite(b.nll[theirs])
    return ours[good].astype(np.int64), theirs[good].astype(np.int64)


def _between(a: ExampleLosses, b: ExampleLosses, share: float) -> ExampleLosses:
    if a is b:
        return a
    ours, theirs = _shared(a, b)
    nll: Floats = (1 - share) * a.nll[ours] + share * b.nll[theirs]
    cluster = None if a.cluster is None else a.cluster[ours]
    return ExampleLosses(b.step, a.ids[ours], nll, a.tokens[ours], cluster=cluster)
