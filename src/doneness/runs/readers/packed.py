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
_CELL = np.dtype([("mark", "u1"), ("number", ">f8")])  # MessagePack's form of a 64-bit float
_SPARSE = 2  # a column that fewer than one row in so many has is told by its rows


@dataclass
class Packed:
    """A batch of rows as columns.

    Attributes:
        size: rows in all.
        columns: rows (ascending) and numbers by key; None for the rows says that there is a number for each,
            NaN where a row lacks the key.
        cells: rows (ascending) and values by key, where they are not all numbers.
    """

    size: int
    columns: dict[str, tuple[Ints | None, Floats]]
    cells: dict[str, tuple[Ints, list[Any]]] = field(default_factory=dict)

    def without(self, key: str, where: str) -> None:
        """Drop the values of `key` in the rows that have a `where`."""
        if key not in self.columns:
            return
        hidden = [] if where not in self.columns else [_told(*self.columns[where])[0]]
        hidden += [] if where not in self.cells else [self.cells[where][0]]
        if hidden:
            rows, values = _told(*self.columns[key])
            keep = ~np.isin(rows, np.concatenate(hidden))
            self.columns[key] = (rows[keep], values[keep])


def _told(rows: Ints | None, values: Floats) -> tuple[Ints, Floats]:
    """A column by its rows."""
    if rows is not None:
        return rows, values
    rows = np.flatnonzero(~np.isnan(values))
    return rows, values[rows]


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
    """Decoders for one set of keys; `form` is the MessagePack form of a row of numbers."""

    keys: tuple[str, ...]
    numeric: tuple[bool, ...]
    lines: Callable[[bytes], list[Any]]
    array: Callable[[bytes], list[Any]]
    form: np.dtype[np.void]

    def columns(self, rows: Sequence[Any]) -> Packed:
        found = self._by_stride(rows) if all(self.numeric) else None
        return found if found is not None else self._by_name(rows)

    def _by_stride(self, rows: Sequence[Any]) -> Packed | None:
        """Numbers alone make rows of one length; a null would be shorter, so the length tells that there is none."""
        n = len(rows)
        # As tuples, without the names: these would be nine tenths of what is written.
        data = msgspec.msgpack.encode(list(map(msgspec.structs.astuple, rows)))
        head = _array_head(n)
        if len(data) != head + n * self.form.itemsize:
            return None
        table = np.frombuffer(data, dtype=self.form, offset=head)["cells"]["number"].T.astype(np.float64, order="C")
        packed = Packed(n, {})
        for key, values, lacking in zip(self.keys, table, np.isnan(table).sum(axis=1).tolist(), strict=True):
            if (n - lacking) * _SPARSE >= n > lacking:
                packed.columns[key] = (None, values.copy())  # of its own: others of the table may be empty
            elif lacking < n:
                packed.columns[key] = _told(None, values)
        return packed

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
    except ValueError:  # a key with a quote, a line break or half a surrogate pair in it
        return None
    decode_line, decode_array = msgspec.json.Decoder(form), msgspec.json.Decoder(list[form])
    keys, plain = tuple(numeric), tuple(numeric.values())
    packed_form = np.dtype([("head", f"V{_array_head(len(keys))}"), ("cells", _CELL, (len(keys),))])
    return _Decoder(keys, plain, decode_line.decode_lines, decode_array.decode, packed_form)


def _array_head(size: int) -> int:
    """Bytes with which MessagePack begins an array of `size` items."""
    return 1 if size < 1 << 4 else 3 if size < 1 << 16 else 5
