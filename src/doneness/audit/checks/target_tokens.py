"""AU13: rows as token ids: cut, without end, without anything that carries loss."""

from __future__ import annotations

import numpy as np

from doneness.audit.check import DataCheck
from doneness.audit.findings import EXAMPLES, finding
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject
from doneness.core import Finding, Message, Status, say

_WARN, _FAIL = 0.01, 0.1  # of rows cut


def target_tokens(subject: Subject) -> Finding:
    """Find rows of which the template or the cutoff leaves nothing, or no end, to be learnt.

    *What it finds*: rows that the chat template refuses or in which no token carries loss (FAIL from the first
    one), rows that the cutoff cuts, how many target tokens that loses, and rows whose answer loses its end.

    *How*: every training row is encoded as the trainer would encode it (`--model` gives the tokenizer, `--max-tokens`
    the cutoff).

    *Source*: a batch without target tokens has no mean: its loss is NaN, or 0.0 that reads as good. A row without
    the end-of-turn token teaches the model to go on (Hugging Face TRL and LLaMA-Factory both cut at the end).
    """
    columns, lines = subject.train.columns, subject.train.lines
    tokens, targets, cut, lost, ended = (
        np.asarray(columns.get(name), np.int64) for name in ("tokens", "targets", "cut", "lost", "ended")
    )
    n = len(tokens)
    void, short = np.flatnonzero((ended < 0) | (targets == 0)), np.flatnonzero(cut)
    open_ended = int(((ended == 0) & (targets > 0)).sum())
    subject.flag("AU13", void)
    share, left = len(short) / n, int(targets.sum())
    status = Status.FAIL if len(void) or share > _FAIL else Status.WARN if share > _WARN or open_ended else Status.PASS
    numbers = {"n": n, "void": len(void), "cut": len(short), "share": share, "ended": open_ended,
               "lost": int(lost.sum()) / max(1, int(lost.sum()) + left), "targets": left}  # fmt: skip
    named = [int(place) for place in (*void[:1000], *short[:1000])]
    problems = {int(place): text for place, text in subject.train.unfit}
    return finding(
        "AU13",
        status,
        numbers,
        value=(len(void) + len(short)) / n,
        n=n,
        threshold=_WARN,
        rows=lines(named),
        examples=(
            {
                "train_row": subject.train.named([i])[0],
                "tokens": int(tokens[i] + cut[i]),
                "problem": problems.get(i, ""),
                "question": Ask("train", i),
            }
            for i in named[:EXAMPLES]
        ),
        target_tokens=left,
        lost_target_tokens=int(lost.sum()),
    )


def _needs_tokenizer(subject: Subject) -> Message | None:
    return None if subject.fitted else say("audit.no_tokenizer")


CHECK = DataCheck("AU13", target_tokens, missing=_needs_tokenizer)
