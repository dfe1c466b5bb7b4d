"""Many JSON rows at once: rows whose keys are known become columns of numbers without a dict for each.

A log of a million rows repeats the same few keys a million times. Rows met once say which keys there
are and which hold numbers; from then on msgspec decodes rows straight into structs, and numpy reads
the columns out of their fixed-length MessagePack form. Whatever does not fit (a new key, a text where
numbers stood, NaN, Infinity, damage) is refused whole, and the caller parses it with the json module.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from doneness.runs.run import Floats, Ints

_MOST_KEYS = 400  # rows with more keys than this are no training log
_GIVE_UP = 60  # so many refusals in a row, and trying again costs more than it saves
_ABSENT = math.nan  # JSON has no NaN and msgspec refuses it: one in a struct is a key that the row lacks
_NUMBER = 0xCB  # MessagePack's mark of a 64-bit float


@dataclass
class Packed:
    """A batch of rows as columns.

    Attributes:
        size: rows in all.
        columns: rows (ascending) and numbers by key.
        cells: rows (ascending) and values by key, where they are not all numbers.
    """

    size: int
    columns: dict[str, tuple[Ints, Floats]]
    cells: dict[str, tuple[Ints, list[Any]]] = field(default_factory=dict)

    def without(self, key: str, where: str) -> None:
        """Drop the values of `key` in the rows that have a `where`."""
        hidden = [part[0] for part in (self.columns.get(where), self.cells.get(where)) if part is not None]
        if key in self.columns and hidden:
            rows, values = self.columns[key]
            keep = ~np.isin(rows, np.concatenate(hidden))
            self.columns[key] = (rows[keep], values[keep])


class Forms:
    """The keys that rows have had so far, and a decoder for rows that have no others."""

    def __init__(self) -> None:
        self._numeric: dict[str, bool] = {}
        self._decoder: _Decoder | None = None
        self._refused = 0

    def learn(self, rows: Iterable[dict[str, Any]]) -> None:
        """Take note of the keys of rows and of which hold nothing but numbers."""
        before = dict(self._numeric)
        for row in rows:
            for key, value in row.items():
                plain = value is None or type(value) in (int, float)
                if self._numeric.get(key, True) or key not in self._numeric:
                    self._numeric[key] = plain
        if self._numeric != before:
            self._decoder = _decoder(self._numeric)

    def knows(self, row: dict[str, Any]) -> bool:
        """Whether a row has two keys at least, and none that was not seen before."""
        return len(row) > 1 and self._numeric.keys() >= row.keys()

    def lines(self, piece: bytes) -> Packed | None:
        """The rows of JSON Lines, or None where they do not fit."""
        return self._packed(None if self._decoder is None else self._decoder.lines, piece)

    def array(self, piece: bytes) -> Packed | None:
        """The rows of a piece of a JSON array, without its brackets, or None where they do not fit."""
        return self._packed(None if self._decoder is None else self._decoder.array, b"[" + piece + b"]")

    def _packed(self, decode: Callable[[bytes], list[Any]] | None, piece: bytes) -> Packed | None:
        if decode is None or self._decoder is None or self._refused > _GIVE_UP:
            return None
        try:
            rows = decode(piece)
        except (ValueError, RecursionError):
            self._refused += 1
            return None
        self._refused = 0
        return self._decoder.columns(rows)


@dataclass(frozen=True)
class _Decoder:
    """Decoders for one set of keys; `at` are the places of the numbers in the MessagePack form of a row."""

    keys: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: Callable[[bytes], list[Any]]
    array: Callable[[bytes], list[Any]]
    stride: int
    at: tuple[int, ...]

    def columns(self, rows: Sequence[Any]) -> Packed:
        found = self._by_stride(rows) if all(self.numeric) else None
        return found if found is not None else self._by_name(rows)

    def _by_stride(self, rows: Sequence[Any]) -> Packed | None:
        """Numbers alone make rows of one length; a null would be shorter, so the length tells that there is none."""
        n = len(rows)
        data = msgspec.msgpack.encode(rows)
        head = 1 if n < 1 << 4 else 3 if n < 1 << 16 else 5
        if len(data) != head + n * self.stride:
            return None
        table = np.frombuffer(data, dtype=np.uint8, offset=head).reshape(n, self.stride)
        columns = {}
        for key, at in zip(self.keys, self.at, strict=True):
            values = table[:, at : at + 8].copy().view(">f8").reshape(-1).astype(np.float64)
            rows_of = np.flatnonzero(~np.isnan(values))
            if rows_of.size:
                columns[key] = (rows_of, values if rows_of.size == n else values[rows_of])
        return Packed(n, columns)

    def _by_name(self, rows: Sequence[Any]) -> Packed:
        packed = Packed(len(rows), {})
        for i, (key, numeric) in enumerate(zip(self.keys, self.numeric, strict=True)):
            values = list(map(attrgetter(f"f{i}"), rows))
            if numeric:
                numbers = np.array(values, dtype=np.float64)  # None becomes NaN, which is absent as well
                places = np.flatnonzero(~np.isnan(numbers))
                if places.size:
                    packed.columns[key] = (places, numbers[places])
                continue
            there = [row for row, value in enumerate(values) if value is not _ABSENT]
            if there:
                packed.cells[key] = (np.array(there, dtype=np.int64), [values[row] for row in there])
        return packed


def _decoder(numeric: dict[str, bool]) -> _Decoder | None:
    """A decoder for rows of these keys; None where there are too many, or one that msgspec cannot hold."""
    if not 0 < len(numeric) <= _MOST_KEYS:
        return None
    names = [f"f{i}" for i in range(len(numeric))]
    kinds: list[Any] = [float | None if plain else Any for plain in numeric.values()]
    try:
        form: Any = msgspec.defstruct(
            "Row",
            list(zip(names, kinds, itertools.repeat(_ABSENT), strict=False)),
            rename=dict(zip(names, numeric, strict=True)),
            forbid_unknown_fields=True,
            gc=False,
        )
        empty = msgspec.msgpack.encode(form())
    except ValueError:  # a key with a quote, a line break or half a surrogate pair in it
        return None
    at = []
    for name in names:
        # A one among NaNs differs from NaNs alone from the first byte of the number on.
        one = np.frombuffer(msgspec.msgpack.encode(form(**{name: 1.0})), dtype=np.uint8)
        at.append(int(np.argmax(one != np.frombuffer(empty, dtype=np.uint8))))
    if any(empty[place - 1] != _NUMBER for place in at):
        return None
    decode_line, decode_array = msgspec.json.Decoder(form), msgspec.json.Decoder(list[form])
    keys, plain = tuple(numeric), tuple(numeric.values())
    return _Decoder(keys, plain, decode_line.decode_lines, decode_array.decode, len(empty), tuple(at))
