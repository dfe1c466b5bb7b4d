"""AU01: evaluation questions that the training rows hold word for word."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.matching import matches
from doneness.audit.subject import Subject, needs_eval
from doneness.core import Finding

# One slip in a thousand rows moves no verdict; one in a hundred does.
_FAIL = 0.01


def exact_leak(subject: Subject) -> Finding:
    """Find evaluation questions that occur in training.

    *What it finds*: evaluation rows whose question, punctuation and case apart, is a training
    question too, whatever the answer. Of texts to go on pretraining with, the text itself.

    *How*: equality of the normal form of everything before the answer, by hashes of 64 bits.

    *Source*: an evaluation loss on rows that were trained on falls as long as training goes on, so
    overfitting never shows (Lee et al., "Deduplicating training data makes language models
    better", ACL 2022).
    """
    held, train = subject.eval, subject.train
    assert held is not None
    home = matches(held.columns.get("question"), train.columns.get("question"))
    leaks = np.flatnonzero(home >= 0)
    subject.flag("AU01", np.flatnonzero(np.isin(train.columns.get("question"), held.columns.get("question")[leaks])))
    share = len(leaks) / held.count
    return finding(
        "AU01",
        grade(share, 0.0, _FAIL),
        {"count": len(leaks), "n": held.count, "share": share},
        value=share,
        n=held.count,
        threshold=0.0,
        rows=held.lines(leaks),
        rows_of="eval",
        eval_rows=held.named(leaks[:200]) if len(held.sources) > 1 else (),
        examples=(
            {"train_row": train.named([home[i]])[0], "eval_row": held.named([i])[0], "question": Ask("eval", int(i))}
            for i in leaks[:EXAMPLES]
        ),
    )


CHECK = DataCheck("AU01", exact_leak, missing=needs_eval, required=True)
