"""AU26: rows in another language than the rest."""

from __future__ import annotations

from collections import Counter
from typing import Any

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, grade
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject
from doneness.audit.tally import Flags, Tally, top
from doneness.core import Finding, Status

_WARN, _FAIL = 0.01, 0.2
_MEANT = 0.1  # a language of a tenth of the rows is there on purpose
_MOST = 12


class Languages(Tally):
    """The language of each answer, and answers in another one than their question."""

    def begin(self) -> None:
        """No row so far."""
        self.counts: Counter[str] = Counter()
        self.by: dict[str, Flags] = {}
        self.crossed = Flags()

    def see(self, entry: Entry) -> None:
        """Tell the language of one row."""
        self.n += 1
        said, asked = entry.spoken
        if not said:
            return
        self.counts[said] += 1
        # The main language is not known before the end; that of most rows so far is not worth keeping places for.
        rare = self.counts[said] < self.n / 2 or self.n < 50
        if rare and (said in self.by or len(self.by) < _MOST):
            self.by.setdefault(said, Flags()).add(entry)
        if asked and asked != said:
            self.crossed.add(entry)


def language(subject: Subject) -> Finding:
    """Find rows in a language that does not belong here.

    *What it finds*: answers in another language than most (or than `--language`), if that language has under a tenth
    of the rows; and answers in another language than their question. WARN above 1 % of the rows, FAIL above 20 %.

    *How*: by script, and among languages in Latin letters by their commonest words; eleven of those and nine scripts
    are known, short answers are not judged. Translation rows cross languages on purpose: their share is told.

    *Source*: dropoutt's T1-LANG-001 and T1-LANG-002; a few per cent of another language are enough for a model to
    answer in it (Marchisio et al., "Understanding and mitigating language confusion in LLMs", EMNLP 2024).
    """
    seen, n = subject[Languages], subject.train.count
    main = subject.params.language or (top(seen.counts.items(), 1)[0][0] if seen.counts else "")
    known = sum(seen.counts.values())
    if not known:
        return finding("AU26", Status.PASS, {"n": n}, value=0.0, n=n, key="none")
    asked = bool(subject.params.language)
    odd = {k for k, c in seen.counts.items() if k != main and (asked or c < _MEANT * known)}
    places = sorted({p for name in odd for p in (seen.by[name].train if name in seen.by else ())})
    crossed = seen.crossed.train
    subject.flag("AU26", {*places, *crossed})
    count = sum(seen.counts[name] for name in odd)
    share = max(count, len(crossed)) / n
    shown: list[dict[str, Any]] = [
        {"train_row": subject.train.named([p])[0], "question": Ask("train", p), "answer": Ask("train", p, "answer")}
        for p in [*places, *crossed][:EXAMPLES]
    ]
    return finding(
        "AU26",
        grade(share, _WARN, _FAIL),
        {"count": count, "crossed": len(crossed), "n": n, "share": count / n, "main": main},
        value=share,
        n=n,
        threshold=_WARN,
        rows=subject.train.lines([*places[:500], *crossed[:500]]),
        examples=shown,
        languages=dict(top(seen.counts.items(), 20)),
    )


CHECK = DataCheck("AU26", language, tally=Languages)
