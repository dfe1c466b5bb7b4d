"""AU19: facts in the answers that the base model does not know."""

from __future__ import annotations

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.findings import EXAMPLES, finding, wilson
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Known, Subject
from doneness.core import Finding, Message, Status, say

_KNOWN, _UNKNOWN = 0.5, 0.9
_MOST = 0.3  # the lower end of the interval above it warns
_LEAST = 20


def knowledge(subject: Subject) -> Finding:
    """Say how many answers hold facts that the model would have to learn anew.

    *What it finds*: the shares of a sample of the training rows whose facts the base model knows, may know, and does
    not know. WARN where surely more than 30 % are unknown.

    *How*: the facts of an answer are its numbers, names and content words that the question does not hold. The base
    model scores them after their own question and after the question of another row. What the own question takes away
    of their loss is what the model knows: half or more is known, a tenth or less unknown, between the two perhaps
    known. The control makes the measure independent of how long and how odd the words are. The thresholds are a
    convention.

    *Source*: Gekhman et al., "Does fine-tuning LLMs on new knowledge encourage hallucinations?" (arXiv 2405.05904):
    unknown facts are learnt late, and once learnt raise hallucination about others; stopping early helps.
    """
    rows = subject.known or []
    sorts = [sort(row) for row in rows]
    n = len(rows)
    unknown = sorts.count("unknown")
    low, high = wilson(unknown, n)
    status = Status.UNSURE if n < _LEAST else Status.WARN if low > _MOST else Status.PASS
    order = sorted((i for i in range(n) if sorts[i] == "unknown"), key=lambda i: -rows[i].asked)
    subject.flag("AU19", (rows[i].place for i in order))
    numbers = {"n": n, "unknown": unknown / n, "known": sorts.count("known") / n, "maybe": sorts.count("maybe") / n,
               "low": low, "high": high, "least": _LEAST}  # fmt: skip
    return finding(
        "AU19",
        status,
        numbers,
        value=unknown / n,
        n=n,
        threshold=_MOST,
        interval=(low, high),
        rows=subject.train.lines(rows[i].place for i in order),
        examples=(
            {
                "train_row": subject.train.named([rows[i].place])[0],
                "nats": round(rows[i].asked, 2),
                "unasked": round(rows[i].unasked, 2),
                "question": Ask("train", rows[i].place),
                "answer": Ask("train", rows[i].place, "answer"),
            }
            for i in order[:EXAMPLES]
        ),
    )


def sort(row: Known) -> str:
    """known, maybe or unknown."""
    if row.unasked <= 0:
        return "known"
    left = row.asked / row.unasked
    return "known" if left <= _KNOWN else "unknown" if left >= _UNKNOWN else "maybe"


def _needs_model(subject: Subject) -> Message | None:
    if subject.known:
        return None
    return say("audit.no_scores" if subject.fitted else "audit.no_model")


CHECK = DataCheck("AU19", knowledge, missing=_needs_model, stages=ANSWERED)
