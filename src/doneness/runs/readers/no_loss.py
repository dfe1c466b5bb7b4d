"""Why a table of text gives no run: no losses by name, losses that are no numbers, or no usable step."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from doneness.core import UnreadableError
from doneness.core.text import printable
from doneness.runs.readers import files
from doneness.runs.readers.jsonl import first_rows
from doneness.runs.readers.names import EPOCH, STEP, is_loss
from doneness.runs.readers.table import as_number, is_blank
from doneness.runs.run import EVAL_LOSS, TRAIN_LOSS

_PREAMBLE, _ROWS, _SHOWN = 20, 200, 8
_NUMBERS = 0.8  # share of the cells of a table that hold numbers, from which on it may be a log
_Rows = list[dict[str, object]]


def why(path: Path, mapping: Mapping[str, str] | None = None) -> UnreadableError | None:
    """What keeps the table at `path` from being a log, by its first rows; None where it is no table of numbers."""
    rows = _sample(path)
    columns = list(dict.fromkeys(name for row in rows for name in row))
    told = {k.strip().lower(): v for k, v in (mapping or {}).items()}
    losses = [c for c in columns if told.get(c.lower()) in (TRAIN_LOSS, EVAL_LOSS) or (not told and is_loss(c))]
    numbers = {c: [n for cell in _cells(rows, c) if (n := as_number(cell)) is not None] for c in columns}
    if losses and not any(numbers[c] for c in losses):
        found = next(((c, cells[0]) for c in losses if (cells := _cells(rows, c))), None)
        if found is not None:
            return files.refuse("loss_words", path, column=printable(found[0]), cell=printable(str(found[1])[:40]))
    if losses:
        step = next((c for c in columns if told.get(c.lower()) == "step" or c.lower() in STEP), None)
        known = numbers[step] if step is not None else []
        if step is not None and known and all(n < 0 for n in known):
            return files.refuse("negative_steps", path, column=printable(step), step=known[0])
        return None
    if not any(numbers.values()):
        return None
    shown = ", ".join(map(printable, columns[:_SHOWN])) + (" …" if len(columns) > _SHOWN else "")
    return files.refuse("no_loss", path, columns=shown)


def in_tree(path: Path, mapping: Mapping[str, str] | None = None) -> UnreadableError | None:
    """As `why` for a table met on the way, which may be anything: only of one that looks like a log."""
    try:
        rows = _sample(path)
        columns = {name.lower(): name for row in rows for name in row}
        if not columns or not (_counts(columns) or (path.suffix.lower() != ".jsonl" and _mostly_numbers(rows))):
            return None
        return why(path, mapping)
    except UnreadableError:  # closed to us
        return None


def _counts(columns: Mapping[str, str]) -> bool:
    return any(low in STEP or low in EPOCH for low in columns)


def _mostly_numbers(rows: _Rows) -> bool:
    cells = [as_number(cell) is not None for row in rows for cell in row.values() if not is_blank(cell)]
    return len(rows) > 1 and sum(cells) >= _NUMBERS * len(cells)


def _cells(rows: _Rows, column: str) -> list[object]:
    return [row[column] for row in rows if column in row and not is_blank(row[column])]


def _sample(path: Path) -> _Rows:
    start = files.head(path)
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    if not wide and files.is_binary(start):
        return []
    text = start.decode("utf-16" if wide else "utf-8-sig", errors="replace")
    if text.lstrip().startswith(("{", "[")):
        return [{str(k).strip(): v for k, v in row.items()} for row in first_rows(text.lstrip().encode())]
    lines = text.splitlines()
    for number, line in enumerate(lines[:_PREAMBLE]):
        delimiter = max(",\t;", key=line.count)
        header = _split(line, delimiter)
        # As in a log's own header: words, none empty, none a sentence's "name: value".
        if len(header) < 2 or any(not c or as_number(c) is not None or ":" in c or "=" in c for c in header):
            continue
        rows = [_split(each, delimiter) for each in lines[number + 1 : number + 1 + _ROWS]]
        return [dict(zip(header, row, strict=True)) for row in rows if len(row) == len(header)]
    return []


def _split(line: str, delimiter: str) -> list[str]:
    try:
        return [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []
