"""AU30: one answer to many questions, and answers that all begin alike."""

from __future__ import annotations

from collections import Counter

import numpy as np

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, too_few
from doneness.audit.illustrate import Ask
from doneness.audit.matching import groups
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, top
from doneness.core import Finding, Status

_LEAST_CHARS = 40  # shorter answers are labels or terse facts
_ANSWER, _OPENING = 0.01, 0.3
_MOST = 50_000


class Openings(Tally):
    """How longer answers begin: four words, or eight characters."""

    def begin(self) -> None:
        """No answer so far."""
        self.counts: Counter[str] = Counter()

    def see(self, entry: Entry) -> None:
        """Count one opening."""
        answer = entry.normal_answer
        if len(answer) < _LEAST_CHARS:
            return
        self.n += 1
        opening = " ".join(entry.words[:4]) if answer.isascii() else answer[:8]
        self.counts[opening] += 1
        if len(self.counts) > _MOST:
            # Rare ones go; one that reaches a share of the rows is never rare for long.
            self.counts = Counter({text: count for text, count in self.counts.items() if count > 1})


def same_answers(subject: Subject) -> Finding:
    """Find stock answers and stock openings.

    *What it finds*: an answer of 40 characters or more that stands under different questions in more than 1 % of the
    rows, and four words (eight CJK characters) with which more than 30 % of the longer answers begin.

    *How*: hashes of the normal form; questions are compared so that repeated rows (AU04) do not count.

    *Source*: a stock answer is learnt first and given to whatever is like its questions; openings are style, of which a
    model takes over most (Zhou et al., "LIMA", NeurIPS 2023; dropoutt's T1-STYLE-001). Legal notes are the same on
    purpose.
    """
    seen, train, params = subject[Openings], subject.train, subject.params
    if train.count < params.min_rows:
        return too_few("AU30", train.count, params.min_rows)
    longer = np.asarray(train.columns.get("said")) >= _LEAST_CHARS
    answers = np.where(longer, train.columns.get("answer"), np.uint64(0))
    _, firsts = np.unique(train.columns.get("whole"), return_index=True)
    distinct = np.zeros(train.count, dtype=bool)
    distinct[firsts] = True
    places, begins, sizes = groups(np.where(distinct, answers, np.uint64(0)))
    order = np.lexsort((places[begins], -sizes)) if len(begins) else begins
    shown = [k for k in order[:EXAMPLES] if sizes[k] > 1]
    most = int(sizes[order[0]]) if len(order) else 0
    opening, times = top(seen.counts.items(), 1)[0] if seen.counts else ("", 0)
    # Of a few longer answers two that begin alike are no style.
    opening_share = times / seen.n if seen.n >= params.min_rows else 0.0
    told = most if most > 1 else 0
    answer_share = told / train.count
    found = answer_share > _ANSWER or opening_share > _OPENING
    large = [k for k in order[:1000] if sizes[k] > max(1, _ANSWER * train.count)]
    subject.flag("AU30", (int(p) for k in large for p in places[begins[k] : begins[k] + sizes[k]]))
    return finding(
        "AU30",
        Status.WARN if found else Status.PASS,
        {"most": told, "n": train.count, "share": answer_share, "opening": opening, "times": opening_share},
        value=answer_share,
        n=train.count,
        threshold=_ANSWER,
        examples=(
            {
                "train_rows": train.named(places[begins[k] : begins[k] + min(20, sizes[k])]),
                "times": int(sizes[k]),
                "answer": Ask("train", int(places[begins[k]]), "answer"),
            }
            for k in shown
        ),
        openings={text: count for text, count in top(seen.counts.items(), 10) if count > 1},
    )


CHECK = DataCheck("AU30", same_answers, tally=Openings, stages=ANSWERED)
