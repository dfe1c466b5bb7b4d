"""What near-duplicates are found by, as numbers: the features of `near_duplicates`, hashed, for millions of texts.

A feature is 32 bits: 30 of a hash, one for "weighs 0.3" and one for "alone makes another question" (see
`text.critical`). A text has its content features where it is short, its runs of three tokens where it is long, and both
in between. Of more than 256 runs those with the smallest hashes stand for all (bottom-k sketch: Broder, "On the
resemblance and containment of documents", 1997).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from doneness.data.near_duplicates import CJK_WORD, LONG, SHORT
from doneness.data.text import content, critical, is_cjk, stem, tokens
from doneness.data.words import CJK_ASPECTS, CJK_OPPOSITES, FUNCTION_WORDS, INTERROGATIVES

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


@dataclass
class Sketcher:
    """Texts in their normal form → features, sorted, as `near_duplicates` weighs them."""

    _content: dict[str, int] = field(default_factory=dict)
    _token: dict[str, int] = field(default_factory=dict)
    _parts: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def features(self, normal: str) -> tuple[list[int], list[int]]:
        """(content features, runs of tokens), ascending; each is empty where its measure does not apply."""
        if normal.isascii():
            parts = normal.split()
            length = float(len(parts))
        else:
            parts = tokens(normal)
            length = sum(CJK_WORD if part >= "\u3005" and is_cjk(part) else 1.0 for part in parts[:_LONG_ENOUGH])
        short = self._short(normal, parts) if length <= SHORT else []
        return short, self._long(parts) if length >= LONG else []

    def token_hashes(self, parts: list[str]) -> NDArray[np.uint64]:
        """64 bits of each token."""
        return np.array(self._codes(parts), dtype=np.uint64)

    def _codes(self, parts: list[str]) -> list[int]:
        known = self._token
        if len(known) > _REMEMBERED:
            known.clear()
        found = []
        for part in parts:
            code = known.get(part)
            if code is None:
                raw = part.encode("utf-8", "surrogatepass")
                code = known[part] = (zlib.crc32(raw) << 32 | zlib.adler32(raw)) * _ONE & _MASK
            found.append(code)
        return found

    def _short(self, normal: str, parts: list[str]) -> list[int]:
        known = self._content
        if len(known) > _REMEMBERED:
            known.clear()
        if not normal.isascii():
            return sorted({self._of_feature(name, weight < 1) for name, weight in content(normal).items()})
        found = set()
        for word in parts:
            code = known.get(word)
            if code is None:
                code = known[word] = _word_code(word)
            if code:
                found.add(code)
        # A text of function words alone is compared by them.
        return sorted(found or {hashed(word) for word in parts})

    def _of_feature(self, name: str, light: bool) -> int:
        # No word holds a space, so features and words never meet under one key.
        key = f" {name}"
        code = self._content.get(key)
        if code is None:
            code = self._content[key] = hashed(name, light)
        return code

    def _long(self, parts: list[str]) -> list[int]:
        if len(parts) < 3:
            return sorted({(code ^ code >> 32) & 0xFFFFFFFC for code in self._codes(parts)})
        terms = self._terms(parts)
        runs = {
            ((mixed := one[0] + two[1] + three[2]) ^ mixed >> 32) & 0xFFFFFFFC
            for one, two, three in zip(terms, terms[1:], terms[2:], strict=False)
        }
        return sorted(runs)[:MOST]

    def _terms(self, parts: list[str]) -> list[tuple[int, int, int]]:
        """What each token adds to the hash of a run as its first, second or third."""
        known = self._parts
        if len(known) > _REMEMBERED:
            known.clear()
        found = []
        for part in parts:
            term = known.get(part)
            if term is None:
                code = self._codes([part])[0]
                term = known[part] = (code * _ONE, (code ^ code >> 29) * _TWO, code * _THREE)
            found.append(term)
        return found


def _word_code(word: str) -> int:
    if word in INTERROGATIVES:
        return hashed(word, light=True)
    return 0 if word in FUNCTION_WORDS else hashed(stem(word)) or 4
