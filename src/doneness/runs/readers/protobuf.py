"""Protocol buffers without their library: the fields of a message and where their payloads lie.

Source: protobuf.dev/programming-guides/encoding. Nothing is built from what is read but numbers and
bytes; no code of the file's author runs.
"""

from __future__ import annotations

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def fields(record: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Field number, wire type, and the place of the payload of each field of a message.

    Raises:
        ValueError: the bytes are no message.
    """
    position = begin
    while position < end:
        key, position = varint(record, position, end)
        kind = key & 7
        start = position
        if kind == VARINT:
            _, position = varint(record, position, end)
        elif kind == BYTES:
            size, start = varint(record, position, end)
            position = start + size
        elif kind in (FIXED64, FIXED32):
            position += 8 if kind == FIXED64 else 4
        else:
            raise ValueError("no protobuf field")
        if position > end:
            raise ValueError("field beyond its message")
        yield key >> 3, kind, start, position


def varint(record: bytes, position: int, end: int) -> tuple[int, int]:
    """The number that begins at `position`, and the place after it.

    Raises:
        ValueError: it does not end before `end`, or is longer than any number.
    """
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            raise ValueError("number beyond its message")
        byte = record[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("number without an end")
