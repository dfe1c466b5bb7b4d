"""The loss that contradictory rows leave to any model, and the share of answers that can still be reproduced."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Floor:
    """What no model gets under.

    Attributes:
        loss: nats per target token.
        attainable: share of rows whose whole answer is the likeliest one after all that stands before it.
        conflicting: rows with a place at which rows that are alike so far go on differently.
        rows: all rows.
    """

    loss: float
    attainable: float
    conflicting: int
    rows: int


def floor_of(rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> Floor:
    """The floor of rows as token ids and labels (negative where a token carries no loss).

    At every target token, rows that are alike up to there are a group; no model can predict better than the
    group's own frequencies, so that the floor is the mean of −ln(share of the group that goes on so). Where no two
    rows share a beginning it is zero.

    Source: Shannon's source coding bound; Cover and Thomas, "Elements of information theory", §5.4.
    """
    seen: dict[int, Counter[int]] = {}
    paths = [_path(ids, labels) for ids, labels in rows]
    for path in paths:
        for prefix, token in path:
            seen.setdefault(prefix, Counter())[token] += 1
    nats, targets, likeliest, conflicting = 0.0, 0, 0, 0
    for path in paths:
        groups = [(seen[prefix], token) for prefix, token in path]
        nats -= sum(math.log(group[token] / group.total()) for group, token in groups)
        targets += len(groups)
        conflicting += any(len(group) > 1 for group, _ in groups)
        # Of equally frequent ones the first seen counts: a model gives one of them.
        likeliest += all(group.most_common(1)[0][0] == token for group, token in groups)
    n = len(rows)
    return Floor(nats / targets if targets else 0.0, likeliest / n if n else 0.0, conflicting, n)


def _path(ids: Sequence[int], labels: Sequence[int]) -> list[tuple[int, int]]:
    """Each target token with a hash of all that stands before it."""
    found, prefix = [], hash(())
    for at, (token, label) in enumerate(zip(ids, labels, strict=True)):
        # The first token of a row is predicted by nothing.
        if at and label >= 0:
            found.append((prefix, token))
        prefix = hash((prefix, token))
    return found
