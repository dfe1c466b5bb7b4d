"""Reads the JSON of a Keras `history.history`, or any JSON object whose columns are lists of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from doneness.runs.readers import files
from doneness.runs.readers.generic import Source, runs_of
from doneness.runs.readers.jsonl import loads
from doneness.runs.readers.names import is_loss
from doneness.runs.readers.rows import Loss, lost_notes
from doneness.runs.readers.table import Table, as_number
from doneness.runs.run import Run

_LARGEST = 256 << 20
_LIST = re.compile(r'"([^"\n]{1,200})"\s*:\s*\[([^\]\[{}"]*)')


def detect(path: Path) -> Path | None:
    """`path` where it is one JSON object with a list of losses in it."""
    if not path.is_file():
        return None
    start = files.head(path).lstrip()
    if not start.startswith(b"{") or b"[" not in start or b"loss" not in start.lower():
        return None
    return path if path.stat().st_size <= _LARGEST and _columns(path, Loss()) else None


def read(path: Path, mapping: Mapping[str, str] | None = None) -> list[Run]:
    """The run in the file; the k-th numbers of all lists belong together.

    Raises:
        UnreadableError: no list of losses in it.
    """
    loss = Loss()
    columns = _columns(path, loss)
    if not columns:
        raise files.refuse("no_log", path)
    size = max(len(v) for v in columns.values())
    rows = [{k: v[i] for k, v in columns.items() if i < len(v)} for i in range(size)]
    table = Table()
    table.extend(rows)
    notes = lost_notes(loss, table.size)
    return runs_of(table, Source(path, path.stem, "history"), notes, mapping, loss)


def _columns(path: Path, loss: Loss) -> dict[str, list[Any]]:
    """The lists by name; a damaged file gives what stands before the damage in each."""
    data = files.content(path)
    found = loads(data)
    if found is None:
        loss.cut = True
        pieces = list(_pieces(data))
        # Values stand in every list once for each row: the list that lost most tells how many rows did.
        loss.rows = max((gone for _, _, gone in pieces), default=0)
        return _with_losses({name: values for name, values, _ in pieces if values})
    for inner in (found, found.get("history") if isinstance(found, dict) else None):
        if isinstance(inner, dict):
            columns = _with_losses({str(k): v for k, v in inner.items() if isinstance(v, list) and v})
            if columns:
                return columns
    return {}


def _with_losses(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return columns if any(is_loss(k) for k in columns) else {}


def _pieces(data: bytes) -> Iterator[tuple[str, list[Any], int]]:
    """Name, numbers up to the damage, and the cells from there on, of each list."""
    for name, inside in _LIST.findall(data.decode("utf-8", errors="replace")):
        numbers = [as_number(cell.strip()) for cell in inside.split(",")]
        good = next((i for i, number in enumerate(numbers) if number is None), len(numbers))
        yield name, numbers[:good], len(numbers) - good
