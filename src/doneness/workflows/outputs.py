"""Where a command may write: never over a log that it reads."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

from doneness.config.places import place_of
from doneness.core import DonenessError, disk_faults, tr
from doneness.data import Reading
from doneness.data.files import is_data
from doneness.data.sources import sources_of
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


def read_by(names: Iterable[str | Path], reading: Reading, plain: bool = False) -> tuple[Path, ...]:
    """The files and folders behind names of data: of a registry itself and every file that it names.

    Raises:
        DataError: a registry cannot be used, or a folder holds no data.
    """
    found = [Path(place_of(str(name))[0]) for name in names]
    found += [Path(source.path) for name in names for source in sources_of(name, reading, plain)]
    return tuple(dict.fromkeys(path for path in found if path.exists()))


def refuse_outputs(outs: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse outputs before any work is done: such as are read, such as coincide, and such as cannot be written.

    Args:
        outs: files that will be written; folders on the way are made.
        read: files and folders that are read, see `read_by`.

    Raises:
        DonenessError: an output is read, lies as data in a folder that is read, or is another output.
        StorageError: it cannot be written.
    """
    outs, read = tuple(outs), tuple(read)
    for out in outs:
        for path in read:
            if _same(out, path):
                raise DonenessError(tr("workflows.over_input", path=str(out)))
            if path.is_dir() and is_data(out) and out.resolve().is_relative_to(path.resolve()):
                raise DonenessError(tr("workflows.in_input", path=str(out), folder=str(path)))
    for one, other in combinations(outs, 2):
        if _same(one, other):
            raise DonenessError(tr("workflows.over_output", path=str(other)))
    for out in outs:
        _try(out)


def _same(one: Path, other: Path) -> bool:
    """Whether two names are one file; also where it is not there yet, or has another name elsewhere."""
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


def _try(out: Path) -> None:
    """Open an output as it will be opened, and leave no trace."""
    with disk_faults(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        if out.exists():
            with out.open("ab"):
                return
        half = out.with_name(out.name + ".half")
        made = not half.exists()
        with half.open("ab"):
            pass
        if made:
            half.unlink()


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
