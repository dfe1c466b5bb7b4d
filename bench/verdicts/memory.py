"""Answers once given, kept between runs of the bench: the same tool on the same text says the same."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import doneness

Answer = dict[str, Any]
_JUDGING = ("core", "runs", "curves", "diagnose", "stopping")


def recall(asked: str, text: str, answer: Callable[[], Answer]) -> Answer:
    """The kept answer, or `answer()`, kept from now on.

    Args:
        asked: who is asked, with its version or its code.
        text: what is asked.
        answer: asks.
    """
    key = hashlib.sha256(f"{asked}\0{text}".encode()).digest()
    kept = _store().execute("select answer from answers where key = ?", (key,)).fetchone()
    if kept is not None:
        found: Answer = json.loads(kept[0])
        return found
    said = answer()
    with _store() as store:
        store.execute("insert or replace into answers values (?, ?)", (key, json.dumps(said)))
    return said


@lru_cache(maxsize=1)
def code() -> str:
    """A digest of what judges in this package, taken once: code edited meanwhile is not what runs."""
    digest = hashlib.sha256()
    root = Path(str(doneness.__file__)).parent
    for file in (f for folder in _JUDGING for f in sorted((root / folder).rglob("*.py"))):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _store() -> sqlite3.Connection:
    # A connection is not carried over a fork.
    return _opened(os.getpid())


@lru_cache(maxsize=1)
def _opened(_: int) -> sqlite3.Connection:
    path = Path(tempfile.gettempdir()) / f"doneness-bench-{os.getuid()}.sqlite"
    store = sqlite3.connect(path, timeout=60.0)
    store.execute("pragma journal_mode = wal")
    store.execute("pragma synchronous = off")
    store.execute("create table if not exists answers (key blob primary key, answer text)")
    return store
