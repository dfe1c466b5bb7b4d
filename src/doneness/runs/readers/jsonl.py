"""Reads JSON Lines of any trainer, and one JSON array of rows: one object a logged row."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doneness.runs.readers import files
from doneness.runs.readers.generic import Source, runs_of
from doneness.runs.readers.names import is_loss
from doneness.runs.readers.packed import Packed
from doneness.runs.readers.rows import Loss, Row, array_rows, line_rows, lost_notes
from doneness.runs.readers.table import Table, as_number, seconds
from doneness.runs.run import Run

_SNIFFED = 200


def detect(path: Path) -> Path | None:
    """`path` where its first rows are JSON objects and one of them holds a loss."""
    if not path.is_file():
        return None
    start = files.head(path).lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start.startswith((b"{", b"[")):
        return None
    return path if any(_is_row(row) for row in first_rows(start)) else None


def first_rows(start: bytes) -> list[Row]:
    """The objects among the first rows of a file that begins with `start`."""
    loss = Loss()
    if start.startswith(b"["):
        found = next((b for b in array_rows(start, 1, loss) if isinstance(b, list)), [])
    else:
        found = [row for line in start.splitlines()[:_SNIFFED] if isinstance(row := loads(line), dict)]
    return found[:_SNIFFED]


def _is_row(row: Row) -> bool:
    return any(is_loss(str(key)) and as_number(value) is not None for key, value in row.items())


def read(path: Path, mapping: Mapping[str, str] | None = None) -> list[Run]:
    """The runs in the file.

    Args:
        path: the file.
        mapping: column → series name or "step", "epoch", "tokens", "time"; goes before the guesses.

    Raises:
        UnreadableError: no row can be read, or none holds a loss.
    """
    data = files.content(path)
    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    loss = Loss()
    table = Table(
        {"elapsed_time": seconds, "global_step/max_steps": _before_slash}, skip=("remaining_time", "percentage")
    )
    start = len(data) - len(data.lstrip())
    array = data[start : start + 1] == b"["
    for batch in array_rows(data, start + 1, loss) if array else line_rows(data, loss):
        if isinstance(batch, Packed):
            batch.without("train_loss", where="train_runtime")
        else:
            for row in batch:
                if "train_runtime" in row:
                    row.pop("train_loss", None)
        table.extend(batch)
    if table.size == 0:
        raise files.refuse("no_log", path)
    return runs_of(table, Source(path, path.stem, "jsonl"), lost_notes(loss, table.size), mapping, loss)


def _before_slash(value: Any) -> float:
    """The step in ms-swift's "global_step/max_steps": "12/93"."""
    found = as_number(value.split("/")[0] if isinstance(value, str) else value)
    return float("nan") if found is None else found


def loads(data: bytes) -> Any:
    """JSON or None; a deep nest must not break the reader."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
