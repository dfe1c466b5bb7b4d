"""Scalars out of event records: the few protobuf fields that a training curve needs, many records at once.

Source: tensorflow/core/util/event.proto (wall_time = 1, step = 2, summary = 5), summary.proto
(Value.tag = 1, simple_value = 2, tensor = 8), tensor.proto (dtype = 1, tensor_content = 4,
float_val = 5, double_val = 6). Nothing else is looked into; no code of the file's author runs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from doneness.runs.readers.protobuf import fields
from doneness.runs.readers.tfrecord import Bytes, Ints
from doneness.runs.run import Floats

_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8", 19: "<f2"}
_WIDTH = {"<f4": 4, "<f8": 8, "<i4": 4, "<i8": 8, "<f2": 2}


@dataclass(frozen=True)
class Scalar:
    """A number inside a record: its tag, where it lies, and how it is written."""

    tag: str
    at: int
    form: str


@dataclass(frozen=True)
class Shape:
    """What one record holds and where; records of the same shape differ in those bytes alone.

    `wall` is -1 where the record tells no time, `step_width` 0 where it tells no step (step 0).
    """

    wall: int
    step: int
    step_width: int
    scalars: tuple[Scalar, ...]

    def open_bytes(self, width: int) -> Bytes:
        """A mask (width,) of the bytes that may differ: 0 where they may, else all bits."""
        mask = np.full(width, 0xFF, dtype=np.uint8)
        if self.wall >= 0:
            mask[self.wall : self.wall + 8] = 0
        mask[self.step : self.step + self.step_width] = 0x80  # the bits that say where the number ends
        for scalar in self.scalars:
            mask[scalar.at : scalar.at + _WIDTH[scalar.form]] = 0
        return mask


def shape_of(record: bytes) -> Shape | None:
    """The shape of one record; None where it is no event or holds no scalar."""
    wall, step, step_width = -1, 0, 0
    scalars: list[Scalar] = []
    try:
        for field, kind, begin, end in fields(record, 0, len(record)):
            if field == 1 and kind == 1:
                wall = begin
            elif field == 2 and kind == 0:
                step, step_width = begin, end - begin
            elif field == 5 and kind == 2:
                for inner, inner_kind, a, b in fields(record, begin, end):
                    found = _scalar(record, a, b) if inner == 1 and inner_kind == 2 else None
                    if found is not None:
                        scalars.append(found)
    except (ValueError, struct.error):
        return None
    return Shape(wall, step, step_width, tuple(scalars)) if scalars else None


def _scalar(record: bytes, begin: int, end: int) -> Scalar | None:
    tag, at, form = "", -1, ""
    for field, kind, a, b in fields(record, begin, end):
        if field == 1 and kind == 2:
            tag = record[a:b].decode("utf-8", errors="replace")
        elif field == 2 and kind == 5:
            at, form = a, "<f4"
        elif field == 8 and kind == 2:
            at, form = _tensor(record, a, b)
    return Scalar(tag, at, form) if tag and at >= 0 else None


def _tensor(record: bytes, begin: int, end: int) -> tuple[int, str]:
    """Where the single number of a tensor lies and its form; (-1, "") for anything larger or of another type."""
    form = ""
    for field, kind, a, b in fields(record, begin, end):
        if field == 1 and kind == 0:
            form = _TYPES.get(record[a], "")
        elif field == 4 and kind == 2 and form and b - a == _WIDTH[form]:
            return a, form
        elif field == 5 and (kind == 5 or (kind == 2 and b - a == 4)):
            return a, "<f4"
        elif field == 6 and (kind == 1 or (kind == 2 and b - a == 8)):
            return a, "<f8"
    return -1, ""


@dataclass(frozen=True)
class Extracted:
    """Scalars of records that share a shape: record numbers, steps, wall times, and values by tag."""

    records: Ints
    step: Floats
    wall: Floats
    values: dict[str, Floats]


def extract(rows: Bytes, records: Ints) -> Iterator[Extracted]:
    """The scalars of records of one length.

    Args:
        rows: the records' bytes, shape (n, width).
        records: their numbers in the file, shape (n,).
    """
    left = np.arange(len(records), dtype=np.int64)
    while left.size:
        first = rows[left[0]]
        shape = shape_of(first.tobytes())
        if shape is None:
            # Records without scalars (graphs, texts, file versions) are few; each may be unlike the next.
            left = left[1:]
            continue
        mask = shape.open_bytes(rows.shape[1])
        alike = ((rows[left] & mask) == (first & mask)).all(axis=1)
        chosen = left[alike]
        yield _read(rows[chosen], records[chosen], shape)
        left = left[~alike]


def _read(rows: Bytes, records: Ints, shape: Shape) -> Extracted:
    n = len(records)
    step = np.zeros(n)
    for place in range(shape.step_width):
        step += (rows[:, shape.step + place] & 0x7F).astype(np.float64) * 128.0**place
    wall = _numbers(rows, shape.wall, "<f8") if shape.wall >= 0 else np.full(n, np.nan)
    return Extracted(records, step, wall, {s.tag: _numbers(rows, s.at, s.form) for s in shape.scalars})


def _numbers(rows: Bytes, at: int, form: str) -> Floats:
    width = _WIDTH[form]
    return np.ascontiguousarray(rows[:, at : at + width]).view(form).reshape(-1).astype(np.float64)
