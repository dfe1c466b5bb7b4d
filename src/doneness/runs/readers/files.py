"""Opening what others wrote: size, first bytes, text, and one clear line where that fails."""

from __future__ import annotations

import mmap
from pathlib import Path

from doneness.core import UnreadableError, say

_LFS = b"version https://git-lfs.github.com/spec/"
_TEXT = bytes(range(32, 256)) + b"\t\n\r\x1b\x08\x0c"
HEAD = 65_536


def refuse(key: str, path: Path, **values: object) -> UnreadableError:
    """The error to raise: a sentence of the catalogue about `path`."""
    return UnreadableError(str(say(f"runs.error.{key}", path=str(path), **values)))


def refuse_special(path: Path) -> None:
    """Name what is neither a file nor a folder: reading a named pipe or a device may never end.

    Raises:
        UnreadableError: it is one of these.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise refuse("special", path)


def refuse_empty(path: Path) -> None:
    """Name what holds no log by its nature.

    Raises:
        UnreadableError: the file cannot be opened, is empty, or is a Git LFS pointer.
    """
    start = head(path, len(_LFS))
    if not start:
        raise refuse("empty", path)
    if start == _LFS:
        raise refuse("lfs", path)


def head(path: Path, size: int = HEAD) -> bytes:
    """The first bytes of a file.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    try:
        with path.open("rb") as handle:
            return handle.read(size)
    except OSError as error:
        raise refuse("closed", path, reason=error.strerror or str(error)) from error


def content(path: Path) -> bytes:
    """The whole file.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise refuse("closed", path, reason=error.strerror or str(error)) from error


def holds(path: Path, needle: bytes) -> bool:
    """Whether the bytes occur anywhere in the file; it is not read into memory."""
    try:
        with path.open("rb") as handle:
            if handle.read(1) == b"":
                return False
            with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as view:
                return view.find(needle) >= 0
    except (OSError, ValueError) as error:
        raise refuse("closed", path, reason=str(error)) from error


def is_binary(start: bytes) -> bool:
    """Whether these first bytes are no text: a zero byte, or many control characters."""
    if b"\0" in start:
        return True
    return len(start.translate(None, _TEXT)) > 0.05 * max(len(start), 1)


def text(path: Path) -> str:
    """The whole file as text; PowerShell writes UTF-16, and a damaged byte must not cost the rest.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    data = content(path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
