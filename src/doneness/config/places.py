"""Where data lies: a path, or a path and names in it after "#"."""

from __future__ import annotations

from pathlib import Path


def place_of(text: str) -> tuple[str, str]:
    """The path in a name of data, and what follows "#" in it: data/dataset_info.json#alpaca,identity.

    A "#" that is part of a file's own name stays there.
    """
    path, mark, names = text.partition("#")
    return (path, names) if mark and path.endswith(".json") and not _exists(text) else (text, "")


def moved(text: str, path: str) -> str:
    """The same name of data with another path before "#"."""
    _, names = place_of(text)
    return f"{path}#{names}" if names else path


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:
        return False
