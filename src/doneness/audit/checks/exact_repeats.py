"""AU04: training rows that occur more than once, and the epochs they hide."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.matching import groups
from doneness.audit.subject import Subject
from doneness.core import Finding

_WARN, _FAIL = 0.01, 0.2


def exact_repeats(subject: Subject) -> Finding:
    """Find training rows with the same question and the same answer.

    *What it finds*: rows that repeat an earlier row, and by what factor the planned epochs are
    more than they seem: a set of 1,000 rows with 500 different ones is trained 2 epochs in each.

    *How*: equality of the normal forms of question and answer, by hashes of 64 bits. The factor is rows divided by
    different rows; the row repeated most is named with its own count.

    *Source*: a small repeated part can cost as much as a large loss of parameters (Hernandez et
    al., "Scaling laws and interpretability of learning from repeated data", arXiv 2205.10487).
    """
    train, n = subject.train, subject.train.count
    places, begins, sizes = groups(train.columns.get("whole"))
    later = np.ones(len(places), dtype=bool)
    later[begins] = False
    subject.flag("AU04", places[later])
    extra, factor = n - len(begins), n / len(begins)
    share = extra / n
    repeated = np.flatnonzero(sizes > 1)
    repeated = repeated[np.lexsort((places[begins[repeated]], -sizes[repeated]))]
    numbers = {
        "count": extra,
        "n": n,
        "share": share,
        "factor": factor,
        "epochs": subject.params.epochs,
        "effective": subject.params.epochs * factor,
        "most": int(sizes.max()),
    }
    return finding(
        "AU04",
        grade(share, _WARN, _FAIL),
        numbers,
        value=factor,
        n=n,
        threshold=1 / (1 - _WARN),
        rows=train.lines(np.sort(places[later])[:1000]),
        examples=(
            {
                "train_rows": train.named(places[begins[k] : begins[k] + min(sizes[k], 20)]),
                "times": int(sizes[k]),
                "question": Ask("train", int(places[begins[k]])),
            }
            for k in repeated[:EXAMPLES]
        ),
        effective_epochs=subject.params.epochs * factor,
    )


CHECK = DataCheck("AU04", exact_repeats)
