"""What near-duplicates are found by, as numbers: the features of `near_duplicates`, hashed, for millions of texts.

A feature is 32 bits: 30 of a hash, one for "weighs 0.3" and one for "alone makes another question" (see
`text.critical`). A text has its content features where it is short, its runs of three tokens where it is long, and both
in between. Of more than 256 runs those with the smallest hashes stand for all (bottom-k sketch: Broder, "On the
resemblance and containment of documents", 1997).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from doneness.data.near_duplicates import CJK_WORD, LONG, SHORT
from doneness.data.text import content, critical, is_cjk, stem, tokens
from doneness.data.words import CJK_ASPECTS, CJK_OPPOSITES, FUNCTION_WORDS, INTERROGATIVES

T = TypeVar("T")
LIGHT, CRITICAL = 1, 2  # the low bits
LIGHT_WEIGHT = 0.3
MOST = 256
_LONG_ENOUGH = 64  # tokens: from so many on a text is long by any measure
_REMEMBERED = 400_000  # words whose hash is kept at hand
_MASK = (1 << 64) - 1
_ONE, _TWO, _THREE = 0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9


def hashed(feature: str, light: bool = False) -> int:
    """A feature as a number."""
    code = zlib.crc32(feature.encode("utf-8", "surrogatepass")) & ~3
    # Of CJK characters only listed ones are critical; most pairs of them are met once, and a pattern takes its time.
    if feature >= "\u3040" and is_cjk(feature):
        alone = feature in CJK_OPPOSITES or feature in CJK_ASPECTS
    else:
        alone = critical(feature)
    return code | (LIGHT if light else 0) | (CRITICAL if alone else 0)


class _Known(dict[str, T]):
    """What was made of words, each made once; forgotten where there are too many."""

    def __init__(self, made: Callable[[str], T]) -> None:
        super().__init__()
        self._made = made

    def __missing__(self, word: str) -> T:
        found = self[word] = self._made(word)
        return found

    def all(self, words: list[str]) -> list[T]:
        """What is made of each."""
        if len(self) > _REMEMBERED:
            self.clear()
        return list(map(self.__getitem__, words))


@dataclass
class Sketcher:
    """Texts in their normal form → features, sorted, as `near_duplicates` weighs them."""

    _words: _Known[int] = field(default_factory=lambda: _Known(_word_code))
    _sizes: _Known[float] = field(default_factory=lambda: _Known(_size))
    _names: _Known[int] = field(default_factory=lambda: _Known(hashed))
    _tokens: _Known[int] = field(default_factory=lambda: _Known(_token_code))
    _terms: _Known[tuple[int, int, int]] = field(default_factory=lambda: _Known(_terms))

    def features(self, normal: str) -> tuple[list[int], list[int]]:
        """(content features, runs of tokens), ascending; each is empty where its measure does not apply."""
        if normal.isascii():
            parts = normal.split()
            length = float(len(parts))
        else:
            parts = tokens(normal)
            length = sum(self._sizes.all(parts[:_LONG_ENOUGH]))
        short = self._short(normal, parts) if length <= SHORT else []
        return short, self._long(parts) if length >= LONG else []

    def token_hashes(self, parts: list[str]) -> NDArray[np.uint64]:
        """64 bits of each token."""
        return np.array(self._tokens.all(parts), dtype=np.uint64)

    def _short(self, normal: str, parts: list[str]) -> list[int]:
        if not normal.isascii():
            weights = content(normal)
            found = set(self._names.all([name for name, weight in weights.items() if weight == 1]))
            if len(found) < len(weights):
                found.update(hashed(name, light=True) for name, weight in weights.items() if weight < 1)
            return sorted(found)
        found = set(self._words.all(parts))
        found.discard(0)
        # A text of function words alone is compared by them.
        return sorted(found or set(map(hashed, parts)))

    def _long(self, parts: list[str]) -> list[int]:
        if len(parts) < 3:
            return sorted({(code ^ code >> 32) & 0xFFFFFFFC for code in self._tokens.all(parts)})
        terms = self._terms.all(parts)
        runs = {
            ((mixed := one[0] + two[1] + three[2]) ^ mixed >> 32) & 0xFFFFFFFC
            for one, two, three in zip(terms, terms[1:], terms[2:], strict=False)
        }
        return sorted(runs)[:MOST]


def _size(token: str) -> float:
    return CJK_WORD if is_cjk(token) else 1.0


def _word_code(word: str) -> int:
    if word in INTERROGATIVES:
        return hashed(word, light=True)
    return 0 if word in FUNCTION_WORDS else hashed(stem(word)) or 4


def _token_code(token: str) -> int:
    raw = token.encode("utf-8", "surrogatepass")
    return (zlib.crc32(raw) << 32 | zlib.adler32(raw)) * _ONE & _MASK


def _terms(token: str) -> tuple[int, int, int]:
    """What a token adds to the hash of a run as its first, second or third; of the sum the low 64 bits count."""
    code = _token_code(token)
    return code * _ONE & _MASK, (code ^ code >> 29) * _TWO & _MASK, code * _THREE & _MASK
