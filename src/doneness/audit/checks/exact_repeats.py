"""AU04: training rows that occur more than once, and the epochs they hide."""

from __future__ import annotations

from doneness.audit.findings import excerpt, finding, grade
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding
from doneness.data import normalise

_WARN, _FAIL = 0.01, 0.2


def exact_repeats(subject: DataSets) -> Finding:
    """Find training rows with the same question and the same answer.

    *What it finds*: rows that repeat an earlier row, and by what factor the planned epochs are
    more than they seem: a set of 1,000 rows with 500 different ones is trained 2 epochs in each.

    *How*: equality of the normal forms of question and answer. The factor is rows divided by
    different rows; the row repeated most is named with its own count.

    *Source*: a small repeated part can cost as much as a large loss of parameters (Hernandez et
    al., "Scaling laws and interpretability of learning from repeated data", arXiv 2205.10487).
    """
    first: dict[tuple[str, str], list[int]] = {}
    rows = subject.train.rows
    for place, (question, row) in enumerate(zip(subject.train_questions, rows, strict=True)):
        first.setdefault((question, normalise(row.answer)), []).append(place)
    repeated = sorted((places for places in first.values() if len(places) > 1), key=lambda p: (-len(p), p[0]))
    extra = len(rows) - len(first)
    share = extra / len(rows)
    factor = len(rows) / len(first)
    most = len(repeated[0]) if repeated else 1
    numbers = {
        "count": extra,
        "n": len(rows),
        "share": share,
        "factor": factor,
        "epochs": subject.params.epochs,
        "effective": subject.params.epochs * factor,
        "most": most,
    }
    return finding(
        "AU04",
        grade(share, _WARN, _FAIL),
        numbers,
        value=factor,
        n=len(rows),
        threshold=1 / (1 - _WARN),
        rows=(rows[place].line for places in repeated for place in places[1:]),
        examples=(
            {
                "train_rows": [rows[place].line for place in places[:20]],
                "times": len(places),
                "question": excerpt(rows[places[0]].prompt),
            }
            for places in repeated
        ),
        effective_epochs=subject.params.epochs * factor,
    )


CHECK = Check("AU04", exact_repeats)
