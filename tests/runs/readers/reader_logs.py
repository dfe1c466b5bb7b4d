"""Small logs of every format, as their writers write them."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from doneness.runs.readers.tfrecord import masked_crc

Row = dict[str, Any]


def rows(last: int, every: int = 1, start: float = 3.0) -> list[Row]:
    return [
        {"epoch": s / 10, "grad_norm": 1.5, "learning_rate": 1e-4, "loss": round(start - 0.01 * s, 4), "step": s}
        for s in range(every, last + 1, every)
    ]


def state(log: Iterable[Row], **fields: Any) -> str:
    content = {"epoch": 1.0, "global_step": 30, "log_history": list(log), "max_steps": 30, "num_train_epochs": 3}
    return json.dumps(content | {"train_batch_size": 4} | fields, indent=2, sort_keys=True)


def put(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(log: Iterable[Row]) -> str:
    return "".join(json.dumps(row) + "\n" for row in log)


def factory_row(step: int, **more: Any) -> Row:
    clock = {
        "percentage": 1.0,
        "elapsed_time": f"0:{step // 60:02d}:{step % 60:02d}",
        "remaining_time": "4 days, 1:00:00",
    }
    return (
        {"current_steps": step, "total_steps": 90, "loss": round(3 - 0.01 * step, 4), "epoch": step / 10} | clock | more
    )


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])


def _message(field: int, content: bytes) -> bytes:
    return bytes([field << 3 | 2]) + _varint(len(content)) + content


def scalar(tag: str, value: float) -> bytes:
    return _message(1, _message(1, tag.encode()) + b"\x15" + struct.pack("<f", value))


def tensor(tag: str, value: float) -> bytes:
    inside = b"\x08\x01" + _message(2, b"") + _message(4, struct.pack("<f", value))
    plugin = _message(9, _message(1, _message(1, b"scalars")))
    return _message(1, _message(1, tag.encode()) + _message(8, inside) + plugin)


def event(step: int, *values: bytes, wall: float = 0.0) -> bytes:
    return b"\x09" + struct.pack("<d", 1e9 + wall) + b"\x10" + _varint(step) + _message(5, b"".join(values))


def crc(data: bytes) -> bytes:
    return struct.pack("<I", int(masked_crc(np.frombuffer(data, dtype=np.uint8)[None, :])[0]))


def records(events: Iterable[bytes]) -> bytes:
    out = b""
    for data in (b"\x09" + struct.pack("<d", 1e9) + _message(3, b"brain.Event:2"), *events):
        length = struct.pack("<Q", len(data))
        out += length + crc(length) + data + crc(data)
    return out
