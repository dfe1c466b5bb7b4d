"""Rows out of JSON, as many as can be read: whole arrays, cut ones, and JSON Lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from doneness.core import say
from doneness.runs.readers.packed import Forms, Packed

Row = dict[str, Any]
_CHUNK = 1 << 17  # what fits into a processor's cache is decoded half as fast again as what does not
_EDGE = re.compile(rb"\}\s*,\s*(?=\{)")
_CLOSE = re.compile(rb"\}\s*\]")
_ROW = re.compile(rb'\{\s*"')
_LIKE_ROW = re.compile(rb'[{}\x00-\x08]|["\']\s*:')
_DECODER = json.JSONDecoder()
_ONCE = ('"step"', '"loss"', '"current_steps"')  # keys that a row has once
_TRIES = 200  # objects looked at after an array's end, for rows that would show that it was none


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
    position, reach, forms = start, _CHUNK, Forms()
    while True:
        edge = _EDGE.search(data, min(position + reach, len(data)))
        piece = data[position : edge.start() + 1 if edge else len(data)]
        packed = forms.array(piece) if edge is not None else None
        if edge is not None and packed is not None:
            yield packed
            position = edge.end()
            continue
        rows, used, closed = _piece(piece, edge is None, loss)
        forms.learn(rows)
        yield rows
        if closed:
            further = _after_close(data, position + used, forms)
            if further is None:
                return
            loss.rows += 1  # a bracket in the midst of the rows is damage
            position = further
        elif edge is None:
            loss.cut = True
            return
        elif used == len(piece):
            position, reach = edge.end(), _CHUNK
        else:
            # The piece ends inside a row that holds objects itself.
            reach = _CHUNK if used else 2 * reach
            position += used


def _piece(piece: bytes, last: bool, loss: Loss) -> tuple[list[Row], int, bool]:
    """The objects of a piece, the bytes used, and whether the array was closed there."""
    try:
        values = json.loads(b"[" + piece + b"]")
    except (ValueError, RecursionError):
        end = _CLOSE.search(piece) if last else None
        try:
            values = json.loads(b"[" + piece[: end.start() + 1] + b"]") if end else None
        except (ValueError, RecursionError):
            values = None
        if values is None or end is None:
            return _one_by_one(piece, last, loss)
        return _rows_among(values, loss), end.end(), True
    return _rows_among(values, loss), len(piece), False


def _rows_among(values: list[Any], loss: Loss) -> list[Row]:
    rows = [value for value in values if isinstance(value, dict)]
    loss.rows += len(values) - len(rows)
    return rows


def _one_by_one(piece: bytes, last: bool, loss: Loss) -> tuple[list[Row], int, bool]:
    """As `_piece`, object by object; after damage, on from what looks like a row."""
    # Bytes that are no UTF-8 are kept as they are, so that places in the text can be told in bytes.
    text = piece.decode("utf-8", errors="surrogateescape")
    rows: list[Row] = []
    position = 0
    while True:
        position = _past_blank(text, position)
        if position >= len(text):
            return rows, len(piece), False
        if text[position] == "]":
            return rows, _bytes(text, position + 1), True
        try:
            value, position = _DECODER.raw_decode(text, position)
            if isinstance(value, dict):
                rows.append(value)
            else:
                loss.rows += 1
        except (ValueError, RecursionError) as error:
            if not last and isinstance(error, json.JSONDecodeError) and error.pos >= len(text):
                return rows, _bytes(text, position), False
            following = _NEXT_ROW.search(text, position + 1)
            loss.rows += _rows_in(text[position : following.start() if following else len(text)])
            if following is None:
                return rows, len(piece), False
            position = following.start()


def _rows_in(text: str) -> int:
    """How many rows a damaged stretch was: one at least, more where a key stands in it more than once."""
    return max(1, *(text.count(key) for key in _ONCE))


def _bytes(text: str, characters: int) -> int:
    return len(text[:characters].encode("utf-8", errors="surrogateescape"))


_NEXT_ROW = re.compile(r'(?<=[\s,\]}])\{\s*"')
_BLANK = re.compile(r"[\s,]*")


def _past_blank(text: str, position: int) -> int:
    match = _BLANK.match(text, position)
    return match.end() if match else position


def _after_close(data: bytes, position: int, forms: Forms) -> int | None:
    """Where rows go on after a bracket that seemed to end them; None where what follows has other keys."""
    for _ in range(_TRIES):
        start = _ROW.search(data, position)
        if start is None:
            return None
        end = data.find(b"}", start.start())
        try:
            row = json.loads(data[start.start() : end + 1])
        except (ValueError, RecursionError):
            row = None
        if isinstance(row, dict) and forms.knows(row):
            return start.start()
        position = start.end()
    return None


def lost_notes(loss: Loss, kept: int) -> list[str]:
    """What to say about rows that could not be read: always the cut, the rest where it is more than 1 %."""
    notes = [str(say("runs.note.cut", kept=kept))] if loss.cut else []
    lost = max(loss.rows - loss.cut, 0)  # the row that the cut went through is told by the cut
    if lost > 0.01 * (kept + lost):
        notes.append(str(say("runs.note.lost", count=lost, share=lost / (kept + lost), kept=kept)))
    elif lost:
        notes.append(str(say("runs.note.damaged", count=lost)))
    return notes


def line_rows(data: bytes, loss: Loss) -> Iterator[list[Row] | Packed]:
    """Batches of the objects in JSON Lines; a line that looks like one and is none is counted as lost."""
    position, forms = 0, Forms()
    while position < len(data):
        stop = data.find(b"\n", min(position + _CHUNK, len(data)))
        stop = len(data) if stop < 0 else stop + 1
        piece = data[position:stop]
        position = stop
        packed = forms.lines(piece)
        if packed is not None:
            yield packed
            continue
        lines = [line for line in piece.splitlines() if line.strip()]
        try:
            rows = json.loads(b"[" + b",".join(lines) + b"]")
        except (ValueError, RecursionError):
            rows = None
        if rows is None or len(rows) != len(lines) or not all(isinstance(row, dict) for row in rows):
            rows = _lines(lines, forms, loss)
        forms.learn(rows)
        yield rows


def _lines(lines: list[bytes], forms: Forms, loss: Loss) -> list[Row]:
    read: list[Row | bytes] = []
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        read.append(value if isinstance(value, dict) else line)
    forms.learn(row for row in read if isinstance(row, dict))
    found: list[Row] = []
    for each in read:
        if isinstance(each, dict):
            found.append(each)
        elif _LIKE_ROW.search(each):
            saved = list(_within(each, forms))
            # A row cut short with the next one written behind it; two whole ones without a break lose nothing.
            whole = b"".join(each.split()).startswith(b"{") and len(saved) > 1 and each.count(b"{") == len(saved)
            loss.rows += 0 if whole and each.rstrip().endswith(b"}") else 1
            found += saved
    return found


def _within(line: bytes, forms: Forms) -> Iterator[Row]:
    """Whole rows of known keys inside a line that is none."""
    text = line.decode("utf-8", errors="replace")
    position = 0
    for _ in range(_TRIES):
        start = text.find("{", position)
        if start < 0:
            return
        try:
            row, position = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            position = start + 1
            continue
        if isinstance(row, dict) and forms.knows(row):
            yield row
