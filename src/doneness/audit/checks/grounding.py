"""AU20: answers that say what the given text does not."""

from __future__ import annotations

import re
from typing import Any

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding, wilson
from doneness.audit.illustrate import Ask, excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding, Status

_LEAST = 20  # rows with a text, below which no share is judged
_WARN = 0.1
_WORDS, _CHARS = 60, 120  # of a question that brings its text along
_GIVEN = re.compile(
    r"\b(?:context|passage|abstract|article|document|paragraph|excerpt|transcript|according to"
    r"|based on the|report|note)s?\b"
    r"|上下文|文章|材料|段落|摘要|原文|根据|以下(?:内容|文本|信息|资料|病历)|病历",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
# A capital inside a sentence begins a name.
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-zA-Z-]{3,}")


class Grounding(Tally):
    """Rows that bring a text along, and those whose answer leaves it."""

    def begin(self) -> None:
        """No row so far."""
        self.given = 0
        self.examples: list[Any] = []

    def see(self, entry: Entry) -> None:
        """Judge one row."""
        self.n += 1
        if not brings_text(entry):
            return
        self.given += 1
        lacking, of = unsupported(entry.whole[: len(entry.whole) - len(entry.answer)], entry.answer)
        if len(lacking) >= 2 and 2 * len(lacking) >= of:
            self.flags.add(entry)
            note(self.examples, {"train_row": entry.at, "lacking": [excerpt(each) for each in lacking[:8]],
                                 "place": entry.place})  # fmt: skip


def grounding(subject: Subject) -> Finding:
    """Find answers with numbers and names that the text given with the question lacks.

    *What it finds*: among rows whose question brings a text along ("abstract", "according to", "根据…"; 60 words
    or more), answers with two or more numbers or names that it does not hold, if they are half of all they name. WARN
    above 10 % of such rows.

    *How*: numbers from ten on, as written or without separators, and capitalised words inside sentences. A cheap
    screen: a paraphrase passes, a sum that the text does not state is flagged; read the examples.

    *Source*: training on answers that the source does not support teaches to answer without support (Dziri et al.,
    "On the origin of hallucinations in conversational models", NAACL 2022; Maynez et al., ACL 2020).
    """
    seen = subject[Grounding]
    n, count = seen.given, len(seen.flags.train)
    subject.flag("AU20", seen.flags.train)
    if n < _LEAST:
        return finding("AU20", Status.PASS, {"n": n}, value=0.0, n=n, key="none")
    low, high = wilson(count, n)
    return finding(
        "AU20",
        Status.WARN if low > _WARN else Status.PASS,
        {"count": count, "n": n, "share": count / n, "low": low, "high": high},
        value=count / n,
        n=n,
        threshold=_WARN,
        interval=(low, high),
        rows=subject.train.lines(seen.flags.train[:1000]),
        examples=(
            {"train_row": e["train_row"], "lacking": e["lacking"], "answer": Ask("train", e["place"], "answer")}
            for e in seen.examples
        ),
    )


def brings_text(entry: Entry) -> bool:
    """Whether the question brings along a text to answer from."""
    asked = entry.context
    if len(asked) < _CHARS or (asked.isascii() and asked.count(" ") < _WORDS):
        return False
    return _GIVEN.search(asked, 0, 400) is not None or _GIVEN.search(asked, max(0, len(asked) - 300)) is not None


def unsupported(given: str, answer: str) -> tuple[list[str], int]:
    """Numbers and names of an answer that a text lacks, and how many it names in all."""
    low = given.lower()
    bare = low.replace(",", "")
    numbers = {each for each in _NUMBER.findall(answer) if sum(map(str.isdigit, each)) >= 2}
    names = set(_NAME.findall(answer))
    lacking = [each for each in sorted(numbers) if each not in low and each.replace(",", "") not in bare]
    lacking += [each for each in sorted(names) if each.lower()[: max(4, len(each) - 2)] not in low]
    return lacking, len(numbers) + len(names)


CHECK = DataCheck("AU20", grounding, tally=Grounding, stages=ANSWERED)
