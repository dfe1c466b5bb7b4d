"""AU29: answers that teach nothing."""

from __future__ import annotations

from collections import Counter
from typing import Any

from doneness.audit.check import DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import finding, grade
from doneness.audit.illustrate import excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import Tally, note
from doneness.core import Finding

_WARN, _FAIL = 0.002, 0.05
_TIMES, _SHARE = 5, 0.3
_PLACEHOLDERS = frozenset(
    [
        "n a",
        "na",
        "null",
        "none",
        "nan",
        "nil",
        "todo",
        "tbd",
        "unknown",
        "undefined",
        "test",
        "lorem ipsum",
        "no answer",
        "no response",
        "empty",
        "placeholder",
        "无",
        "暂无",
        "空",
        "待补充",
        "略",
        "未知",
        "测试",
        "无内容",
        "没有内容",
    ]
)
KINDS = ("loop", "echo", "placeholder", "symbols")


class VoidAnswers(Tally):
    """Answers that loop, repeat the question, or hold a placeholder."""

    def begin(self) -> None:
        """No answer so far."""
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, list[Any]] = {kind: [] for kind in KINDS}

    def see(self, entry: Entry) -> None:
        """Judge one answer."""
        self.n += 1
        kind = void(entry)
        if kind:
            self.kinds[kind] += 1
            self.flags.add(entry)
            note(self.examples[kind], {"train_row": entry.at, "kind": kind, "text": excerpt(entry.answer)}, 2)


def void_answers(subject: Subject) -> Finding:
    """Find answers without content.

    *What it finds*: answers that repeat themselves (four words in a row five times or more, over a third of the
    text), that give the question back, that hold a placeholder ("N/A", "null", "暂无"), or nothing but symbols.

    *How*: the normal form of the answer. "None" and the like count only where the other answers are longer: where
    they are one of a few labels, they are right.

    *Source*: a model tuned on loops loops (Holtzman et al., "The curious case of neural text degeneration", ICLR
    2020); dropoutt's T0-DEGEN-001.
    """
    seen = subject[VoidAnswers]
    kinds = dict(seen.kinds)
    placeholders = kinds.get("placeholder", 0)
    if placeholders > 0.05 * seen.n:
        kinds["placeholder"] = 0  # so many are a label
    count, n = sum(kinds.values()), seen.n
    subject.flag("AU29", seen.flags.train if kinds.get("placeholder", 0) == placeholders else ())
    share = count / n
    return finding(
        "AU29",
        grade(share, _WARN, _FAIL),
        {"count": count, "n": n, "share": share, **{kind: kinds.get(kind, 0) for kind in KINDS}},
        value=share,
        n=n,
        threshold=_WARN,
        rows=subject.train.lines(seen.flags.train[:1000]) if count else (),
        examples=(each for kind in KINDS if kinds.get(kind) for each in seen.examples[kind]),
        kinds=kinds,
    )


def void(entry: Entry) -> str:
    """What is wrong with an answer; "" for nothing."""
    normal = entry.normal_answer
    if not normal:
        return "symbols"
    if len(normal) <= 16 and normal in _PLACEHOLDERS:
        return "placeholder"
    if len(normal) > 20 and normal == entry.question:
        return "echo"
    if len(normal) < 80:
        return ""
    words = entry.words
    if normal.isascii():
        # Prose of any length repeats words; few texts that do not loop have so few different ones.
        if len(words) < 4 * _TIMES or len(entry.vocabulary) > 0.5 * len(words):
            return ""
        return "loop" if _loops(words, 4) else ""
    parts = entry.tokens
    if len(set(parts)) > 0.35 * len(parts):
        return ""
    return "loop" if _loops(parts, 6) else ""


def _loops(words: list[str], width: int) -> bool:
    runs = Counter(zip(*(words[k:] for k in range(width)), strict=False))
    most = runs.most_common(1)[0][1] if runs else 0
    covered = sum(count for count in runs.values() if count >= _TIMES)
    return most >= _TIMES and covered >= _SHARE * len(words)


CHECK = DataCheck("AU29", void_answers, tally=VoidAnswers)
