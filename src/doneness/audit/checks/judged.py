"""AU32: what a judge thinks of the answers."""

from __future__ import annotations

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.findings import EXAMPLES, finding, wilson
from doneness.audit.illustrate import Ask, excerpt
from doneness.audit.subject import Subject
from doneness.core import Finding, Message, Status, say

_BAD = 3  # of 10; this mark and below
_MOST = 0.02


def judged(subject: Subject) -> Finding:
    """Say which answers a judge finds wrong or harmful.

    *What it finds*: rows that a language model marks 3 of 10 or lower. WARN where surely more than 2 % of those it was
    shown are.

    *How*: `--judge` names an endpoint that speaks the protocol of OpenAI. It is shown rows that other checks flagged,
    half of the number at most, and a sample of the rest, secrets masked. What it does not mark is left out. It screens;
    a person decides (`--review` writes the rows for that).

    *Source*: judges agree with people about as often as people do, and prefer long answers (Zheng et al., "Judging
    LLM-as-a-judge", NeurIPS 2023).
    """
    rows = subject.judged or []
    bad = sorted((row for row in rows if row.mark <= _BAD), key=lambda row: (row.mark, row.place))
    n = len(rows)
    low, high = wilson(len(bad), n)
    subject.flag("AU32", (row.place for row in bad))
    return finding(
        "AU32",
        Status.WARN if low > _MOST else Status.PASS,
        {"count": len(bad), "n": n, "share": len(bad) / n, "low": low, "high": high},
        value=len(bad) / n,
        n=n,
        threshold=_MOST,
        interval=(low, high),
        rows=subject.train.lines(row.place for row in bad),
        examples=(
            {
                "train_row": subject.train.named([row.place])[0],
                "mark": row.mark,
                "why": excerpt(row.why),
                "question": Ask("train", row.place),
                "answer": Ask("train", row.place, "answer"),
            }
            for row in bad[:EXAMPLES]
        ),
    )


def _needs_judge(subject: Subject) -> Message | None:
    return None if subject.judged else say("audit.no_judge")


CHECK = DataCheck("AU32", judged, missing=_needs_judge, stages=ANSWERED)
