"""Columns that the user names: loss=my_loss, step=it → what `read` wants to be told."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from doneness.core import UnreadableError, tr
from doneness.runs import EVAL_LOSS, GRAD_NORM, LEARNING_RATE, TRAIN_LOSS, Run
from doneness.runs.readers import files
from doneness.runs.readers.jsonl import loads
from doneness.runs.readers.rows import Loss, array_rows
from doneness.runs.readers.table import as_number

NAMES = {
    "loss": TRAIN_LOSS,
    "eval_loss": EVAL_LOSS,
    "step": "step",
    "epoch": "epoch",
    "lr": LEARNING_RATE,
    "tokens": "tokens",
    "time": "time",
    "grad_norm": GRAD_NORM,
}
_PREAMBLE = 20
_ROWS = 200
_SHOWN = 12


def parse_map(text: str) -> dict[str, str]:
    """`read`'s mapping (column → series) from "loss=my_loss,step=it".

    A comma before something that is none of the names belongs to the column.

    Raises:
        ValueError: an unknown name, no column, or one name or column given twice; the text says which.
    """
    found: dict[str, str] = {}
    for part in re.split(r",(?=\s*(?:" + "|".join(NAMES) + r")\s*=)", text):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or name not in NAMES or not column:
            raise ValueError(tr("workflows.map_fault", text=part.strip(), known=", ".join(NAMES)))
        if column in found or NAMES[name] in found.values():
            raise ValueError(tr("workflows.map_twice", text=part.strip()))
        found[column] = NAMES[name]
    return found


def refuse_unknown_columns(path: str, runs: Sequence[Run], mapping: Mapping[str, str]) -> None:
    """Name the columns there are, where one that was mapped is not among them.

    A misspelt column would otherwise be passed over in silence, and the guess taken for the answer.

    Raises:
        UnreadableError: the table at `path`, or one that `runs` were read from, lacks a mapped column.
    """
    place = Path(path)
    if "://" in path or not place.exists():
        return
    tables = [place] if place.is_file() else [r.path for r in runs if r.path is not None and r.path.is_file()]
    for table in dict.fromkeys(tables):
        columns = columns_of(table)
        low = {c.lower() for c in columns}
        missing = [c for c in mapping if c.strip().lower() not in low and not _later(table, c)]
        if missing:
            shown = ", ".join(columns[:_SHOWN]) + (" …" if len(columns) > _SHOWN else "")
            raise UnreadableError(tr("workflows.map_column", path=str(table), column=missing[0], columns=shown or "-"))


def _later(table: Path, column: str) -> bool:
    """Whether a JSON log names the column further down: evaluations may begin after megabytes of training rows."""
    json_like = files.head(table, 64).lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"{", b"["))
    return json_like and files.holds(table, f'"{column.strip()}"'.encode())


def columns_of(path: Path) -> list[str]:
    """The columns of a CSV or JSON table, as its first rows name them.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    start = files.head(path)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        text = start.decode("utf-16", errors="replace")
    else:
        text = start.decode("utf-8-sig", errors="replace")
    body = text.lstrip()
    if body.startswith("["):
        # A batch this small is a list of rows, never a packed one.
        return _keys(next((b for b in array_rows(body.encode(), 1, Loss()) if isinstance(b, list)), [])[:_ROWS])
    if body.startswith("{"):
        return _keys(loads(line.encode()) for line in body.splitlines()[:_ROWS])
    return _header(text.splitlines()[:_PREAMBLE])


def _keys(rows: Iterable[object]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        if isinstance(row, Mapping):
            names.update(dict.fromkeys(str(key).strip() for key in row))
    return list(names)


def _header(lines: list[str]) -> list[str]:
    """The cells of the first line that separates words, not numbers."""
    for line in lines:
        delimiter = max(",\t;", key=line.count)
        try:
            cells = [c.strip() for c in next(csv.reader([line], delimiter=delimiter), [])]
        except csv.Error:
            continue
        if len(cells) > 1 and all(as_number(c) is None for c in cells):
            return cells
    return []
