"""AU03: probe questions that the training rows hold."""

from __future__ import annotations

from doneness.audit.findings import excerpt, finding
from doneness.audit.subject import DataSets, needs_probes
from doneness.core import Check, Finding, Status
from doneness.data import near_pairs, normalise


def probe_leak(subject: DataSets) -> Finding:
    """Find probes that were trained on.

    *What it finds*: probes equal to a training question (FAIL), or nearly so (WARN).

    *How*: as AU01 and AU02, over the probe's prompt and the last user turn of each row as well as
    its whole context.

    *Source*: a probe that was trained on measures memory, and the checkpoint chosen by it is the
    one that remembers most (Sainz et al., "NLP evaluation in trouble", EMNLP Findings 2023).
    """
    prompts = [prompt for _, prompt in subject.probes]
    best: dict[int, tuple[float, int]] = {}
    last_turns = [row.prompt for row in subject.train]
    for texts in (subject.train_questions, last_turns):
        for here, there, value in near_pairs(texts, prompts, subject.params.near):
            best[there] = max(best.get(there, (0.0, 0)), (value, -here))
    # A rewording can be as near as 1 without being equal.
    known = {*subject.train_questions, *(normalise(turn) for turn in last_turns)}
    exact = [there for there in best if normalise(prompts[there]) in known]
    count, n = len(best), len(prompts)
    status = Status.FAIL if exact else Status.WARN if best else Status.PASS
    rows = subject.train.rows
    examples = [
        {
            "probe": subject.probes[there][0],
            "train_row": rows[-minus].line,
            "asked": excerpt(prompts[there]),
            "train": excerpt(rows[-minus].prompt),
            "similarity": round(value, 3),
        }
        for there, (value, minus) in sorted(best.items(), key=lambda item: (-item[1][0], item[0]))
    ]
    return finding(
        "AU03",
        status,
        {"count": count, "exact": len(exact), "n": n},
        value=count / n,
        n=n,
        threshold=0.0,
        rows=(rows[-minus].line for _, minus in best.values()),
        examples=examples,
    )


CHECK = Check("AU03", probe_leak, missing=needs_probes)
