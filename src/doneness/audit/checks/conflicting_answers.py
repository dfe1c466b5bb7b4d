"""AU06: one question, several answers, and the loss no model can get under."""

from __future__ import annotations

import math
from collections import Counter

from doneness.audit.findings import excerpt, finding, grade
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding
from doneness.data import Row, normalise

_WARN, _FAIL = 0.01, 0.2


def conflicting_answers(subject: DataSets) -> Finding:
    """Find training questions that are answered differently in different rows.

    *What it finds*: rows whose question, system turn included, also occurs with another answer;
    and the irreducible part of the training loss that this makes.

    *How*: answers are compared in their normal form. A model that sees the question alone pays at
    least the entropy of its answers, H = -Σ p ln p nats a row; the floor is the mean of H over all
    rows. It is a floor of the summed loss of a row, not of the loss per token.

    *Source*: Shannon's source coding bound; Cover and Thomas, "Elements of information theory",
    §5.4. Several good answers to one question are no fault, several contrary ones are.
    """
    groups: dict[str, list[Row]] = {}
    for row, question in zip(subject.train, subject.train_questions, strict=True):
        system = normalise("\n".join(turn.content for turn in row.turns[:-1] if turn.role == "system"))
        if question:
            groups.setdefault(f"{system}\x1f{question}", []).append(row)
    split = [group for group in groups.values() if len({normalise(row.answer) for row in group}) > 1]
    split.sort(key=lambda group: (-len(group), group[0].line))
    n = len(subject.train)
    floor = sum(len(group) * _entropy(group) for group in split) / n
    rows = sum(len(group) for group in split)
    share = rows / n
    return finding(
        "AU06",
        grade(share, _WARN, _FAIL),
        {"questions": len(split), "count": rows, "n": n, "share": share, "floor": floor},
        value=share,
        n=n,
        threshold=_WARN,
        rows=(row.line for group in split for row in group),
        examples=(
            {
                "train_rows": [row.line for row in group[:20]],
                "question": excerpt(group[0].prompt),
                "answers": [excerpt(row.answer) for row in group[:3]],
            }
            for group in split
        ),
        floor_nats_per_row=floor,
    )


def _entropy(group: list[Row]) -> float:
    counts = Counter(normalise(row.answer) for row in group)
    return -sum(count / len(group) * math.log(count / len(group)) for count in counts.values())


CHECK = Check("AU06", conflicting_answers)
