"""AU06: one question, several answers, and the loss no model can get under."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.matching import Places, groups
from doneness.audit.subject import Subject
from doneness.core import Finding

_WARN, _FAIL = 0.01, 0.2
_CHARS_A_TOKEN = 4.0  # of English; for want of a tokenizer


def conflicting_answers(subject: Subject) -> Finding:
    """Find training questions that are answered differently in different rows.

    *What it finds*: rows whose question, system turn included, also occurs with another answer;
    and the irreducible part of the training loss that this makes.

    *How*: answers are compared in their normal form. A model that sees the question alone pays at
    least the entropy of its answers, H = -Σ p ln p nats a row; the floor is the mean of H over all
    rows, and per target token that sum divided by all target tokens (counted where there is a tokenizer,
    else a quarter of the characters). It is what splits at least cost, not what the answers cost.

    *Source*: Shannon's source coding bound; Cover and Thomas, "Elements of information theory",
    §5.4. Several good answers to one question are no fault, several contrary ones are.
    """
    train, n = subject.train, subject.train.count
    answers = train.columns.get("answer")
    places, begins, sizes = groups(train.columns.get("asked"))
    entropy, kinds = _entropies(np.asarray(answers)[places], begins, sizes)
    split = np.flatnonzero(kinds > 1)
    split = split[np.lexsort((places[begins[split]], -sizes[split]))]
    nats = float((sizes[split] * entropy[split]).sum())
    rows = _members(places, begins, sizes, split)
    subject.flag("AU06", rows)
    share = len(rows) / n
    return finding(
        "AU06",
        grade(share, _WARN, _FAIL),
        {"questions": len(split), "count": len(rows), "n": n, "share": share, "floor": nats / n,
         "token": nats / _targets(subject)},
        value=share,
        n=n,
        threshold=_WARN,
        rows=train.lines(rows[:1000]),
        examples=(_example(subject, places[begins[k] : begins[k] + sizes[k]], answers) for k in split[:EXAMPLES]),
        floor_nats_per_row=nats / n,
        floor_nats_per_token=nats / _targets(subject),
        tokens_counted=subject.fitted,
    )  # fmt: skip


def _entropies(answers: NDArray[Any], begins: Places, sizes: Places) -> tuple[NDArray[np.float64], Places]:
    """For each group of rows: the entropy of its answers in nats, and how many different ones there are."""
    group = np.repeat(np.arange(len(begins)), sizes)
    order = np.lexsort((answers, group))
    fresh = np.ones(len(order), dtype=bool)
    same = (answers[order][1:] == answers[order][:-1]) & (group[order][1:] == group[order][:-1])
    fresh[1:] = ~same
    counts = np.diff(np.concatenate((np.flatnonzero(fresh), [len(order)])))
    home = group[order][fresh]
    p = counts / sizes[home]
    entropy = np.asarray(np.bincount(home, -p * np.log(p), len(begins)), dtype=np.float64)
    return entropy, np.bincount(home, minlength=len(begins)).astype(np.int64)


def _members(places: Places, begins: Places, sizes: Places, some: Places) -> Places:
    inside = np.zeros(len(begins), dtype=bool)
    inside[some] = True
    return np.sort(places[np.repeat(inside, sizes)])


def _targets(subject: Subject) -> float:
    if subject.fitted:
        return max(1.0, float(np.asarray(subject.train.columns.get("targets"), np.float64).sum()))
    return max(1.0, float(np.asarray(subject.train.columns.get("chars"), np.float64).sum()) / _CHARS_A_TOKEN)


def _example(subject: Subject, rows: Places, answers: NDArray[Any]) -> dict[str, Any]:
    _, first = np.unique(np.asarray(answers)[rows], return_index=True)
    return {
        "train_rows": subject.train.named(rows[:20]),
        "question": Ask("train", int(rows[0])),
        "answers": [Ask("train", int(rows[k]), "answer") for k in np.sort(first)[:3]],
    }


CHECK = DataCheck("AU06", conflicting_answers, stages=ANSWERED)
