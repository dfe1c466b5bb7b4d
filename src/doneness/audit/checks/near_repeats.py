"""AU05: training questions that ask the same in other words."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject, needs_joining
from doneness.core import Finding

_WARN, _FAIL = 0.02, 0.3


def near_repeats(subject: Subject) -> Finding:
    """Find training questions that are nearly an earlier one.

    *What it finds*: rows whose question is at least `near` like an earlier row's without being
    equal to it. Of texts to go on pretraining with, the text itself.

    *How*: as AU02, the training rows against themselves; a row counts once however many it is near.

    *Source*: Lee et al., ACL 2022: near-duplicates are trained on like repeats. Paraphrases made
    on purpose are fine; a random split then leaks them into evaluation, so split by question.
    """
    train, near = subject.train, subject.near.within
    later = np.unique(near.second)
    subject.flag("AU05", later)
    share = len(later) / train.count
    order = np.lexsort((near.second, near.first, -near.value))[:EXAMPLES]
    return finding(
        "AU05",
        grade(share, _WARN, _FAIL),
        {"count": len(later), "n": train.count, "share": share, "near": subject.params.near},
        value=share,
        n=train.count,
        threshold=_WARN,
        rows=train.lines(later[:1000]),
        examples=(
            {
                "train_rows": train.named([near.first[k], near.second[k]]),
                "first": Ask("train", int(near.first[k]), "context"),
                "second": Ask("train", int(near.second[k]), "context"),
                "similarity": round(float(near.value[k]), 3),
            }
            for k in order
        ),
        crowded=near.crowded,
    )


CHECK = DataCheck("AU05", near_repeats, missing=needs_joining)
