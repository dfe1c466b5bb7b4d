"""Atomic writes: a reader sees the old file or the new one, never half of either."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Collection
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from doneness.core import disk_faults

_LEFT = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}")  # what mkstemp makes of our prefix


def write_bytes(path: Path, data: bytes) -> None:
    """Write to a temporary neighbour, fsync, rename over `path`, fsync the folder."""
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "wb") as handle:
                _claim(fd)
                handle.write(data)
                handle.flush()
                os.fsync(handle.fileno())
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def sweep(folder: Path, names: Collection[str]) -> list[Path]:
    """Remove what killed writes left half-written; a write that is still going on keeps its file.

    Args:
        folder: where the files lie, itself and not below.
        names: which files, as patterns of their final names: ("step-*.npz",).

    Returns:
        What was removed.
    """
    gone = []
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        left = _LEFT.fullmatch(path.name)
        if left and any(fnmatch(left["name"], each) for each in names) and path.is_file() and not path.is_symlink():
            # What cannot be removed harms nobody.
            with suppress(OSError), path.open("rb") as handle:
                if _claim(handle.fileno()):
                    path.unlink()
                    gone.append(path)
    return gone


def _claim(fd: int) -> bool:
    """Lock an open file until it is closed or the process ends; False where another one has it."""
    try:
        import fcntl
    except ImportError:  # Windows lets no open file be removed
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def sync(path: Path) -> None:
    """Make a file's content, or the renames in a folder, survive a power cut."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
