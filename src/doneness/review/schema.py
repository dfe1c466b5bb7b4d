"""votes.sqlite: its tables, and how it is opened.

Rows are only ever added. A vote is on the disk before whoever cast it hears of it (write-ahead log, synchronous=FULL),
so that a process that is killed, or a machine that loses its power, takes no acknowledged vote with it. Writers wait
for each other for up to half a minute.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from doneness.core import DonenessError, StorageError, UnreadableError, tr

FILE = "votes.sqlite"
VERSION = 1
_PATIENCE = 30.0  # seconds

_TABLES = (
    """CREATE TABLE IF NOT EXISTS reviewer (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, seed INTEGER NOT NULL,
        began TEXT NOT NULL
    )""",
    "CREATE TABLE IF NOT EXISTS answer (name TEXT PRIMARY KEY, text TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS showing (
        token TEXT PRIMARY KEY, reviewer INTEGER NOT NULL REFERENCES reviewer, question TEXT NOT NULL,
        prompt TEXT NOT NULL, left_step INTEGER NOT NULL, right_step INTEGER NOT NULL,
        left_answer TEXT NOT NULL REFERENCES answer, right_answer TEXT NOT NULL REFERENCES answer,
        repeats TEXT REFERENCES showing, shown_at TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS vote (
        id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL REFERENCES showing, verdict TEXT NOT NULL,
        rewrite TEXT NOT NULL, at TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS tag (
        vote INTEGER NOT NULL REFERENCES vote, side INTEGER NOT NULL, tag TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS vote_token ON vote (token)",
    "CREATE INDEX IF NOT EXISTS showing_reviewer ON showing (reviewer)",
    "CREATE INDEX IF NOT EXISTS tag_vote ON tag (vote)",
)


@contextmanager
def opened(path: Path, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    """A connection; with `read_only` nothing is written into the file.

    Raises:
        UnreadableError: no database, a damaged one, or one of a newer version.
        StorageError: the disk is full or refuses, or another process holds the file.
    """
    with _faults(path):
        if read_only:
            with _reading(path) as connection:
                _known(connection, path)
                yield connection
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)) as connection:
            connection.execute("PRAGMA trusted_schema=OFF")
            _known(connection, path)
            # Where the file system cannot have a log beside the file, SQLite keeps its journal: slower, no less safe.
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            if connection.execute("PRAGMA user_version").fetchone() != (VERSION,):
                with writing(connection):
                    for table in _TABLES:
                        connection.execute(table)
                    connection.execute(f"PRAGMA user_version={VERSION}")
            yield connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """All of what is written inside, or nothing; no other process writes meanwhile."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """As the file is now, with what its writers have in the log beside it."""
    with tempfile.TemporaryDirectory(prefix="doneness-") as folder:
        connection = _in_place(path)
        if connection is None:
            # A folder that cannot be written to has no place for SQLite's shared memory: read a copy.
            copy = Path(folder) / FILE
            for end in ("", "-wal"):
                if Path(f"{path}{end}").is_file():
                    shutil.copyfile(f"{path}{end}", f"{copy}{end}")
            connection = sqlite3.connect(copy, timeout=_PATIENCE, isolation_level=None)
        with closing(connection):
            connection.execute("PRAGMA trusted_schema=OFF")
            yield connection


def _in_place(path: Path) -> sqlite3.Connection | None:
    """A connection that cannot write, or None where the file cannot be read like that."""
    place = f"file:{quote(str(path.resolve()))}?mode=ro"
    connection = None
    try:
        connection = sqlite3.connect(place, uri=True, timeout=_PATIENCE, isolation_level=None)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.OperationalError:
        if connection is not None:
            connection.close()
        return None
    return connection


def _known(connection: sqlite3.Connection, path: Path) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise UnreadableError(tr("review.newer", path=str(path)))


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except DonenessError:
        raise
    except sqlite3.OperationalError as error:
        raise StorageError(tr("errors.storage", path=str(path), reason=str(error))) from error
    except sqlite3.DatabaseError as error:
        raise UnreadableError(tr("review.damaged", path=str(path), reason=str(error))) from error
    except OSError as error:
        raise StorageError(tr("errors.storage", path=str(path), reason=error.strerror or str(error))) from error
