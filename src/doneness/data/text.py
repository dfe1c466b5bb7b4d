"""What two texts are compared by: a normal form, tokens, and weighted content features.

Chinese and Japanese are taken character by character, everything else word by word; one text may
hold both.
"""

from __future__ import annotations

import re
import unicodedata
from operator import add

from doneness.data.words import (
    ASPECTS,
    CJK_ASPECTS,
    CJK_FUNCTION,
    CJK_OPPOSITES,
    FUNCTION_WORDS,
    INTERROGATIVES,
    OPPOSITES,
)

_CJK = "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_GAP = re.compile(f" (?:(?<=[{_CJK}] )|(?=[{_CJK}]))")
_TOKEN = re.compile(f"[{_CJK}]|[^\\s{_CJK}]+")
_IS_CJK = re.compile(f"[{_CJK}]")
_RUN = re.compile(f"[{_CJK}]+")
_WORD = re.compile(f"[^\\s{_CJK}]+")

_ORDINAL = re.compile(r"[ivx]+[a-z]?|[a-z]|.*\d.*")

_SUFFIXES = ("ements", "ement", "ments", "ment", "ings", "ing", "edly", "ied", "ies", "ed", "es", "s", "e", "y")
_LAST = frozenset(suffix[-1] for suffix in _SUFFIXES)
_DROPPED = {"P", "Z", "C"}


def normalise(text: str) -> str:
    """The form in which two texts count as the same: NFKC, lower case, no punctuation, single spaces.

    Spaces beside a CJK character go too. Applying it twice changes nothing.
    """
    if text.isascii():
        return " ".join(text.encode("ascii").translate(_ASCII).decode("ascii").split())
    for _ in range(4):
        # Lower-casing and closing gaps can each open a new composition; it settles in two passes.
        folded = unicodedata.normalize("NFKC", text)
        low = folded.lower()
        if low != folded:
            folded = unicodedata.normalize("NFKC", low)
        settled = _GAP.sub("", " ".join(folded.translate(_KEPT).split()))
        # What is folded already would come out of another pass as it is.
        if settled == text or (unicodedata.is_normalized("NFKC", settled) and settled.lower() == settled):
            return settled
        text = settled
    return text


def _dropped(char: str) -> bool:
    category = unicodedata.category(char)
    return category[0] in _DROPPED or category == "Sk"


class _Kept(dict[int, str]):
    """Characters as they stay in the normal form, each looked up once: texts are long, alphabets short."""

    def __missing__(self, code: int) -> str:
        found = self[code] = " " if _dropped(chr(code)) else chr(code)
        return found


_KEPT = _Kept()

# English answers are long, and nothing in ASCII composes or settles later: one pass does.
_ASCII = bytes(32 if code > 127 or _dropped(chr(code)) else ord(chr(code).lower()) for code in range(256))


def tokens(normal: str) -> list[str]:
    """Words, and single CJK characters, of a normalised text."""
    return _TOKEN.findall(normal)


def is_cjk(token: str) -> bool:
    """Whether a token is a CJK character."""
    return _IS_CJK.match(token) is not None


def stem(word: str) -> str:
    """A crude stem, for comparing alone: treated, treating, treatment → treat."""
    if word[-1:] not in _LAST or not word.isascii() or any(map(str.isdigit, word)):
        return word
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 4:
            return word[: -len(suffix)]
    return word


def content(normal: str) -> dict[str, float]:
    """Weighted content features of a normalised text.

    Words weigh 1 after stemming, interrogatives 0.3, function words nothing. CJK text gives its
    characters and character pairs, function words cut out. A text of function words alone is
    compared by them.
    """
    found: dict[str, float] = {}
    for word in _WORD.findall(normal):
        if word in INTERROGATIVES:
            found[word] = 0.3
        elif word not in FUNCTION_WORDS:
            found[stem(word)] = 1.0
    for run in _RUN.findall(normal):
        for part in CJK_FUNCTION.sub(" ", run).split():
            found.update(dict.fromkeys(part, 1.0))
            found.update(dict.fromkeys(map(add, part, part[1:]), 1.0))
    return found or dict.fromkeys(tokens(normal), 1.0)


def critical(feature: str) -> bool:
    """Whether one feature alone makes another question: numbers, opposites, what is asked of a thing."""
    return (
        feature in OPPOSITES
        or feature in CJK_OPPOSITES
        or feature in ASPECTS
        or feature in CJK_ASPECTS
        or _ORDINAL.fullmatch(feature) is not None
    )
