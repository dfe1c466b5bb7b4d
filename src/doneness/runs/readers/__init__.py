"""One file per format; `read` asks each in turn whether the content is its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from doneness.core import UnreadableError
from doneness.runs.readers import journal, trainer_state
from doneness.runs.run import Run

_READERS: tuple[tuple[Callable[[Path], Path | None], Callable[[Path], list[Run]]], ...] = (
    (journal.detect, journal.read),
    (trainer_state.detect, trainer_state.read),
)
_LFS = b"version https://git-lfs.github.com/spec/"


def read(path: str | Path) -> list[Run]:
    """The runs at `path`: a run folder, a checkpoint folder, or a log file.

    Raises:
        UnreadableError: nothing there, or nothing that can be read; says what would help.
    """
    place = Path(path)
    if not place.exists():
        raise UnreadableError(f"{place}: no such file or folder")
    if place.is_file():
        _refuse_empty(place)
    for detect, read_format in _READERS:
        found = detect(place)
        if found is not None:
            _refuse_empty(found)
            return read_format(found)
    raise UnreadableError(
        f"{place}: no training log found; give a doneness run folder, an output folder with trainer_state.json, "
        "or the file itself"
    )


def _refuse_empty(path: Path) -> None:
    if path.stat().st_size == 0:
        raise UnreadableError(f"{path}: the file is empty; the run has written nothing yet")
    with path.open("rb") as handle:
        if handle.read(len(_LFS)) == _LFS:
            raise UnreadableError(f"{path}: a Git LFS pointer, not the log; run `git lfs pull` where it came from")
