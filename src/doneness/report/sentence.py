"""Sentences that break where Chinese may break: never before a closing mark, never after an opening one."""

from __future__ import annotations

import re

from rich.cells import cell_len
from rich.console import Console, JustifyMethod, OverflowMethod
from rich.containers import Lines
from rich.text import Text

_OPEN, _CLOSE = "（「『《“", "，。；：！？、）」』》”…"
_CJK = "\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef"
# A Chinese character or a word, with the marks that may not leave it and the spaces after it.
_UNIT = re.compile(
    rf"[{_OPEN}]*(?:(?![{_OPEN}{_CLOSE}])[{_CJK}]|[^ \t{_CJK}{_OPEN}{_CLOSE}]+)[{_CLOSE}]*[ \t]*"
    rf"|[{_OPEN}{_CLOSE}]+[ \t]*|[ \t]+"
)


class Sentence(Text):
    """A text whose lines end where its language lets them; `Text` would set a full stop on a line of its own."""

    def wrap(
        self,
        console: Console,
        width: int,
        *,
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        tab_size: int = 8,
        no_wrap: bool | None = None,
    ) -> Lines:
        """Lines of at most `width` cells; what cannot be broken by the rules is cut."""
        if no_wrap or overflow in ("ellipsis", "ignore") or width < 2:
            return super().wrap(
                console, width, justify=justify, overflow=overflow, tab_size=tab_size, no_wrap=no_wrap
            )  # fmt: skip
        lines = Lines()
        for part in self.split("\n", allow_blank=True):
            for line in part.divide(breaks(part.plain, width)):
                line.rstrip()
                lines.append(line)
        return lines


def breaks(text: str, width: int) -> list[int]:
    """Where `text`, one paragraph, goes on in a new line of `width` cells: indices of characters."""
    found: list[int] = []
    used = 0
    for unit in _UNIT.finditer(text):
        bare = cell_len(unit[0].rstrip(" \t"))
        if used and used + bare > width:
            found.append(unit.start())
            used = 0
        if bare <= width:
            used += cell_len(unit[0])
            continue
        for i, char in enumerate(unit[0]):
            if used and used + cell_len(char) > width:
                found.append(unit.start() + i)
                used = 0
            used += cell_len(char)
    return found
