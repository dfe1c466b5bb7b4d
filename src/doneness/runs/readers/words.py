"""Damaged lines of text: those that speak like the lines of a log, and tell no step or no loss."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"[A-Za-z_]{2,}")
_DIGITS = re.compile(r"\d+")
_JUNK = re.compile(r"[\x00-\x06\x10-\x1a\x1c-\x1f\x7f]")  # what neither text nor a terminal's commands hold
_COMMON = 8  # kinds of log lines that lines are compared with
_ALIKE = 0.4  # share of words in common, of all words of both
_HABIT = 3  # as often as this, and the form is another kind of line, not damage
_PART = 6  # characters: a shorter piece may be a piece of anything
_ENDS = 0.9  # share of a line that its beginning and its end have in common with usual ones
_MOST, _MOST_FORMS = 200_000, 1000


class Words:
    """The words of the lines that could be read, and the lines that could not."""

    def __init__(self) -> None:
        self._kinds: Counter[tuple[str, ...]] = Counter()
        self._forms: Counter[str] = Counter()
        self._others: list[str] = []
        self.lost = 0  # rows known to be lost
        self._in_junk = False

    def see(self, line: str, readable: bool) -> None:
        """Take note of a line."""
        before, self._in_junk = self._in_junk, not readable and _JUNK.search(line) is not None
        if self._in_junk:
            self.lost += not before  # junk breaks lines as it likes: one stretch of it is one row at least
        elif readable:
            self._kinds[tuple(_WORD.findall(line))] += 1
            if len(self._forms) < _MOST_FORMS:
                self._forms[_DIGITS.sub("0", line).strip()] += 1
        elif len(self._others) < _MOST and any(mark in line for mark in "0123456789"):
            self._others.append(line)

    def damaged(self) -> int:
        """How many unreadable lines are parts of readable ones, or like them, each in a way of its own."""
        kinds = [frozenset(words) for words, _ in self._kinds.most_common(_COMMON)]
        usual = [form for form, _ in self._forms.most_common(_COMMON)]
        forms: dict[str, Counter[str]] = {}
        for line in self._others:
            forms.setdefault(_DIGITS.sub("0", line).strip(), Counter())[line] += 1
        # The same line again, numbers and all, is a stretch that was written twice, and no habit.
        return self.lost + sum(
            lines.total()
            for form, lines in forms.items()
            if (len(form) >= _PART and any(form in whole for whole in usual))
            or (len(lines) < _HABIT and (_like(frozenset(_WORD.findall(form)), kinds) or _spliced(form, usual)))
        )


def _like(words: frozenset[str], kinds: list[frozenset[str]]) -> bool:
    return any(len(words & kind) >= _ALIKE * len(words | kind) for kind in kinds if words and kind)


def _spliced(form: str, usual: list[str]) -> bool:
    """Whether a line is the beginning of a usual one and the end of another: between them something went or came."""
    if len(form) < _PART or not usual:
        return False
    first = max(usual, key=lambda whole: _shared(form, whole))
    last = max(usual, key=lambda whole: _shared(form[::-1], whole[::-1]))
    both = _shared(form, first) + _shared(form[::-1], last[::-1])
    return both >= _ENDS * min(len(form), len(first), len(last))


def _shared(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
