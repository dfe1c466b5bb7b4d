"""Table: the rows of a log as columns of numbers; what a row lacks stays absent, and NaN stays a value."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np

from doneness.runs.readers.packed import Packed
from doneness.runs.run import Floats, Ints

Convert = Callable[[Any], float]

# Columns whose texts say which data a row speaks of; the first of these that does so counts.
LABELS = ("split", "phase", "mode", "stage", "set", "subset")
_MOST_WORDS = 50  # a column of more different texts is none of those


class Table:
    """Columns that grow by rows.

    Rows come in batches and are turned into arrays batch by batch: a million rows held as
    dictionaries would not fit into the memory that the reader may use.

    Args:
        convert: how to read the cells of a column that are no plain numbers.
        skip: columns to leave out.
    """

    def __init__(self, convert: Mapping[str, Convert] | None = None, skip: Collection[str] = ()) -> None:
        self.size = 0
        self._skip = frozenset(skip)
        self._convert = dict(convert or {})
        # Rows (ascending) and values; a number is the first of rows in a row, of which those with NaN lack the column.
        self._parts: dict[str, list[tuple[Ints | int, Floats]]] = {}
        self._unread: dict[str, list[Ints]] = {}
        self._labels: dict[str, list[tuple[Ints, Ints]]] = {}
        self._words: dict[str, dict[str, int]] = {}

    def extend(self, rows: Sequence[Mapping[str, Any]] | Packed) -> None:
        """Append rows; values that are no numbers are left out (None, texts, lists, true and false)."""
        if isinstance(rows, Packed):
            for key, (at, numbers) in rows.columns.items():
                if key not in self._skip:
                    place = self.size if at is None else at + self.size
                    self._parts.setdefault(_printable(key), []).append((place, numbers))
            for key, (held, cells) in rows.cells.items():
                if key not in self._skip:
                    self._append(key, held + self.size, cells)
            self.size += rows.size
            return
        groups: dict[tuple[str, ...], list[int]] = {}
        for index, keys in enumerate(map(tuple, rows)):
            groups.setdefault(keys, []).append(index)
        for keys, where in groups.items():
            chosen = rows if len(where) == len(rows) else [rows[i] for i in where]
            places = np.asarray(where, dtype=np.int64) + self.size
            for key in keys:
                if key not in self._skip:
                    self._append(key, places, [r[key] for r in chosen])
        self.size += len(rows)

    def extend_columns(
        self,
        columns: Mapping[str, Floats],
        rows: int,
        absent: Mapping[str, Any] | None = None,
        unread: Mapping[str, Any] | None = None,
        texts: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        """Append `rows` rows given as columns of that length.

        Args:
            columns: values by name.
            rows: their number.
            absent: masks of the cells of a column that hold no number.
            unread: masks of those among them that hold something else.
            texts: the cells themselves of columns named in `LABELS`.
        """
        places = np.arange(self.size, self.size + rows, dtype=np.int64)
        for key, cells in (texts or {}).items():
            self._note(key, places, cells)
        for key, values in columns.items():
            gone = (absent or {}).get(key)
            keep = slice(None) if gone is None else ~gone
            self._parts.setdefault(_printable(key), []).append((places[keep], values[keep]))
            wrong = (unread or {}).get(key)
            if wrong is not None and wrong.any():
                self._unread.setdefault(_printable(key), []).append(places[wrong])
        self.size += rows

    def unread(self, name: str) -> Ints:
        """Row numbers of the cells of a column that hold something, but no number."""
        parts = self._unread.get(name)
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)

    def label(self, name: str) -> tuple[Ints, list[str]] | None:
        """Which of its words each row holds in a column of `LABELS` (−1: none), shape (rows,), and the words."""
        words = self._words.get(name, {})
        if not 0 < len(words) <= _MOST_WORDS:
            return None
        found = np.full(self.size, -1, dtype=np.int64)
        for places, codes in self._labels[name]:
            found[places] = codes
        return found, list(words)

    def holds(self, name: str, rows: Ints) -> bool:
        """Whether a column has a number in one of the rows."""
        return bool(np.isin(self.column(name)[0], rows).any())

    def move(self, name: str, into: str, rows: Ints) -> None:
        """Take what a column holds in some rows over into another column."""
        places, values = self.column(name)
        there = np.isin(places, rows)
        self._parts[into] = [(places[there], values[there])]
        self._parts[name] = [(places[~there], values[~there])]

    def reorder(self, order: Ints) -> None:
        """Put the rows in another order: row `order[i]` becomes row i."""
        rank = np.empty(self.size, dtype=np.int64)
        rank[order] = np.arange(self.size)
        for name in list(self._parts):
            places, values = self.column(name)
            moved = rank[places]
            ascending = np.argsort(moved)
            self._parts[name] = [(moved[ascending], values[ascending])]
        self._unread = {name: [np.sort(rank[p]) for p in parts] for name, parts in self._unread.items()}
        self._labels = {name: [(rank[p], codes) for p, codes in parts] for name, parts in self._labels.items()}

    def _note(self, key: str, places: Ints, cells: Sequence[Any]) -> None:
        """Remember the words of a column that may say which data a row speaks of."""
        name = key.strip().lower()
        words = self._words.setdefault(name, {})
        held = [i for i, cell in enumerate(cells) if isinstance(cell, str) and not is_blank(cell)]
        if len(words) <= _MOST_WORDS:
            codes = np.array([words.setdefault(cells[i].strip(), len(words)) for i in held], dtype=np.int64)
            self._labels.setdefault(name, []).append((places[held], codes))

    def fill(self, key: str, values: Floats) -> None:
        """Set a whole column, one value a row."""
        self._parts[key] = [(np.arange(self.size, dtype=np.int64), values)]

    def _append(self, key: str, places: Ints, values: list[Any]) -> None:
        convert = self._convert.get(key)
        name = _printable(key)
        if convert is None and set(map(type, values)) <= {int, float}:
            try:
                self._parts.setdefault(name, []).append((places, np.array(values, dtype=np.float64)))
                return
            except OverflowError:
                pass
        if key.strip().lower() in LABELS:
            self._note(key, places, values)
        read = convert or as_number
        if set(map(type, values)) == {str}:
            known = {v: read(v) for v in set(values)}  # clocks and texts repeat
            cells = [known[v] for v in values]
        else:
            cells = [read(v) for v in values]
        kept = [i for i, cell in enumerate(cells) if cell is not None]
        if kept:
            found = np.array([cells[i] for i in kept], dtype=np.float64)
            self._parts.setdefault(name, []).append((places[kept], found))
        if len(kept) < len(values):
            wrong = [i for i, cell in enumerate(cells) if cell is None and not is_blank(values[i])]
            if wrong:
                self._unread.setdefault(name, []).append(places[wrong])

    @property
    def names(self) -> list[str]:
        """The columns that hold at least one number, in the order they first appeared."""
        return [name for name, parts in self._parts.items() if any(p[1].size for p in parts)]

    def column(self, name: str) -> tuple[Ints, Floats]:
        """Row numbers (ascending) and values of one column."""
        parts = self._parts.get(name, [])
        if not parts:
            return np.zeros(0, dtype=np.int64), np.zeros(0)
        if len(parts) > 1 or isinstance(parts[0][0], int):
            self._parts[name] = [_joined(parts)]
        rows, values = self._parts[name][0]
        assert not isinstance(rows, int)
        return rows, values

    def dense(self, name: str | None) -> Floats:
        """One column with NaN in the rows that lack it; all NaN for None."""
        full = np.full(self.size, np.nan)
        if name is not None:
            rows, values = self.column(name)
            full[rows] = values
        return full


def _joined(parts: Sequence[tuple[Ints | int, Floats]]) -> tuple[Ints, Floats]:
    """Parts of a column as one, in the order of rows."""
    values = np.concatenate([p[1] for p in parts])
    there = ~np.isnan(values)
    spans, begin, last, forward = [], 0, -1, True
    for rows, numbers in parts:
        end = begin + numbers.size
        if isinstance(rows, int):
            span = np.arange(rows, rows + numbers.size, dtype=np.int64)
        else:
            span, there[begin:end] = rows, True  # here NaN is a value
        if span.size:
            forward = forward and last <= span[0]
            last = span[-1]
        spans.append(span)
        begin = end
    places = np.concatenate(spans)
    if not there.all():
        places, values = places[there], values[there]
    if forward:
        return places, values
    order = np.argsort(places, kind="stable")
    return places[order], values[order]


def is_blank(value: Any) -> bool:
    """Whether a cell says that there is no value: null, nothing, or one of the words that exports write for it."""
    return value is None or (isinstance(value, str) and value.strip().lower() in _BLANKS)


_BLANKS = frozenset(["", "none", "null", "n/a", "na", "-", "--"])


def _printable(key: Any) -> str:
    """A column's name without halves of surrogate pairs, which nothing can print."""
    name = str(key)
    return name if name.isascii() else name.encode("utf-8", errors="replace").decode("utf-8")


def as_number(value: Any) -> float | None:
    """A logged number, also one written as text ("NaN", "1.5e-4"); None for what is none."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float, str)):
        try:
            return float(value)
        except (ValueError, OverflowError):
            return None
    return None


_UNITS = re.compile(r"(\d{1,9})\s*([dhms])(?![a-z])")
_SECONDS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


def seconds(value: Any) -> float:
    """A duration in seconds: a number, "1:02:03", "4 days, 5:06:09", "1h 2m 3s"; NaN for what is none."""
    found = None if isinstance(value, str) and ":" in value else as_number(value)
    if found is not None:
        return found
    if not isinstance(value, str):
        return math.nan
    if len(value) < 12 and value.count(":") == 2:
        hours, minutes, rest = value.split(":")
        if hours.isdecimal() and minutes.isdecimal() and rest.isdecimal():
            return 3600.0 * int(hours) + 60.0 * int(minutes) + int(rest)
    units = _UNITS.findall(value)
    if units and not _UNITS.sub("", value).strip():
        return float(sum(int(n) * _SECONDS[unit] for n, unit in units))
    days, _, clock = value.rpartition(",")
    try:
        total = 0.0
        for part in clock.strip().split(":"):
            total = total * 60 + float(part)
        return total + (86400 * float(days.split()[0]) if days.strip() else 0)
    except (ValueError, IndexError):
        return math.nan
