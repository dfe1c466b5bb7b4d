"""AU01: evaluation questions that the training rows hold word for word."""

from __future__ import annotations

from doneness.audit.findings import excerpt, finding, grade
from doneness.audit.subject import DataSets, needs_eval
from doneness.core import Check, Finding

# One slip in a thousand rows moves no verdict; one in a hundred does.
_FAIL = 0.01


def exact_leak(subject: DataSets) -> Finding:
    """Find evaluation questions that occur in training.

    *What it finds*: evaluation rows whose question, punctuation and case apart, is a training
    question too, whatever the answer.

    *How*: equality of the normal form of everything before the answer.

    *Source*: an evaluation loss on rows that were trained on falls as long as training goes on, so
    overfitting never shows (Lee et al., "Deduplicating training data makes language models
    better", ACL 2022).
    """
    home: dict[str, int] = {}
    for place, question in enumerate(subject.train_questions):
        home.setdefault(question, place)
    rows, train = tuple(subject.eval or ()), subject.train.rows
    leaks = [
        (train[home[question]], row)
        for question, row in zip(subject.eval_questions, rows, strict=True)
        if question and question in home
    ]
    share = len(leaks) / len(rows)
    return finding(
        "AU01",
        grade(share, 0.0, _FAIL),
        {"count": len(leaks), "n": len(rows), "share": share},
        value=share,
        n=len(rows),
        threshold=0.0,
        rows=(there.line for _, there in leaks),
        rows_of="eval",
        examples=(
            {"train_row": here.line, "eval_row": there.line, "question": excerpt(there.prompt)} for here, there in leaks
        ),
    )


CHECK = Check("AU01", exact_leak, missing=needs_eval, required=True)
