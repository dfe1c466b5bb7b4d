"""AU15: answers that stop in the middle."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from doneness.audit.check import ANSWERED, DataCheck
from doneness.audit.entry import Entry
from doneness.audit.findings import EXAMPLES, finding, grade, too_few
from doneness.audit.illustrate import excerpt
from doneness.audit.subject import Subject
from doneness.audit.tally import FEW, Flags, Tally
from doneness.core import Finding

_WARN, _FAIL = 0.005, 0.1
_CUSTOM = 0.8  # of the longer answers end in punctuation: then one that does not was cut
# Single sentences may do without: only where nearly all of them have their full stop does its absence tell.
_CUSTOM_ALONE, _LEAST_ALONE = 0.95, 50
_LEAST = 8  # words, or twice as many characters of CJK text: shorter answers need no full stop
_END = frozenset(".!?。！？…\"'”’）)】]}》」』>*`~|%;；:：")
_OPEN = frozenset(",，、-–—([{（【《“‘&")
_LINKS = frozenset(
    [
        "a",
        "an",
        "the",
        "and",
        "or",
        "of",
        "to",
        "in",
        "on",
        "at",
        "by",
        "with",
        "for",
        "from",
        "is",
        "are",
        "was",
        "were",
        "be",
        "that",
        "which",
        "who",
        "as",
        "if",
        "when",
        "than",
        "but",
        "because",
        "including",
        "such",
        "their",
        "its",
        "this",
        "these",
        "your",
        "into",
        "can",
        "may",
        "will",
        "should",
        "would",
    ]
)
_CJK_LINKS = ("的", "和", "与", "及", "或", "在", "是", "把", "被", "对", "从", "因为", "以及", "如果", "并且", "但是")
# The end of code, of a table, of a line of tags or of an address: none of them closes with a full stop.
_CODE = re.compile(r"[={}<>|\\_]|\(\)|^\s*(?:return|end|else|import|print)\b|(?:^|\s)#\w+$|https?://\S+$|www\.\S+$")
_FOOTNOTE = re.compile(r"[a-z)\]][.!?]\[?\d{1,3}\]?$")
_APART = re.compile(r"\n|\s{2,}")  # of the last piece: a line of its own, or what a line was before spaces replaced it
_AFTER_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_SMALL = frozenset(["and", "of", "the", "for", "on", "in", "to", "de", "at", "by"])
_SENTENCE = re.compile(r"[a-z)]{2}[.!?]\s+[A-Z]|[。！？]")
_LISTED = re.compile(r"^\s*(?:[-*•·+]|\d{1,3}[.)、]|[(（]\d+[)）])\s*\S|^\s*#|\||https?://\S+$")


class CutAnswers(Tally):
    """Answers that are open at their end, and longer ones that end without punctuation."""

    def begin(self) -> None:
        """No answer so far."""
        self.unended = Flags()
        self.bare = Flags()
        self.longer = 0
        self.alone = 0  # single sentences that are ended
        self.lengths: Counter[int] = Counter()
        self.examples: list[Any] = []
        self.unended_examples: list[Any] = []
        self.bare_examples: list[Any] = []

    def see(self, entry: Entry) -> None:
        """Judge the end of one answer."""
        self.n += 1
        how = ending(entry.answer)
        if how == "short":
            return
        if how == "bare":
            self.bare.add(entry)
            _note(self.bare_examples, entry)
            return
        self.longer += 1
        if how == "ended":
            self.alone += _alone(entry.answer.rstrip())
            return
        if how == "open":
            self.flags.add(entry)
            _note(self.examples, entry)
        else:
            self.unended.add(entry)
            _note(self.unended_examples, entry)
        if len(self.lengths) < 10_000 or len(entry.answer) in self.lengths:
            self.lengths[len(entry.answer)] += 1


def cut_answers(subject: Subject) -> Finding:
    """Find answers that were cut off.

    *What it finds*: answers that end in a comma, an opening bracket, a word that needs another after it ("and",
    "的"), or inside a code block; where four in five of the longer answers end in punctuation, those of several
    sentences that do not; and, where 95 % of fifty or more single sentences in Latin letters have their full stop,
    those that have none. Answers of under eight words are left alone, and so are those that close with a source
    ("Source: Some Institute"), a heading, an item of a list or the number of a note.

    *How*: the last characters. Where a tenth or more of the cut answers have one and the same length, that length is
    named: it is the limit at which they were generated.

    *Source*: the trainer puts the end-of-turn token after the cut, so the model learns to stop in the middle;
    dropoutt's T0-TRUNC-002.
    """
    seen, params = subject[CutAnswers], subject.params
    if seen.n < params.min_rows:
        return too_few("AU15", seen.n, params.min_rows)
    custom = seen.longer > 0 and 1 - (len(seen.unended) + len(seen.flags)) / seen.longer >= _CUSTOM
    singles = seen.alone + len(seen.bare)
    strict = custom and seen.alone >= _LEAST_ALONE and seen.alone >= _CUSTOM_ALONE * singles
    cut = sorted([*seen.flags.train, *(seen.unended.train if custom else ()), *(seen.bare.train if strict else ())])
    subject.flag("AU15", cut, sure=seen.flags.train)
    share, opened = len(cut) / seen.n, len(seen.flags.train)
    length, times = seen.lengths.most_common(1)[0] if seen.lengths else (0, 0)
    capped = times if times >= max(5, 0.1 * len(cut)) else 0
    return finding(
        "AU15",
        grade(share, _WARN, _FAIL),
        {"count": len(cut), "open": opened, "bare": len(cut) - opened, "n": seen.n, "share": share},
        value=share,
        n=seen.n,
        threshold=_WARN,
        rows=subject.train.lines(cut[:1000]),
        examples=[*seen.examples, *(seen.unended_examples if custom else ()), *(seen.bare_examples if strict else ())][
            :EXAMPLES
        ],
        same_length={"chars": length, "answers": capped} if capped else None,
        without_punctuation=len(seen.unended) + (len(seen.bare) if strict else 0),
    )


def _note(examples: list[Any], entry: Entry) -> None:
    if len(examples) < FEW:
        examples.append({"train_row": entry.at, "ends": excerpt(entry.answer[-100:])})


def ending(answer: str) -> str:
    """How an answer ends: "ended", "open", "unended" ("bare" if one sentence), or "short": nothing can be said."""
    text = answer.rstrip()
    if not text:
        return "short"
    if text.count("```") % 2:
        return "open"
    last = text[-1]
    ascii_end = last.isascii()
    if not _longer(text):
        return "short"
    line = text[text.rfind("\n") + 1 :]
    if last in _END or _CODE.search(line):
        return "ended"
    if last in _OPEN:
        return "open"
    if ascii_end:
        word = line.rpartition(" ")[2].lower()
        if word in _LINKS and " " in line:
            return "open"
    elif text.endswith(_CJK_LINKS):
        # "…是对的", "…的" close a sentence as well: only the full stop's absence is left to tell by.
        return "unended" if text.endswith("的") else "open"
    if _LISTED.search(line) or not last.isalnum() or _named_at_end(text):
        return "ended"
    # One sentence without its full stop may be how they are written; one of several was cut.
    if _SENTENCE.search(text) is not None:
        return "unended"
    return "bare" if text.isascii() and "\n" not in text else "short"


def _named_at_end(text: str) -> bool:
    """Whether the last piece stands apart and is a source, a heading, an item of a list, or a note's number."""
    if _FOOTNOTE.search(text):
        return True
    apart = _APART.split(text)
    piece = apart[-1].strip()
    if len(apart) > 1 and _LISTED.search(piece):
        return True
    if len(apart) == 1 and ": " not in piece:
        return False
    if len(apart) == 1:
        # On one line with the rest only what follows a whole sentence, as "Source: Some Institute".
        piece = _AFTER_SENTENCE.split(piece)[-1]
        if ": " not in piece or len(piece) == len(text):
            return False
    words = [word.strip("(),:;&/") for word in piece.split()]
    large = [word for word in words if word and word.lower() not in _SMALL]
    return bool(large) and all(word[0].isupper() or word[0].isdigit() for word in large)


def _alone(text: str) -> bool:
    """Whether a text that is ended is one sentence in Latin letters with its full stop."""
    if text[-1] not in ".!?" or not text.isascii() or "\n" in text:
        return False
    at = text.find(". ")
    # Most texts show their second sentence here, and a pattern takes its time.
    if at >= 2 and text[at - 2 : at].isalpha() and text[at - 2 : at].islower() and text[at + 2].isupper():
        return False
    return _SENTENCE.search(text) is None


def _longer(text: str) -> bool:
    if text.isascii():
        return text.count(" ") + 1 >= _LEAST
    return len(text) >= 2 * _LEAST


CHECK = DataCheck("AU15", cut_answers, tally=CutAnswers, stages=ANSWERED)
