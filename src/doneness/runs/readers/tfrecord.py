"""TFRecord framing: where the records of an event file lie, checked with their own checksums.

Source: tensorflow/core/lib/io/record_writer.h. A record is the length (8 bytes, little-endian), the
masked CRC-32C of the length, the data, and the masked CRC-32C of the data.
"""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Words = NDArray[np.uint32]
Ints = NDArray[np.int64]

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = np.uint32(0xA282EAD8)
_WINDOW = 1 << 20
_HEADER = 12
_FEWEST = 1024
_MOST = 1 << 31


@cache
def _table() -> Words:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


def masked_crc(rows: Bytes) -> Words:
    """The masked CRC-32C of every row of a byte matrix (n, width), column by column over all rows at once."""
    table = _table()
    crc = np.full(rows.shape[0], 0xFFFFFFFF, dtype=np.uint32)
    for column in rows.T:
        crc = table[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    return _masked(crc)


def _masked(crc: Words) -> Words:
    crc = ~crc
    with np.errstate(over="ignore"):
        return (((crc >> np.uint32(15)) | (crc << np.uint32(17))) + _MASK_DELTA).astype(np.uint32)


def gather(data: Bytes, starts: Ints, width: int) -> Bytes:
    """The `width` bytes from each start, as a matrix (n, width)."""
    windows = (
        np.lib.stride_tricks.sliding_window_view(data, width) if data.size >= width else data[:0].reshape(0, width)
    )
    return np.ascontiguousarray(windows[starts])


def words(data: Bytes, starts: Ints) -> Words:
    """The little-endian 32-bit words at the given places."""
    return gather(data, starts, 4).view("<u4").reshape(-1)


def frame(raw: bytes) -> tuple[Ints, Ints, int, bool]:
    """Where each record's data begins, its length, how many records were lost, and whether the end is cut.

    After a damaged length the next header is searched for by its checksum; the stretch up to there
    counts as many records as usually fit into it.
    """
    data = np.frombuffer(raw, dtype=np.uint8)
    starts: list[Ints] = []
    lengths: list[Ints] = []
    gaps: list[int] = []
    position, cut, most = 0, False, _FEWEST
    while position < len(raw):
        begin, length, cut = _walk(raw, position, most)
        good = _headers_hold(data, begin)
        starts.append(begin[:good])
        lengths.append(length[:good])
        if good == begin.size and not cut:
            position = _end(begin, length, position)
            most *= 2
            continue
        # Where the walk stopped: at a header that lies, or at one whose record is not all there.
        stopped = int(begin[good]) - _HEADER if good < begin.size else _end(begin, length, position)
        following = _resync(data, stopped + 1)
        gaps.append((len(raw) if following is None else following) - stopped)
        cut, most = following is None, _FEWEST
        if following is None:
            break
        position = following
    if not starts:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), 0, cut
    whole = np.concatenate(lengths)
    usual = float(np.median(whole)) + 16.0 if whole.size else 1e18
    lost = sum(max(1, round(gap / usual)) for gap in gaps)
    return np.concatenate(starts), whole, lost, cut


def _walk(raw: bytes, position: int, most: int) -> tuple[Ints, Ints, bool]:
    """`most` records at most, by their lengths alone: behind a damaged one all that was walked is void."""
    unpack = struct.Struct("<Q").unpack_from
    begin: list[int] = []
    length: list[int] = []
    size = len(raw)
    while position + _HEADER <= size and len(begin) < most:
        n = unpack(raw, position)[0]
        if n > _MOST or position + n + 16 > size:
            return np.array(begin, dtype=np.int64), np.array(length, dtype=np.int64), True
        begin.append(position + _HEADER)
        length.append(n)
        position += n + 16
    return np.array(begin, dtype=np.int64), np.array(length, dtype=np.int64), position < size < position + _HEADER


def _end(begin: Ints, length: Ints, position: int) -> int:
    return int(begin[-1] + length[-1]) + 4 if begin.size else position


def _headers_hold(data: Bytes, begin: Ints) -> int:
    """How many records from the first on have a length that its checksum confirms."""
    step = 200_000
    for first in range(0, begin.size, step):
        part = begin[first : first + step]
        wrong = masked_crc(gather(data, part - _HEADER, 8)) != words(data, part - 4)
        if wrong.any():
            return first + int(np.argmax(wrong))
    return int(begin.size)


def _resync(data: Bytes, position: int) -> int | None:
    """The next place at or after `position` where a length and its checksum agree."""
    while position + 16 <= data.size:
        window = data[position : position + _WINDOW + _HEADER]
        n = window.size - _HEADER + 1
        at = np.arange(n, dtype=np.int64)
        fits = np.lib.stride_tricks.sliding_window_view(window, 8)[:n]
        # A length above 2**31 is none: its upper four bytes are zero. That leaves few places to check.
        at = at[(fits[:, 4:] == 0).all(axis=1)]
        if at.size:
            hit = at[masked_crc(gather(window, at, 8)) == words(window, at + 8)]
            if hit.size:
                return position + int(hit[0])
        position += n
    return None


def data_holds(data: Bytes, starts: Ints, width: int) -> NDArray[np.bool_]:
    """Whether the checksum of each record of one length confirms its data."""
    return np.asarray(masked_crc(gather(data, starts, width)) == words(data, starts + width))


def each_holds(data: Bytes, starts: Ints, lengths: Ints) -> NDArray[np.bool_]:
    """As `data_holds`, for a few records of many lengths at once."""
    table = _table()
    crc = np.full(starts.size, 0xFFFFFFFF, dtype=np.uint32)
    for column in range(int(lengths.max())):
        inside = column < lengths
        byte = data[np.where(inside, starts + column, 0)]
        crc = np.where(inside, table[(crc ^ byte) & 0xFF] ^ (crc >> np.uint32(8)), crc)
    return np.asarray(_masked(crc) == words(data, starts + lengths))
