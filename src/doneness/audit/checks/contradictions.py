"""AU21: yes in one row, no in another."""

from __future__ import annotations

from typing import Any

import numpy as np

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.matching import groups
from doneness.audit.subject import Subject
from doneness.core import Finding

_WARN, _FAIL = 0.0005, 0.02


def contradictions(subject: Subject) -> Finding:
    """Find questions that are answered with yes here and with no there.

    *What it finds*: rows with the same question, or with nearly the same one, of which one answer opens with yes (or
    "可以", "需要") and the other with no ("不可以", "没有").

    *How*: the first word of the answer's normal form, over the groups of AU06 and the pairs of AU05. Questions that
    differ in a "not", a number or an opposite are no pair there, so their answers may differ.

    *Source*: of two such rows one is wrong, and the model learns to say either (Li et al., "Data-centric
    hallucination", surveyed in Huang et al., arXiv 2311.05232, §3.1).
    """
    train, n = subject.train, subject.train.count
    says = np.asarray(train.columns.get("decides"))
    pairs = _same(subject, says) + (_near(subject, says) if subject.params.joined else [])
    rows = np.unique(np.array([place for pair in pairs for place in pair[:2]], dtype=np.int64))
    subject.flag("AU21", rows)
    share = len(rows) / n
    pairs.sort(key=lambda pair: (-pair[2], pair[0], pair[1]))
    return finding(
        "AU21",
        grade(share, _WARN, _FAIL),
        {"pairs": len(pairs), "count": len(rows), "n": n, "share": share, "decided": int((says != 0).sum())},
        value=share,
        n=n,
        threshold=_WARN,
        rows=train.lines(rows[:1000]),
        examples=(_example(subject, pair) for pair in pairs[:EXAMPLES]),
    )


def _same(subject: Subject, says: Any) -> list[tuple[int, int, float]]:
    places, begins, sizes = groups(subject.train.columns.get("asked"))
    if not len(begins):
        return []
    said = says[places]
    high, low = np.maximum.reduceat(said, begins), np.minimum.reduceat(said, begins)
    found = []
    for k in np.flatnonzero((high == 1) & (low == -1)):
        members = places[begins[k] : begins[k] + sizes[k]]
        found.append((int(members[says[members] == 1][0]), int(members[says[members] == -1][0]), 1.0))
    return found


def _near(subject: Subject, says: Any) -> list[tuple[int, int, float]]:
    near = subject.near.within
    against = says[near.first] * says[near.second] == -1
    numbers = (near.first[against].tolist(), near.second[against].tolist(), near.value[against].tolist())
    return list(zip(*numbers, strict=True))


def _example(subject: Subject, pair: tuple[int, int, float]) -> dict[str, Any]:
    one, other, value = pair
    return {
        "train_rows": subject.train.named([one, other]),
        "similarity": round(value, 3),
        "question": Ask("train", one),
        "answers": [Ask("train", one, "answer"), Ask("train", other, "answer")],
    }


CHECK = DataCheck("AU21", contradictions, stages=ANSWERED)
