"""Sentences of the catalogue as markup: escaped, with breaks kept out of numbers and names."""

from __future__ import annotations

import re
from html import escape

_NAME = re.compile(r"\bcheckpoint-\d+\b")
_UNIT = re.compile(r"(?<=\d) (?=[%±])|(?<=±) (?=\d)|(?<=[=<>]) (?=\d)|(?<=\b[pn]) (?=[=<>])")


def prose(text: str) -> str:
    """`text` escaped; "0.4 %", "p < 0.01" and "checkpoint-480" stay on one line."""
    joined = _UNIT.sub("\u00a0", text)
    return _NAME.sub(lambda m: f'<span class="nb">{m[0]}</span>', escape(joined))
