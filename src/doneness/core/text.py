"""Text from outside, made safe to show: a log or an answer may hold anything, terminals obey some of it."""

from __future__ import annotations

import re

# C0 and C1 controls apart from tab and line break, DEL, and halves of surrogate pairs, which no output can encode.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_PICTURES = 0x2400  # Unicode block "Control Pictures"


def printable(text: str) -> str:
    """`text` with a visible sign for each control character ("␛" for escape), so that none is obeyed."""
    return _UNPRINTABLE.sub(_sign, text)


def _sign(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return chr(_PICTURES + code)
    return "\u2421" if code == 0x7F else "\ufffd"
