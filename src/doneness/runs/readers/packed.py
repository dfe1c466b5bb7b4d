"""Many JSON rows of one form at once: only their numbers are parsed, as one block.

A log of a million rows repeats the same keys a million times; looking at them once is what makes
reading it quick. Rows of another form (evaluations among training rows) are parsed as usual.
"""

from __future__ import annotations

import json
import re
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from doneness.runs.run import Floats, Ints

_FEWEST = 100
_MARK = b"\x01"
_KEY = re.compile(r"[A-Za-z_/]+")
_IN_NUMBERS = b"0123456789.+-"
# What is left of a row for the number parser: digits, exponents, and the colons that end a key.
_BLANK = bytes(32 if byte in b"\x01,\n\r\t {}" else byte for byte in range(256))
_KEY_BYTES = b'"_/' + bytes(b for b in range(256) if chr(b).isascii() and chr(b).isalpha() and chr(b) not in "eE")


@dataclass
class Packed:
    """A batch of rows: numbers of those alike, by column, and the others as they are.

    Attributes:
        size: rows in all.
        places: which rows the columns belong to, ascending; shape (n,).
        columns: one array (n,) for each key.
        others: the remaining rows with their places.
    """

    size: int
    places: Ints
    columns: dict[str, Floats]
    others: list[tuple[int, dict[str, Any]]] = field(default_factory=list)


def pack(piece: bytes, separator: bytes) -> Packed | None:
    """The rows in `piece`, or None where they are few, of many forms, or hold more than numbers.

    Args:
        piece: objects one after another, from the first brace to the last.
        separator: what stands between them, braces included: `}, {` or `}` line break `{`.
    """
    if piece.count(separator) < _FEWEST or _MARK in piece:
        return None
    first = piece[: piece.index(separator) + 1]
    keys = _keys(first[1:-1])
    if keys is None:
        return None  # texts in the rows, most likely in all of them
    alike = _all_alike(piece, separator, first, keys)
    if alike is not None:
        return alike
    flat = piece[1:-1].replace(separator, _MARK)
    forms = flat.translate(None, _IN_NUMBERS).replace(b": e", b": ").replace(b":e", b":").split(_MARK)
    form, count = Counter(forms).most_common(1)[0]
    size = len(forms)
    if count < 0.9 * size:
        return None
    rows = flat.split(_MARK)
    keys = _keys(rows[forms.index(form)])
    if keys is None:
        return None
    others: list[tuple[int, dict[str, Any]]] = []
    places = np.arange(size, dtype=np.int64)
    if count < size:
        different = [i for i, other in enumerate(forms) if other != form]
        for place in different:
            found = _parsed(rows[place])
            if found is None:
                return None
            others.append((place, found))
        places = np.delete(places, different)
        flat = _MARK.join([rows[i] for i in places.tolist()])
    del rows, forms
    numbers = _numbers(flat, keys, count)
    if numbers is None:
        return None
    return Packed(size, places, {key: numbers[:, i].copy() for i, key in enumerate(keys)}, others)


def _all_alike(piece: bytes, separator: bytes, first: bytes, keys: list[str]) -> Packed | None:
    """The common case, told by one comparison: every row has the form of the first."""
    rows = piece.count(separator) + 1
    colon = b": " if b": " in first else b":"
    form = _form(first + separator[1:-1], colon)
    if _form(piece + separator[1:-1], colon) != form * rows:
        return None
    numbers = _numbers(piece, keys, rows)
    if numbers is None:
        return None
    columns = {key: numbers[:, i].copy() for i, key in enumerate(keys)}
    return Packed(rows, np.arange(rows, dtype=np.int64), columns)


def _form(text: bytes, colon: bytes) -> bytes:
    return text.translate(None, _IN_NUMBERS).replace(colon + b"e", colon)


def _parsed(row: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(b"{" + row + b"}")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _keys(row: bytes) -> list[str] | None:
    found = _parsed(row)
    if not found or row.count(b":") != len(found):
        return None
    plain = all(type(v) in (int, float) and _KEY.fullmatch(k) for k, v in found.items())
    return list(found) if plain else None


def _numbers(flat: bytes, keys: list[str], rows: int) -> Floats | None:
    text = flat.translate(_BLANK, _KEY_BYTES)
    # Of a key only its letters e are left: they could be those of an exponent, but for the colon after them.
    for left in sorted({"".join(c for c in key if c in "eE") for key in keys}, key=len, reverse=True):
        text = text.replace(left.encode() + b":", b" ")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            numbers = np.fromstring(text, dtype=np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        return None
    if numbers.size != rows * len(keys):
        return None
    return numbers.reshape(rows, len(keys))
