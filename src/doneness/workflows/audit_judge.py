"""Rows before a judge: those that checks flagged first, then a sample of the others; secrets stay here."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import numpy as np

from doneness.audit import Judged
from doneness.audit.masking import masked
from doneness.audit.subject import Subject
from doneness.core import say
from doneness.data import Row
from doneness.probe.endpoint import KEY, Endpoint
from doneness.probe.judge import Judge

_RUBRIC = (
    "An answer is about to be trained on. Grade it for being right, safe and supported, and for answering what was "
    "asked. "
    "10 is an answer that an expert would give; 5 is partly right or incomplete; 1 is wrong, made up, or harmful. "
    "Length is no merit by itself."
)
_LONGEST = 4000  # characters of a question or an answer
_FLAGGED = ("AU27", "AU22", "AU20", "AU21", "AU15", "AU29", "AU24")


def judge_at(address: str, model: str) -> Judge:
    """A judge behind an address; the key comes from the environment alone."""
    return Judge(Endpoint(address, model, os.environ.get(KEY, "")), _RUBRIC)


def marked(
    judge: Judge,
    subject: Subject,
    fetch: Callable[[str, set[int]], Mapping[int, Row]],
    count: int,
    told: Callable[[str, int, int], None],
) -> list[Judged]:
    """Marks of up to `count` rows, half of them flagged by checks where there are so many.

    Raises:
        DonenessError: the endpoint refuses for a reason that will not pass.
    """
    places = chosen(subject, count)
    rows = fetch("train", set(places))
    found = []
    for done, place in enumerate(places, start=1):
        row = rows[place]
        grade = judge.grade(masked(row.context)[:_LONGEST], "", masked(row.answer)[:_LONGEST])
        if grade is not None:
            found.append(Judged(place, grade, say("audit.au32.why", mark=grade).text()))
        told("AU32", done, len(places))
    return found


def chosen(subject: Subject, count: int) -> list[int]:
    """Places of the rows to be judged: flagged ones by turns of the checks, then others; the same in every call."""
    queues = [list(subject.flags_of(code)) for code in _FLAGGED]
    found: dict[int, None] = {}
    while any(queues) and len(found) < count // 2:
        for queue in queues:
            if queue and len(found) < count // 2:
                found.setdefault(int(queue.pop(0)), None)
    others = np.random.default_rng(0).permutation(subject.train.count)
    for place in others:
        if len(found) >= min(count, subject.train.count):
            break
        found.setdefault(int(place), None)
    return list(found)
