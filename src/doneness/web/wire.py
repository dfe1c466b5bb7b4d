"""Messages between the server and its own workers: a length and a pickle, over pipes that only the two of them hold."""

from __future__ import annotations

import pickle
import struct
from typing import Any, BinaryIO

HEAD = struct.Struct(">Q")
MOST = 1 << 31  # bytes of a message


def packed(message: Any) -> bytes:
    """A message as bytes."""
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return HEAD.pack(len(body)) + body


def unpacked(body: bytes) -> Any:
    """The message; only ever of a process that we started."""
    return pickle.loads(body)


def receive(source: BinaryIO) -> Any:
    """The next message, or None at the end.

    Raises:
        EOFError: the other end went away in the middle of one.
    """
    head = source.read(HEAD.size)
    if len(head) < HEAD.size:
        return None
    (size,) = HEAD.unpack(head)
    body = source.read(size)
    if len(body) < size:
        raise EOFError("cut message")
    return unpacked(body)
