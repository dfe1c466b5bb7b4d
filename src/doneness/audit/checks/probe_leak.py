"""AU03: probe questions that the training rows hold."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import ASKED, DataCheck
from doneness.audit.columns import digest
from doneness.audit.findings import EXAMPLES, finding
from doneness.audit.illustrate import Ask, excerpt
from doneness.audit.matching import matches
from doneness.audit.subject import Subject, needs_joining, needs_probes
from doneness.core import Finding, Status
from doneness.data import normalise


def probe_leak(subject: Subject) -> Finding:
    """Find probes that were trained on.

    *What it finds*: probes equal to a training question (FAIL), or nearly so (WARN).

    *How*: as AU01 and AU02, over the probe's prompt and the last user turn of each row as well as
    its whole context.

    *Source*: a probe that was trained on measures memory, and the checkpoint chosen by it is the
    one that remembers most (Sainz et al., "NLP evaluation in trouble", EMNLP Findings 2023).
    """
    train, near = subject.train, subject.near.probed
    subject.flag("AU03", near.first)
    nearest = near.best_of_second()
    asked = np.array([digest(normalise(p.prompt)) for p in subject.probes], dtype=np.uint64)
    known = np.concatenate((train.columns.get("question"), train.turns.get("question")))
    # A rewording can be as near as 1 without being equal.
    exact = int((matches(asked, known) >= 0).sum())
    count, n = len(nearest.second), len(subject.probes)
    status = Status.FAIL if exact else Status.WARN if count else Status.PASS
    order = np.lexsort((nearest.second, -nearest.value))[:EXAMPLES]
    examples = [
        {
            "probe": subject.probes[int(nearest.second[k])].id,
            "train_row": train.named([nearest.first[k]])[0],
            "asked": excerpt(subject.probes[int(nearest.second[k])].prompt),
            "train": Ask("train", int(nearest.first[k])),
            "similarity": round(float(nearest.value[k]), 3),
        }
        for k in order
    ]
    return finding(
        "AU03",
        status,
        {"count": count, "exact": exact, "n": n},
        value=count / n,
        n=n,
        threshold=0.0,
        rows=train.lines(nearest.first),
        examples=examples,
    )


CHECK = DataCheck("AU03", probe_leak, missing=lambda s: needs_joining(s) or needs_probes(s), stages=ASKED)
