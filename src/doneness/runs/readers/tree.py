"""Finding the logs in a tree of folders: every run folder, and every file that is a log by its content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from doneness.core import UnreadableError, say
from doneness.runs.run import Run

# Not worth opening: code, prose, weights, archives, pictures. Pickles (.bin, .pt, .pth, .pkl) are never opened.
_OTHER = frozenset(
    [
        ".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".safetensors", ".gguf", ".onnx", ".h5", ".npz", ".npy",
        ".py", ".md", ".rst", ".html", ".css", ".js", ".ts", ".ipynb", ".sh", ".yaml", ".yml", ".toml", ".cfg", ".ini",
        ".zip", ".gz", ".tar", ".bz2", ".xz", ".7z", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".pdf", ".parquet",
        ".arrow", ".wav", ".mp3", ".mp4", ".model", ".lock", ".c", ".cpp", ".cu", ".h", ".rs", ".go", ".java",
    ]
)  # fmt: skip
_CLOSED_FOLDERS = frozenset(["node_modules", "__pycache__", "site-packages"])

Read = Callable[[Path], list[Run] | None]


def walk(root: Path, read_folder: Read, read_file: Read) -> list[Run]:
    """The runs under `root`; a folder that is a run is not looked into any further.

    Args:
        root: a folder.
        read_folder: the runs of a folder that is one by itself, None where it is none.
        read_file: the runs of a file that is a log, None where it is none.

    Raises:
        UnreadableError: every log found was unreadable.
    """
    runs: list[Run] = []
    faults: list[UnreadableError] = []
    for place in _places(root, read_folder, runs, faults):
        _try(read_file, place, runs, faults)
    if faults and not runs:
        raise faults[0]
    if faults:
        note = str(say("runs.note.unread", count=len(faults), first=str(faults[0])))
        runs[0] = replace(runs[0], notes=(*runs[0].notes, note))
    return runs


def _places(root: Path, read_folder: Read, runs: list[Run], faults: list[UnreadableError]) -> Iterator[Path]:
    """Files in folders that are no runs themselves; linked folders are followed, each folder once."""
    waiting = [root]
    seen: set[str] = set()
    while waiting:
        folder = waiting.pop()
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        if _try(read_folder, folder, runs, faults):
            continue
        try:
            inside = sorted(folder.iterdir())
        except OSError:
            continue
        below = []
        for place in inside:
            if place.name.startswith(".") or place.name in _CLOSED_FOLDERS:
                continue
            if place.is_dir():
                below.append(place)
            elif place.suffix.lower() not in _OTHER and place.is_file():
                yield place
        waiting.extend(reversed(below))


def _try(read: Read, place: Path, runs: list[Run], faults: list[UnreadableError]) -> bool:
    """Whether `place` was taken for a log, readable or not."""
    try:
        found = read(place)
    except UnreadableError as error:
        faults.append(error)
        return True
    if found is None:
        return False
    runs.extend(found)
    return True
