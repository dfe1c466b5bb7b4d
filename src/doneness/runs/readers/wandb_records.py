"""What a W&B record says: the rows of the history, the configuration, and what the run is called.

Source: wandb/proto/wandb_internal.proto (Record: history = 2, config = 5, run = 17, exit = 18; HistoryRecord:
item = 1, step = 2; HistoryItem: key = 1, nested_key = 2, integer = 5, number = 6, value_json = 16; RunRecord:
run_id = 1, config = 4, display_name = 8; ConfigRecord: update = 1). System metrics, files and output are passed over.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from doneness.runs.readers.protobuf import BYTES, FIXED64, VARINT, fields, varint
from doneness.runs.readers.rows import Row
from doneness.runs.readers.tracked import spread

_HISTORY, _CONFIG, _RUN = 2, 5, 17
_VALUE = b"\x82\x01"  # field 16, bytes
_STEP = "_step"
_ITEM = 0x0A  # field 1, bytes


@dataclass
class Told:
    """What the records of a file say.

    Attributes:
        rows: one for each call of `log`, nested keys joined with "/".
        config: the configuration, later values over earlier.
        run_id: W&B's own name for the run; a resumed run keeps it.
        name: what the author called it.
        bad: records that hold something else than they should.
    """

    rows: list[Row] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    name: str = ""
    bad: int = 0
    _keys: dict[bytes, str] = field(default_factory=dict)

    def add(self, record: bytes) -> None:
        """Take in one record."""
        try:
            for number, kind, begin, end in fields(record, 0, len(record)):
                if kind != BYTES:
                    continue
                if number == _HISTORY:
                    row = self._row(record, begin, end)
                    if row:
                        self.rows.append(row)
                elif number == _CONFIG:
                    self._configure(record, begin, end)
                elif number == _RUN:
                    self._run(record, begin, end)
        except (ValueError, struct.error, RecursionError):
            self.bad += 1

    def _row(self, record: bytes, begin: int, end: int) -> Row:
        row: Row = {}
        step: int | None = None
        for a, b in _short_items(record, begin, end):
            self._item(record[a:b], row)
            begin = b
        for number, kind, a, b in fields(record, begin, end):
            if number == 1 and kind == BYTES:
                self._item(record[a:b], row)
            elif number == 2 and kind == BYTES:
                step = next((varint(record, c, d)[0] for n, k, c, d in fields(record, a, b) if n == 1 and not k), 0)
        if row and step is not None:
            row.setdefault(_STEP, step)
        return row

    def _item(self, item: bytes, row: Row) -> None:
        head, mark, tail = item.partition(_VALUE)
        key = self._keys.get(head) if mark else None
        if key is not None and tail and len(tail) == tail[0] + 1 and tail[0] < 0x80:
            # The usual item: a key seen before and a short value.
            try:
                row[key] = float(tail[1:])
                return
            except ValueError:
                pass
        key, value = _item_of(item)
        if mark:
            self._keys[head] = key
        spread(row, key, value)

    def _configure(self, record: bytes, begin: int, end: int) -> None:
        for number, kind, a, b in fields(record, begin, end):
            if number == 1 and kind == BYTES:
                key, value = _item_of(record[a:b])
                self.config[key] = value

    def _run(self, record: bytes, begin: int, end: int) -> None:
        for number, kind, a, b in fields(record, begin, end):
            if kind == BYTES and number == 1:
                self.run_id = record[a:b].decode("utf-8", errors="replace")
            elif kind == BYTES and number == 8:
                self.name = record[a:b].decode("utf-8", errors="replace")
            elif kind == BYTES and number == 4:
                self._configure(record, a, b)


def _short_items(record: bytes, begin: int, end: int) -> Iterator[tuple[int, int]]:
    """Where the items at the start of a history record lie, as far as they are short: nearly all are."""
    position = begin
    while position + 2 < end and record[position] == _ITEM and record[position + 1] < 0x80:
        a = position + 2
        position = a + record[position + 1]
        if position > end:
            return
        yield a, position


def _item_of(item: bytes) -> tuple[str, Any]:
    """The key of an item, its parts joined with "/", and its value.

    Raises:
        ValueError: the bytes are no item.
    """
    key, nested, value = "", [], None
    for number, kind, a, b in fields(item, 0, len(item)):
        if kind == BYTES and number == 1:
            key = item[a:b].decode("utf-8", errors="replace")
        elif kind == BYTES and number == 2:
            nested.append(item[a:b].decode("utf-8", errors="replace"))
        elif kind == BYTES and number == 16:
            value = _loaded(item[a:b])
        elif kind == FIXED64 and number == 6:
            value = struct.unpack_from("<d", item, a)[0]
        elif kind == VARINT and number == 5:
            zigzag = varint(item, a, b)[0]
            value = (zigzag >> 1) ^ -(zigzag & 1)
    return "/".join([key, *nested] if key else nested), value


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def told(records: Iterable[bytes]) -> Told:
    """What the records of one file say."""
    found = Told()
    for record in records:
        found.add(record)
    return found
