"""Opening what others wrote: size, first bytes, text, and one clear line where that fails."""

from __future__ import annotations

import mmap
import os
import re
from pathlib import Path

from doneness.core import UnreadableError, say

_LFS = b"version https://git-lfs.github.com/spec/"
_TEXT = bytes(range(32, 256)) + b"\t\n\r\x1b\x08\x0c"
HEAD, SMALL = 65_536, 1 << 20
_ZEROS = re.compile(rb"\0+")
_EARLY, _STRETCHES = 64, 0.002  # bytes; stretches of zeros, as a share of the bytes


class NothingLoggedError(UnreadableError):
    """A file that is whole and holds no number: no news where other logs were read."""


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


def small_text(path: Path) -> str:
    """The text of a small file beside a log; nothing where it is missing, large or closed to us."""
    try:
        if not path.is_file() or path.stat().st_size > SMALL:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


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
    """Whether these first bytes are no text: a zero byte early on, or many control characters.

    Zero bytes at the end, or a stretch of them further on, are what a power cut leaves of a log.
    """
    start = _ZEROS.sub(b"\0", start.rstrip(b"\0"))
    if b"\0" in start[:_EARLY] or start.count(b"\0") > _STRETCHES * len(start) + 1:
        return True
    return not start or len(start.translate(None, _TEXT)) > 0.05 * max(len(start), 1)


def ends_in_zeros(path: Path) -> bool:
    """Whether the file's last byte is zero: what a power cut leaves of a log that was being written."""
    with path.open("rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read(1) == b"\0"


def without_zero_tail(text: str) -> tuple[str, bool]:
    """`text` short of zero characters at its end and of the line that they begin in, and whether there were any."""
    end = len(text.rstrip("\0"))
    if end == len(text):
        return text, False
    return text[: max(text.rfind("\n", 0, end), text.rfind("\r", 0, end)) + 1], True


def text(path: Path) -> str:
    """The whole file as text; PowerShell writes UTF-16, and a damaged byte must not cost the rest.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    data = content(path)
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")
