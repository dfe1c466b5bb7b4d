"""Where a command may write: never over a log that it reads."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from doneness.core import DonenessError, tr
from doneness.runs.journal import FILE as JOURNAL
from doneness.runs.readers import llamafactory, trainer_state
from doneness.runs.readers.checkpoints import root_of
from doneness.workflows.gather import expanded

_OWN = (b"<!doctype html", b"<svg", b"\x89png")
# A log of these names is read together with what lies beside it.
_OF_A_FOLDER = (JOURNAL, trainer_state.FILE, llamafactory.FILE)


def refuse_inputs(out: str | Path | None, paths: Iterable[str | Path]) -> None:
    """Refuse to write over what is read: an input, or a file in the folder of one that is no page or figure.

    Args:
        out: the file to be written; nothing is refused without one, or where there is none yet.
        paths: inputs, as they were given.

    Raises:
        DonenessError: `out` is being read.
    """
    target = Path(out) if out else None
    if target is None or not target.is_file():
        return
    own = _is_own(target)
    for path in map(Path, expanded(paths)):
        if not path.exists():
            continue
        alone = path.is_file() and path.name not in _OF_A_FOLDER
        if path.samefile(target) or (not alone and not own and _inside(target, path)):
            raise DonenessError(tr("workflows.over_input", path=str(target)))


def _inside(target: Path, path: Path) -> bool:
    home = root_of((path if path.is_dir() else path.parent).resolve())
    there = target.resolve()
    if there.is_relative_to(home):
        return True
    # Another name of a file in there is the same file.
    at = there.stat()
    return at.st_nlink > 1 and any(each.is_file() and each.samefile(there) for each in home.rglob("*"))


def _is_own(target: Path) -> bool:
    with target.open("rb") as handle:
        start = handle.read(64)
    return not start or start.lstrip().lower().startswith(_OWN)
