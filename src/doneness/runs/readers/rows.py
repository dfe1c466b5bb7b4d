"""Rows out of JSON, as many as can be read: whole arrays, cut ones, and JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from doneness.core import say
from doneness.runs.readers.packed import Packed, pack

Row = dict[str, Any]
_CHUNK = 4 << 20
_EDGE = re.compile(rb"\}\s*,\s*(?=\{)")
_LINE_EDGE = re.compile(rb"\}[ \t]*\r?\n\{")
_CLOSE = re.compile(rb"\}\s*\]")
_DECODER = json.JSONDecoder()


@dataclass
class Loss:
    """What could not be read: `rows` pieces that look like rows, and whether the end was missing."""

    rows: int = 0
    cut: bool = False


def array_rows(data: bytes, start: int, loss: Loss) -> Iterator[list[Row] | Packed]:
    """Batches of the objects in the JSON array whose first item begins at `start`.

    The array is parsed piece by piece, so that a million rows are never held at once, and a
    damaged piece costs only the rows that are damaged.
    """
    position = start
    while True:
        edge = _EDGE.search(data, min(position + _CHUNK, len(data)))
        piece = data[position : edge.start() + 1 if edge else len(data)]
        between = _EDGE.search(piece) if edge else None
        packed = pack(piece, between[0] + b"{") if between and piece[:1] == b"{" else None
        if edge is not None and packed is not None:
            yield packed
            position = edge.end()
            continue
        try:
            yield [r for r in json.loads(b"[" + piece + b"]") if isinstance(r, dict)]
        except (ValueError, RecursionError):
            rows, closed = _closing(piece) or _one_by_one(piece, loss)
            yield rows
            if closed:
                return
        if edge is None:
            loss.cut = True
            return
        position = edge.end()


def _closing(piece: bytes) -> tuple[list[Row], bool] | None:
    """The rows of a whole last piece, which goes on after the array; None where it is not that."""
    end = _CLOSE.search(piece)
    if end is None:
        return None
    try:
        return [r for r in json.loads(b"[" + piece[: end.start() + 1] + b"]") if isinstance(r, dict)], True
    except (ValueError, RecursionError):
        return None


def _one_by_one(piece: bytes, loss: Loss) -> tuple[list[Row], bool]:
    """The objects of a piece, and whether the array was closed; after damage, on from what looks like a row."""
    text = piece.decode("utf-8", errors="replace")
    rows: list[Row] = []
    position = 0
    while True:
        position = _past_blank(text, position)
        if position >= len(text) or text[position] == "]":
            return rows, position < len(text)
        try:
            value, position = _DECODER.raw_decode(text, position)
            if isinstance(value, dict):
                rows.append(value)
        except (ValueError, RecursionError):
            loss.rows += 1
            following = _NEXT_ROW.search(text, position + 1)
            if following is None:
                return rows, False
            position = following.start()


_NEXT_ROW = re.compile(r'(?<=[\s,])\{\s*"')
_BLANK = re.compile(r"[\s,]*")


def lost_notes(loss: Loss, kept: int) -> list[str]:
    """What to say about rows that could not be read: always the cut, the rest where it is more than 1 %."""
    notes = [str(say("runs.note.cut", kept=kept))] if loss.cut else []
    lost = max(loss.rows - loss.cut, 0)  # the row that the cut went through is told by the cut
    if lost > 0.01 * (kept + lost):
        notes.append(str(say("runs.note.lost", count=lost, share=lost / (kept + lost), kept=kept)))
    elif lost:
        notes.append(str(say("runs.note.damaged", count=lost)))
    return notes


def _past_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def line_rows(data: bytes, loss: Loss) -> Iterator[list[Row] | Packed]:
    """Batches of the objects in JSON Lines; a line that is none is counted as lost."""
    position = 0
    while position < len(data):
        stop = data.find(b"\n", min(position + _CHUNK, len(data)))
        stop = len(data) if stop < 0 else stop + 1
        piece = data[position:stop].strip()
        position = stop
        first = _LINE_EDGE.search(piece)
        packed = pack(piece, first[0]) if first and piece[:1] == b"{" and piece[-1:] == b"}" else None
        if packed is not None:
            yield packed
            continue
        lines = [line for line in piece.splitlines() if line.strip()]
        try:
            yield [r for r in json.loads(b"[" + b",".join(lines) + b"]") if isinstance(r, dict)]
        except (ValueError, RecursionError):
            yield list(_lines(lines, loss))


def _lines(lines: list[bytes], loss: Loss) -> Iterator[Row]:
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            loss.rows += 1
            continue
        if isinstance(value, dict):
            yield value
