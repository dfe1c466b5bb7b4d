"""LevelDB log framing, as W&B writes it: the records of a file, each checked with its checksum.

Source: leveldb/doc/log_format.md, and wandb/sdk/internal/datastore.py, which puts seven bytes before
the first record and takes the plain CRC-32 where LevelDB takes the masked CRC-32C. A block has 32 KiB;
a record too long for what is left of one goes on in the next.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field

MAGIC = b":W&B"
_FRONT = 7
_BLOCK = 1 << 15
_HEADER = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4


@dataclass
class Frames:
    """The records of a file.

    Attributes:
        records: those that are whole.
        bad: stretches that were damaged.
        gone: bytes of those stretches.
        cut: the last record is not all there.
    """

    records: list[bytes] = field(default_factory=list)
    bad: int = 0
    gone: int = 0
    cut: bool = False


def frames(data: bytes) -> Frames:
    """The records of a whole file; damage costs what it touches, and the next whole record is searched for."""
    found = Frames()
    parts: list[bytes] = []
    position, size = _FRONT, len(data)
    while position < size:
        left = _BLOCK - position % _BLOCK
        if left < _HEADER.size:
            position += left
            continue
        if position + _HEADER.size > size:
            found.cut = True
            break
        kind, end = _whole(data, position)
        if kind:
            parts = _take(found, parts, kind, data[position + _HEADER.size : end])
            position = end
        elif not any(data[position : position + left]):
            # A disk that was not flushed before the power went leaves zeros.
            end = min(position + left, size)
            found.cut |= end >= size
            found.bad += end < size
            found.gone += end - position
            position = end
        else:
            parts, begun = [], position
            position = _next_whole(data, position + 1, size)
            found.gone += position - begun
            # A record that reaches beyond the file, with none after it, is one that was being written.
            found.cut = end > size and position >= size
            found.bad += not found.cut
    found.cut |= bool(parts)
    return found


def _take(found: Frames, parts: list[bytes], kind: int, payload: bytes) -> list[bytes]:
    """Put a piece where it belongs; the pieces of the record that is still open."""
    if kind == _FULL:
        found.bad += bool(parts)
        found.records.append(payload)
        return []
    if kind == _FIRST:
        found.bad += bool(parts)
        return [payload]
    if not parts:
        return []  # the beginning was lost with a damaged stretch, which is counted
    parts.append(payload)
    if kind == _LAST:
        found.records.append(b"".join(parts))
        return []
    return parts


def _whole(data: bytes, position: int) -> tuple[int, int]:
    """The kind of the piece at `position`, 0 where none is whole there, and where it ends."""
    crc, length, kind = _HEADER.unpack_from(data, position)
    end = position + _HEADER.size + length
    if not _FULL <= kind <= _LAST or end > position - position % _BLOCK + _BLOCK:
        return 0, position
    # The checksum covers the kind and the payload, which follow each other.
    holds = end <= len(data) and zlib.crc32(data[position + 6 : end]) == crc
    return (kind if holds else 0), end


def _next_whole(data: bytes, position: int, size: int) -> int:
    """The next place where a whole piece begins."""
    last = min(position - position % _BLOCK + _BLOCK, size) - _HEADER.size
    for place in range(position, last + 1):
        if _FULL <= data[place + 6] <= _LAST and _whole(data, place)[0]:
            return place
    return min(position - position % _BLOCK + _BLOCK, size)
