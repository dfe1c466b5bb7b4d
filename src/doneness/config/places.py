"""Where data lies: a path, or a path and names in it after "#"."""

from __future__ import annotations

from collections.abc import Callable
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


def suites_moved(text: str, change: Callable[[str], str]) -> str:
    """The same names of probe suites with each path changed: "general,mine.jsonl,medqa:items.jsonl"."""
    if _exists(text):
        return change(text)
    parts = []
    for part in (each.strip() for each in text.split(",")):
        kind, colon, path = part.partition(":")
        known = bool(colon) and kind.isidentifier() and len(kind) > 1
        parts.append(f"{kind}:{change(path)}" if known else change(part))
    return ",".join(parts)


def _exists(text: str) -> bool:
    try:
        return Path(text).exists()
    except OSError:
        return False
