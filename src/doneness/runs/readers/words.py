"""Damaged lines of text: those that speak like the lines of a log, and tell no step or no loss."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"[A-Za-z_]{2,}")
_DIGITS = re.compile(r"\d+")
_COMMON = 8  # kinds of log lines that lines are compared with
_ALIKE = 0.4  # share of words in common, of all words of both
_HABIT = 3  # as often as this, and the form is another kind of line, not damage
_PART = 6  # characters: a shorter piece may be a piece of anything
_MOST, _MOST_FORMS = 200_000, 1000


class Words:
    """The words of the lines that could be read, and the lines that could not."""

    def __init__(self) -> None:
        self._kinds: Counter[tuple[str, ...]] = Counter()
        self._forms: Counter[str] = Counter()
        self._others: list[str] = []
        self.lost = 0  # rows known to be lost

    def see(self, line: str, readable: bool) -> None:
        """Take note of a line."""
        if readable:
            self._kinds[tuple(_WORD.findall(line))] += 1
            if len(self._forms) < _MOST_FORMS:
                self._forms[_DIGITS.sub("0", line).strip()] += 1
        elif len(self._others) < _MOST and any(mark in line for mark in "0123456789"):
            self._others.append(line)

    def damaged(self) -> int:
        """How many unreadable lines are parts of readable ones, or like them, each in a way of its own."""
        kinds = [frozenset(words) for words, _ in self._kinds.most_common(_COMMON)]
        usual = [form for form, _ in self._forms.most_common(_COMMON)]
        forms = Counter(_DIGITS.sub("0", line).strip() for line in self._others)
        return self.lost + sum(
            count
            for form, count in forms.items()
            if (len(form) >= _PART and any(form in whole for whole in usual))
            or (count < _HABIT and _like(frozenset(_WORD.findall(form)), kinds))
        )


def _like(words: frozenset[str], kinds: list[frozenset[str]]) -> bool:
    return any(len(words & kind) >= _ALIKE * len(words | kind) for kind in kinds if words and kind)
