"""AU17: what the data is mixed of."""

from __future__ import annotations

from collections import Counter

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding
from doneness.audit.subject import Side, Subject
from doneness.audit.tally import Tally, top
from doneness.core import Finding, Status

_SHIFT = 0.2
_SMALL, _FEW_ROWS = 0.001, 100  # a source of under 0.1 % and under 100 rows is as good as not there
_TRACES = (0.01, 0.99)
_THOUGHT = ("<think>", "<reasoning>", "<thinking>")


class Traces(Tally):
    """Answers that show their reasoning."""

    def see(self, entry: Entry) -> None:
        """Judge one row."""
        self.n += 1
        if "<" in entry.answer[:400] and any(mark in entry.answer for mark in _THOUGHT):
            self.flags.add(entry)


def mixture(subject: Subject) -> Finding:
    """Say what sources the rows come from, and where the mixture would mislead.

    *What it finds*: sources too small to matter, evaluation rows from another mixture than the training rows (total
    variation above 0.2), and answers of which some show their reasoning and others do not.

    *How*: the row's own "source", "dataset" or "category" where it has one, else the file it stands in; reasoning is
    what stands in <think>, <thinking> or <reasoning>.

    *Source*: an evaluation loss is a mean over its own mixture: of another one it says when to stop training for
    that one. Mixed traces make it chance whether the model thinks (dropoutt's T0-REASON-001).
    """
    seen, n = subject[Traces], subject.train.count
    counts = sources(subject.train)
    held = sources(subject.eval) if subject.eval is not None else Counter()
    total, judged = sum(counts.values()), sum(held.values())
    small = [name for name, c in counts.items() if c < min(_FEW_ROWS, _SMALL * total)] if len(counts) <= 50 else []
    apart = 0.5 * sum(abs(counts[s] / total - held[s] / judged) for s in counts.keys() | held.keys()) if judged else 0.0
    same_marks = bool(subject.train.source_marks) == bool(subject.eval and subject.eval.source_marks)
    shifted = apart > _SHIFT and same_marks and 1 < len(counts) <= 50 and judged >= subject.params.min_rows
    traces = len(seen.flags.train) / n
    mixed = _TRACES[0] <= traces <= _TRACES[1]
    faults = [name for name, there in (("small", bool(small)), ("shift", shifted), ("traces", mixed)) if there]
    largest, most = top(counts.items(), 1)[0]
    numbers = {"n": n, "sources": len(counts), "largest": largest, "share": most / total, "small": len(small),
               "apart": apart if shifted else 0.0, "traces": traces}  # fmt: skip
    return finding(
        "AU17",
        Status.WARN if faults else Status.PASS,
        numbers,
        value=most / total,
        n=n,
        rows=subject.train.lines(seen.flags.train[:200]) if mixed else (),
        key="found" if faults else "one" if len(counts) == 1 else "pass",
        faults=faults,
        sources=dict(top(counts.items(), 20)),
        eval_sources=dict(top(held.items(), 20)),
    )


def sources(side: Side) -> Counter[str]:
    """Rows by source."""
    if side.source_marks and sum(side.source_marks.values()) >= 0.9 * side.count:
        return side.source_marks
    names = side.sources or [side.path.name]
    return Counter({names[min(place, len(names) - 1)]: count for place, count in side.by_source.items()})


CHECK = DataCheck("AU17", mixture, tally=Traces)
