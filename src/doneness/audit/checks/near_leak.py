"""AU02: evaluation questions that the training rows hold in other words."""

from __future__ import annotations

from doneness.audit.findings import excerpt, finding, grade
from doneness.audit.subject import DataSets, needs_eval
from doneness.core import Check, Finding
from doneness.data import near_pairs

_FAIL = 0.05


def near_leak(subject: DataSets) -> Finding:
    """Find evaluation questions that training holds reworded.

    *What it finds*: evaluation rows whose question is at least `near` like a training question
    without being equal to one (those are AU01).

    *How*: content words for short questions, runs of three tokens for long ones
    (`data.near_duplicates`); the nearest training row of each is named.

    *Source*: reworded test questions raise scores as copies do and pass n-gram filters (Yang et
    al., "Rethinking benchmark and contamination with rephrased samples", arXiv 2311.04850).
    """
    known = set(subject.train_questions)
    fresh = [place for place, question in enumerate(subject.eval_questions) if question and question not in known]
    questions = [subject.eval_questions[place] for place in fresh]
    nearest: dict[int, tuple[int, float]] = {}
    for here, there, value in near_pairs(subject.train_questions, questions, subject.params.near):
        if value > nearest.get(there, (0, 0.0))[1]:
            nearest[there] = (here, value)
    rows = subject.eval.rows if subject.eval else ()
    share = len(nearest) / len(rows)
    examples = [
        {
            "train_row": subject.train.rows[here].line,
            "eval_row": rows[fresh[there]].line,
            "train": excerpt(subject.train.rows[here].context),
            "eval": excerpt(rows[fresh[there]].context),
            "similarity": round(value, 3),
        }
        for there, (here, value) in sorted(nearest.items(), key=lambda item: (-item[1][1], item[0]))
    ]
    return finding(
        "AU02",
        grade(share, 0.0, _FAIL),
        {"count": len(nearest), "n": len(rows), "share": share, "near": subject.params.near},
        value=share,
        n=len(rows),
        threshold=0.0,
        rows=(rows[fresh[there]].line for there in nearest),
        rows_of="eval",
        examples=examples,
    )


CHECK = Check("AU02", near_leak, missing=needs_eval)
