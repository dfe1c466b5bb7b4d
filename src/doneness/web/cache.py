"""What is known of runs from one start of the server to the next, so that a thousand are listed at once.

One SQLite file in a folder of the user's own, never in the folder that is served. It may be deleted at any time.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from doneness.web.rows import ROW, Raw

_OLD = 90 * 86_400  # seconds after which what nobody asked for is deleted
_LARGE = 2 << 30  # bytes of columns that are kept


class Found(msgspec.Struct):
    """What reading a unit gave: the runs, and by language why there are none, or which logs beside them gave none."""

    runs: list[Raw]
    error: dict[str, str] | None = None


def cache_folder() -> Path:
    """The user's own folder for what can be made again."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "doneness" / "serve"


class Cache:
    """Rows by unit and fingerprint; without a folder, in memory."""

    def __init__(self, folder: Path | None, root: Path) -> None:
        self._root = str(root)
        self.folder = folder
        self._base: sqlite3.Connection | None = None
        if folder is None:
            return
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._base = _opened(folder / f"rows-{ROW}.sqlite")
        except (OSError, sqlite3.Error):
            # Full, read-only, or damaged: it is only a cache.
            self.folder = None

    def load(self) -> dict[str, tuple[str, Found]]:
        """By place: fingerprint and what was found."""
        if self._base is None:
            return {}
        decode = msgspec.msgpack.Decoder(Found).decode
        try:
            rows = self._base.execute("SELECT place, print, found FROM units WHERE root = ?", (self._root,)).fetchall()
            return {place: (mark, decode(found)) for place, mark, found in rows}
        except (sqlite3.Error, msgspec.MsgspecError):
            return {}

    def store(self, found: Mapping[str, tuple[str, Found]], gone: Iterable[str] = ()) -> None:
        """Keep what was found, and forget what is not there any more."""
        if self._base is None:
            return
        now = time.time()
        told = [(self._root, place, mark, msgspec.msgpack.encode(each), now) for place, (mark, each) in found.items()]
        try:
            with self._base:
                self._base.executemany("INSERT OR REPLACE INTO units VALUES (?, ?, ?, ?, ?)", told)
                left = [(self._root, place) for place in gone]
                self._base.executemany("DELETE FROM units WHERE root = ? AND place = ?", left)
        except sqlite3.Error:
            self._base = None

    def close(self) -> None:
        """Let go of what is old, and close."""
        if self._base is not None:
            try:
                with self._base:
                    self._base.execute("DELETE FROM units WHERE at < ?", (time.time() - _OLD,))
                self._base.close()
            except sqlite3.Error:
                pass
            self._base = None
        if self.folder is not None:
            trim(self.folder)


def trim(folder: Path) -> None:
    """Delete the columns used longest ago where all take more than there is room for."""
    try:
        files = sorted(((p.stat().st_mtime, p.stat().st_size, p) for p in folder.glob("columns-*.npz")), reverse=True)
    except OSError:
        return
    total = 0
    for _, size, path in files:
        total += size
        if total > _LARGE:
            path.unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    base = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=NORMAL")
    base.execute(
        "CREATE TABLE IF NOT EXISTS units (root TEXT, place TEXT, print TEXT, found BLOB, at REAL, "
        "PRIMARY KEY (root, place))"
    )
    base.commit()
    return base


def as_any(found: Any) -> Found:
    """What a worker answered, as it is kept."""
    return Found(found["runs"], found["error"])
