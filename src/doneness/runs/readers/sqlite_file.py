"""Opening somebody's SQLite database without writing to it, and reading on until the damage."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from doneness.runs.readers import files

MAGIC = b"SQLite format 3\0"
_BESIDE = ("-wal", "-journal")


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that writes nothing beside or into the file.

    What a live or killed writer left in its log beside the file belongs to the data; to take it in,
    SQLite must write, so it does that to a copy.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    with tempfile.TemporaryDirectory(prefix="doneness-") as folder:
        place, flags = path.resolve(), "mode=ro&immutable=1"
        try:
            pending = [end for end in _BESIDE if _filled(Path(f"{place}{end}"))]
            if pending:
                copy = Path(folder) / "copy.db"
                for end in ("", *pending):
                    shutil.copyfile(f"{place}{end}", f"{copy}{end}")
                place, flags = copy, "mode=rw"
            connection = sqlite3.connect(f"file:{quote(str(place))}?{flags}", uri=True)
        except (OSError, sqlite3.Error) as error:
            raise files.refuse("closed", path, reason=str(error)) from error
        with closing(connection):
            connection.text_factory = lambda text: text.decode("utf-8", errors="replace")
            connection.execute("PRAGMA trusted_schema=OFF")
            # Without it SQLite refuses a file that is shorter than its header tells, and all rows with it.
            connection.execute("PRAGMA writable_schema=ON")
            yield connection


def tables(path: Path) -> dict[str, set[str]]:
    """The columns of each table; empty where the file is no database or its schema is damaged."""
    if files.head(path, len(MAGIC)) != MAGIC:
        return {}
    found: dict[str, set[str]] = {}
    with opened(path) as connection:
        try:
            names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            for name in names:
                known = connection.execute("SELECT name FROM pragma_table_info(?)", (name,))
                found[name] = {str(row[0]) for row in known}
        except sqlite3.Error:
            return found
    return found


def is_sound(connection: sqlite3.Connection) -> bool:
    """Whether the pages of the file fit together; where they do not, rows may be missing from every query."""
    try:
        return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.Error:
        return False


class Rows:
    """The rows of a query one after another; `cut` tells afterwards whether damage ended them early."""

    def __init__(self, connection: sqlite3.Connection, query: str) -> None:
        self.cut = False
        self._connection = connection
        self._query = query

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(self._query)
        except sqlite3.Error:
            self.cut = True


def _filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0
