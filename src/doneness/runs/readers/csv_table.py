"""Reads CSV: Keras CSVLogger, Lightning's metrics.csv, W&B history and its wide export, and plain tables."""

from __future__ import annotations

import csv
import itertools
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doneness.core import UnreadableError
from doneness.runs.readers import files
from doneness.runs.readers.generic import Source, runs_of
from doneness.runs.readers.names import is_loss
from doneness.runs.readers.rows import Loss, lost_notes
from doneness.runs.readers.table import LABELS, Table, as_number, is_blank, seconds
from doneness.runs.run import Floats, Run

_BATCH = 20_000
_PREAMBLE = 20
_SEPARATOR = " - "


@dataclass(frozen=True)
class _Header:
    line: int
    delimiter: str
    columns: list[str]


def detect(path: Path) -> Path | None:
    """`path` where one of its first lines names columns of losses, or runs and their metrics."""
    if not path.is_file():
        return None
    start = files.head(path)
    if start[:2] not in (b"\xff\xfe", b"\xfe\xff") and files.is_binary(start):
        return None
    return path if _header(_decoded(start), {}) is not None else None


def _decoded(start: bytes) -> str:
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    return start.decode("utf-16" if wide else "utf-8-sig", errors="replace")


def _header(text: str, mapping: Mapping[str, str]) -> _Header | None:
    told = {k.strip().lower() for k in mapping}
    for number, line in enumerate(itertools.islice(text.splitlines(), _PREAMBLE)):
        if line.lstrip().startswith(("{", "[")):
            return None
        for delimiter in (",", "\t", ";"):
            if delimiter not in line:
                continue
            columns = _cells(line, delimiter)
            low = {c.strip().lower() for c in columns}
            known = any(is_loss(c.rpartition(_SEPARATOR)[2]) for c in columns) or bool(told & low)
            # A sentence with a comma in it is no header: its "columns" hold words and numbers.
            if known and all(as_number(c) is None for c in columns) and (told or _named(columns)):
                return _Header(number, delimiter, columns)
    return None


def _named(columns: list[str]) -> bool:
    return len(columns) > 1 and not any(":" in c or "=" in c for c in columns if _SEPARATOR not in c)


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:
        return []


def read(path: Path, mapping: Mapping[str, str] | None = None) -> list[Run]:
    """The runs in the file; a wide export holds one for each run that it names.

    Args:
        path: the file.
        mapping: column → series name or "step", "epoch", "tokens", "time"; goes before the guesses.

    Raises:
        UnreadableError: no header with losses, no row, or one row a run instead of a log.
    """
    text, cut = files.without_zero_tail(files.text(path))
    text = text.replace("\0", "\ufffd")  # a number that lost a digit must not be read as another
    header = _header(text, mapping or {})
    if header is None:
        raise files.refuse("no_log", path)
    lines = text.splitlines(keepends=True)[header.line + 1 :]
    del text
    low = {c.strip().lower() for c in header.columns}
    if ({"run_id", "run_name"} <= low and "state" in low) or {"name", "state", "sweep"} <= low:
        raise files.refuse("run_table", path, count=sum(1 for line in lines if line.strip()))
    loss = Loss(int(cut), cut)
    tables = _tables(header, lines, loss)
    found: list[Run] = []
    fault = files.refuse("nothing_logged", path)
    for name, table in tables.items():
        if table.size:
            source = Source(path, name or path.stem, "csv")
            try:
                found += runs_of(table, source, lost_notes(loss, table.size), mapping, loss)
            except UnreadableError as error:  # a run that logged none of the columns exported
                fault = error
    if not found:
        raise fault
    return found


def _tables(header: _Header, lines: list[str], loss: Loss) -> dict[str, Table]:
    """A table for each run in the file: one, under no name, unless the columns are called "run - metric"."""
    shared: list[tuple[int, str]] = []
    owned: dict[str, list[tuple[int, str]]] = {}
    for place, column in enumerate(header.columns):
        run, dash, metric = column.rpartition(_SEPARATOR)
        if not dash:
            shared.append((place, column))
        elif not metric.endswith(("__MIN", "__MAX")) and metric != "_step":
            owned.setdefault(run, []).append((place, metric))
    groups = {run: shared + columns for run, columns in owned.items()} or {"": shared}
    tables = {run: Table() for run in groups}
    wanted = sorted({place for members in groups.values() for place, _ in members})
    for size, columns, texts in _columns(lines, header, wanted, loss):
        for run, members in groups.items():
            values, absent, unread = ({name: columns[place][i] for place, name in members} for i in range(3))
            words = {name: texts[place] for place, name in members if place in texts}
            tables[run].extend_columns(values, size, absent, unread, words)
    return tables


_Column = tuple[Floats, Any, Any]  # values, and masks of the cells without a number and of the unreadable ones
_Batch = tuple[int, dict[int, _Column], dict[int, tuple[str, ...]]]  # rows, columns, cells that may be labels


def _columns(lines: list[str], header: _Header, wanted: list[int], loss: Loss) -> Iterator[_Batch]:
    """Batches of rows as columns with the masks of their empty cells; all numbers at once where nothing is missing."""
    labels = [p for p in wanted if header.columns[p].rpartition(_SEPARATOR)[2].strip().lower() in LABELS]
    for first in range(0, len(lines), _BATCH):
        some = lines[first : first + _BATCH]
        numbers = _plain(some, header)
        if numbers is not None:
            yield len(some), {place: (numbers[:, place].copy(), None, None) for place in wanted}, {}
            continue
        # A quoted cell may hold a line break, so from the first quote on the batches are the reader's own.
        quoted = any('"' in line for line in some)
        for cells in _batches(lines[first:] if quoted else some, header, loss):
            by_column = list(zip(*cells, strict=True))
            told = {place: by_column[place] for place in labels}
            yield len(cells), {place: _floats(by_column[place]) for place in wanted}, told
        if quoted:
            return


def _batches(lines: list[str], header: _Header, loss: Loss) -> Iterator[list[list[str]]]:
    batch: list[list[str]] = []
    for row in _rows(lines, header, loss):
        batch.append(row)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(lines: list[str], header: _Header, loss: Loss) -> Iterator[list[str]]:
    """Rows of the header's width; the others are counted as lost."""
    reader = csv.reader(lines, delimiter=header.delimiter)
    width, done = len(header.columns), 0
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            row = []
        if row is None:
            return
        begun, done = done, reader.line_num
        if done - begun == 1:
            cells = [row]
        else:
            # A stray quote swallows line after line up to the next one; a text of many lines is a row.
            single = [_cells(line, header.delimiter) for line in lines[begun:done]]
            fitting = sum(len(each) == width for each in single)
            cells = single if fitting >= 0.5 * len(single) else [row]
        for each in cells:
            if len(each) == width and each != header.columns:
                yield each
            elif each and each != header.columns:
                # A line cut short or glued to the next: its cells cannot be told apart. A header again is no loss.
                loss.rows += 1


def _plain(lines: list[str], header: _Header) -> Floats | None:
    """All numbers as a matrix (rows, columns) where every cell of every row is a plain number, else None."""
    commas = len(header.columns) - 1
    text = "".join(lines)
    if '"' in text or " " in text or not lines:
        return None
    if not all(line.count(header.delimiter) == commas for line in lines):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            numbers = np.fromstring(text.replace(header.delimiter, " "), dtype=np.float64, sep=" ")
    except (ValueError, DeprecationWarning):
        return None
    return numbers.reshape(len(lines), commas + 1) if numbers.size == (commas + 1) * len(lines) else None


def _floats(cells: tuple[str, ...]) -> _Column:
    """Numbers and the masks of the cells that hold none; durations ("0:01:03") are seconds."""
    try:
        return np.array(list(map(float, cells)), dtype=np.float64), None, None
    except ValueError:
        pass
    values = np.full(len(cells), np.nan)
    absent = np.zeros(len(cells), dtype=bool)
    for i, cell in enumerate(cells):
        found = as_number(cell)
        if found is None and ":" in cell and cell.count("-") == 0:
            found = seconds(cell)
            found = None if np.isnan(found) else found
        absent[i] = found is None
        if found is not None:
            values[i] = found
    unread = absent & np.array([not is_blank(cell) for cell in cells], dtype=bool)
    return values, absent, unread
