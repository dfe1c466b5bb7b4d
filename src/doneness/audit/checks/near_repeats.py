"""AU05: training questions that ask the same in other words."""

from __future__ import annotations

from doneness.audit.findings import excerpt, finding, grade
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding
from doneness.data import near_pairs

_WARN, _FAIL = 0.02, 0.3


def near_repeats(subject: DataSets) -> Finding:
    """Find training questions that are nearly an earlier one.

    *What it finds*: rows whose question is at least `near` like an earlier row's without being
    equal to it.

    *How*: as AU02, the training rows against themselves; a row counts once however many it is near.

    *Source*: Lee et al., ACL 2022: near-duplicates are trained on like repeats. Paraphrases made
    on purpose are fine; a random split then leaks them into evaluation, so split by question.
    """
    questions = subject.train_questions
    pairs = [
        pair for pair in near_pairs(questions, None, subject.params.near) if questions[pair[0]] != questions[pair[1]]
    ]
    rows = subject.train.rows
    later = {there for _, there, _ in pairs}
    share = len(later) / len(rows)
    return finding(
        "AU05",
        grade(share, _WARN, _FAIL),
        {"count": len(later), "n": len(rows), "share": share, "near": subject.params.near},
        value=share,
        n=len(rows),
        threshold=_WARN,
        rows=(rows[place].line for place in later),
        examples=(
            {
                "train_rows": [rows[here].line, rows[there].line],
                "first": excerpt(rows[here].context),
                "second": excerpt(rows[there].context),
                "similarity": round(value, 3),
            }
            for here, there, value in sorted(pairs, key=lambda pair: (-pair[2], pair[:2]))
        ),
    )


CHECK = Check("AU05", near_repeats)
