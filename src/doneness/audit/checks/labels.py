"""AU16: classification: how the labels are spread, and where they contradict each other."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding
from doneness.audit.illustrate import Ask, excerpt
from doneness.audit.matching import groups
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, top
from doneness.core import Finding, Status

_MOST_LABELS = 50
_SHORT = 24  # characters of an answer that is nothing but a label
_MAJORITY, _NOISE, _FEW = 0.8, 0.01, 20
_SHIFT = 0.1


class Labels(Tally):
    """Short answers and labels, counted while they are few enough to be labels."""

    def begin(self) -> None:
        """No row so far."""
        self.answers: Counter[str] = Counter()
        self.told: Counter[str] = Counter()
        self.eval_answers: Counter[str] = Counter()
        self.eval_told: Counter[str] = Counter()
        self.evals = 0

    def see(self, entry: Entry) -> None:
        """Count the label of one row."""
        if entry.train:
            self.n += 1
        else:
            self.evals += 1
        answers, told = (self.answers, self.told) if entry.train else (self.eval_answers, self.eval_told)
        if entry.row.label is not None:
            _count(told, entry.row.label)
        if len(entry.answer) <= _SHORT:
            _count(answers, entry.normal_answer)


def labels(subject: Subject) -> Finding:
    """Judge the labels of a classification; other data pass.

    *What it finds*: one label on more than 80 % of the rows, labels with fewer than 20 rows, the same question with
    different labels (1 % of the rows or more), and evaluation rows whose labels are spread otherwise (a total
    variation above 0.1 and above what chance gives).

    *How*: a set is a classification where nine in ten rows name a label, or have one of at most 50 short answers. Of
    rows with the same question at least those outside the majority are wrong: their share is a lower bound of the
    noise,
    -Σ p ln p the nats that they cost.

    *Source*: Northcutt, Athalye and Mueller, "Pervasive label errors in test sets destabilize machine learning
    benchmarks", NeurIPS 2021. A model that always says the most frequent label has that label's share of right answers.
    """
    seen, n = subject[Labels], subject.train.count
    by_label = _classes(seen.told, n)
    counts = seen.told if by_label else seen.answers
    if not by_label and not _classes(seen.answers, n):
        return finding("AU16", Status.PASS, {"n": n}, value=0.0, n=n, key="none")
    column = subject.train.columns.get("label" if by_label else "answer")
    wrong, rows = _contradicted(subject, column)
    subject.flag("AU16", rows)
    total = sum(counts.values())
    name, most = top(counts.items(), 1)[0]
    rare = sorted(label for label, count in counts.items() if count < _FEW)
    shift, chance = _shift(counts, seen.eval_told if by_label else seen.eval_answers)
    majority, noise = most / total, wrong / n
    faults = [
        fault
        for fault, there in (
            ("majority", majority > _MAJORITY),
            ("rare", bool(rare)),
            ("noise", noise >= _NOISE),
            ("shift", shift > max(_SHIFT, chance)),
        )
        if there
    ]
    numbers = {"n": n, "labels": len(counts), "label": excerpt(name), "majority": majority, "wrong": wrong,
               "noise": noise, "rare": len(rare), "shift": shift}  # fmt: skip
    return finding(
        "AU16",
        Status.WARN if faults else Status.PASS,
        numbers,
        value=majority,
        n=n,
        threshold=_MAJORITY,
        rows=subject.train.lines(rows[:1000]),
        examples=(
            {"train_row": subject.train.named([p])[0], "question": Ask("train", int(p)),
             "answer": Ask("train", int(p), "answer")}
            for p in rows[:5]
        ),
        faults=faults,
        labels={excerpt(label): count for label, count in top(counts.items(), 20)},
        entropy_nats=-sum(c / total * math.log(c / total) for c in counts.values()),
    )  # fmt: skip


def _count(counts: Counter[str], label: str) -> None:
    if label in counts or len(counts) <= 4 * _MOST_LABELS:
        counts[label] += 1


def _classes(counts: Counter[str], n: int) -> bool:
    """Whether these are the labels of nine in ten rows, and few enough."""
    return 2 <= len(counts) <= min(_MOST_LABELS, n // 5) and sum(counts.values()) >= 0.9 * n


def _contradicted(subject: Subject, column: NDArray[Any]) -> tuple[int, NDArray[np.int64]]:
    """Rows outside the majority of their own question, and all rows of such questions."""
    places, begins, sizes = groups(subject.train.columns.get("asked"))
    wrong, found = 0, []
    for begin, size in zip(begins[sizes > 1], sizes[sizes > 1], strict=True):
        told = np.asarray(column)[places[begin : begin + size]]
        _, times = np.unique(told, return_counts=True)
        if len(times) > 1:
            wrong += int(size - times.max())
            found.append(places[begin : begin + size])
    return wrong, np.sort(np.concatenate(found)) if found else np.empty(0, np.int64)


def _shift(train: Counter[str], held: Counter[str]) -> tuple[float, float]:
    """Total variation between two spreads, and what chance gives at most in 95 of 100 draws, about."""
    n = sum(held.values())
    if not n:
        return 0.0, 0.0
    total = sum(train.values())
    names = train.keys() | held.keys()
    apart = 0.5 * sum(abs(train[name] / total - held[name] / n) for name in names)
    expected = sum(math.sqrt(2 / math.pi * train[name] / total * (1 - train[name] / total) / n) for name in names) / 2
    return apart, 2 * expected


CHECK = DataCheck("AU16", labels, tally=Labels, both=True, stages=ANSWERED)
