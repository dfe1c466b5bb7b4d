"""AU31: preference pairs that prefer length, or nothing."""

from __future__ import annotations

from typing import Any

from doneness.audit.check import PAIRS, DataCheck
from doneness.audit.columns import digest
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, too_few, wilson
from doneness.audit.illustrate import Ask
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding, Status
from doneness.data import normalise, similarity

_LONGER = 0.6  # the lower end of the interval above it: length is what is preferred
_CLEARLY = 1.1
_ALIKE = 0.95
_COMPARED = 2000  # characters
_MOST = 5_000_000  # pairs whose reverse is looked for


class PairTally(Tally):
    """Lengths of both answers, pairs that are nearly one, and pairs that stand the other way round, too."""

    def begin(self) -> None:
        """No pair so far."""
        self.longer = self.shorter = 0
        self.alike = 0
        self.reversed = 0
        self.seen: set[int] = set()
        self.examples: list[Any] = []

    def see(self, entry: Entry) -> None:
        """Judge one pair."""
        rejected = entry.rejected
        if rejected is None:
            return
        self.n += 1
        one, two = len(entry.answer), len(rejected)
        self.longer += one > _CLEARLY * two
        self.shorter += two > _CLEARLY * one
        other = normalise(rejected)
        kind = ""
        if other == entry.normal_answer or (
            max(one, two) <= _CLEARLY * min(one, two)
            and max(one, two) <= _COMPARED
            and entry.normal_answer[:24] == other[:24]
            and similarity(entry.answer, rejected) >= _ALIKE
        ):
            self.alike += 1
            kind = "alike"
        if digest(f"{entry.question}\x1f{other}\x1f{entry.normal_answer}") in self.seen:
            self.reversed += 1
            kind = "reversed"
        if len(self.seen) < _MOST:
            self.seen.add(digest(f"{entry.question}\x1f{entry.normal_answer}\x1f{other}"))
        if kind:
            self.flags.add(entry)
            note(self.examples, {"train_row": entry.at, "kind": kind, "place": entry.place})


def pairs(subject: Subject) -> Finding:
    """Find pairs that teach something other than the preference.

    *What it finds*: chosen answers that are longer by a tenth in surely more than 60 % of the pairs, pairs
    whose answers are nearly the same, and pairs that also stand there the other way round.

    *How*: characters and Wilson's interval; similarity as in AU05, from 0.95 on; hashes of question and both answers.

    *Source*: DPO learns length where length goes with the choice (Singhal et al., "A long way to go", COLM 2024;
    Park et al., ACL Findings 2024); pairs that are alike push both likelihoods down (arXiv 2410.08847).
    """
    seen, params = subject[PairTally], subject.params
    if seen.n < params.min_rows:
        return too_few("AU31", seen.n, params.min_rows)
    decided = seen.longer + seen.shorter
    low, high = wilson(seen.longer, decided) if decided else (0.0, 1.0)
    long = low > _LONGER
    subject.flag("AU31", seen.flags.train)
    status = Status.FAIL if seen.reversed > 0.01 * seen.n else Status.PASS
    if status is Status.PASS and (long or seen.reversed or seen.alike > 0.01 * seen.n):
        status = Status.WARN
    return finding(
        "AU31",
        status,
        {"n": seen.n, "longer": seen.longer / max(1, decided), "low": low, "high": high, "alike": seen.alike,
         "reversed": seen.reversed},
        value=seen.longer / max(1, decided),
        n=seen.n,
        threshold=_LONGER,
        interval=(low, high),
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=(
            {"train_row": e["train_row"], "kind": e["kind"], "question": Ask("train", e["place"]),
             "answer": Ask("train", e["place"], "answer")}
            for e in seen.examples[:EXAMPLES]
        ),
    )  # fmt: skip


CHECK = DataCheck("AU31", pairs, tally=PairTally, stages=PAIRS)
