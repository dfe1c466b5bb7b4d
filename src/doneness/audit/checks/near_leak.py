"""AU02: evaluation questions that the training rows hold in other words."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject, needs_eval, needs_joining
from doneness.core import Finding

_FAIL = 0.05


def near_leak(subject: Subject) -> Finding:
    """Find evaluation questions that training holds reworded.

    *What it finds*: evaluation rows whose question is at least `near` like a training question
    without being equal to one (those are AU01).

    *How*: content words for short questions, runs of three tokens for long ones
    (`data.near_duplicates`, over hashed features: `data.near_join`); the nearest training row of each is named.

    *Source*: reworded test questions raise scores as copies do and pass n-gram filters (Yang et
    al., "Rethinking benchmark and contamination with rephrased samples", arXiv 2311.04850).
    """
    held, train = subject.eval, subject.train
    assert held is not None
    near = subject.near.across
    subject.flag("AU02", near.first)
    nearest = near.best_of_second()
    share = len(nearest.second) / held.count
    order = np.lexsort((nearest.second, -nearest.value))[:EXAMPLES]
    examples = [
        {
            "train_row": train.named([nearest.first[k]])[0],
            "eval_row": held.named([nearest.second[k]])[0],
            "train": Ask("train", int(nearest.first[k]), "context"),
            "eval": Ask("eval", int(nearest.second[k]), "context"),
            "similarity": round(float(nearest.value[k]), 3),
        }
        for k in order
    ]
    return finding(
        "AU02",
        grade(share, 0.0, _FAIL),
        {"count": len(nearest.second), "n": held.count, "share": share, "near": subject.params.near},
        value=share,
        n=held.count,
        threshold=0.0,
        rows=held.lines(nearest.second),
        rows_of="eval",
        eval_rows=held.named(nearest.second[:200]) if len(held.sources) > 1 else (),
        examples=examples,
        crowded=near.crowded,
    )


CHECK = DataCheck("AU02", near_leak, missing=lambda s: needs_joining(s) or needs_eval(s))
