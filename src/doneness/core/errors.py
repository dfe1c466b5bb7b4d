"""What can go wrong, and how it is said.

    DonenessError            a fault the user can mend: one line, exit code 2
    ├── RecipeError          a recipe that cannot be run (every fault at once)
    ├── DataError            a data file or row that cannot be trained on
    ├── ModelError           a model or tokenizer that is not here, or cannot be loaded
    ├── UnreadableError      a log or run folder that cannot be read
    ├── MissingExtraError    a library that an extra would install
    └── StorageError         the disk is full or refuses

Anything else that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doneness.core.catalogue import tr
from doneness.core.text import printable


class DonenessError(Exception):
    """What is wrong, where, and what to do next, on one line."""

    exit_code = 2

    def __str__(self) -> str:
        # A path or a value from outside may hold a line break, or codes that a terminal obeys.
        return printable(" ".join(super().__str__().split()))


class RecipeError(DonenessError):
    """A recipe with one or more faults; `faults` holds each of them."""

    def __init__(self, faults: list[str], where: str | None = None) -> None:
        self.faults = faults
        key = "errors.recipe_many" if len(faults) > 1 else "errors.recipe_one"
        where = tr("config.recipe") if where is None else where
        super().__init__(tr(key, where=where, n=len(faults), faults=tr("errors.between_faults").join(faults)))


class DataError(DonenessError):
    """A data file or row that cannot be used."""


class ModelError(DonenessError):
    """A model or tokenizer that is not here, or cannot be loaded."""


class UnreadableError(DonenessError):
    """A log or run folder that cannot be read."""


class MissingExtraError(DonenessError):
    """A library is missing that one of our extras installs."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(tr("errors.missing_extra", module=module, extra=extra))


class StorageError(DonenessError):
    """The disk is full, read-only, or refuses to be written."""


_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
# A place that cannot be: a folder where a file should be, a file on the way, a folder that vanished.
_PLACE_ERRORS = {errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOENT, errno.ENOTEMPTY}
# What is left of the system's error in the texts of safetensors and torch.
_TRACES = (
    re.compile(r"I/O error: (?P<reason>.+?) \(os error \d+\)"),
    re.compile(r"(?P<reason>No space left on device)"),
    re.compile(r"(?P<reason>Parent directory .+? does not exist)"),
)


@contextmanager
def disk_faults(path: str | Path) -> Iterator[None]:
    """Turn a full or refusing disk, or an impossible place, into one clear line.

    Libraries below (safetensors, torch) wrap the system's error in types of their own, whose text
    is then the only trace of the cause. A missing file elsewhere than at `path` is not a fault of
    writing and passes through.
    """
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:
            raise StorageError(tr("errors.storage", path=str(path), reason=error.strerror)) from error
        if error.errno in _PLACE_ERRORS and _about(Path(path), error):
            raise StorageError(tr("errors.place", path=str(path), reason=_obstacle(Path(path), error))) from error
        raise
    except Exception as error:
        found = None if isinstance(error, DonenessError) else _trace(str(error))
        if found is None:
            raise
        raise StorageError(tr("errors.storage", path=str(path), reason=found)) from error


def _trace(text: str) -> str | None:
    match = next((m for pattern in _TRACES if (m := pattern.search(text))), None)
    return match["reason"] if match else None


def _obstacle(path: Path, error: OSError) -> str:
    """The system's reason; with the name of what stands in the way, where that is not `path` itself."""
    named = error.filename
    if isinstance(named, str) and named != str(path) and path.is_relative_to(named):
        return f"{error.strerror}: {named}"
    return str(error.strerror)


def _about(path: Path, error: OSError) -> bool:
    """Whether the error speaks of `path`, of something beside or below it, or of a folder above it."""
    place = Path(os.path.abspath(path))  # noqa: PTH100  # resolve() would follow links, and fail on what is gone
    for name in (error.filename, error.filename2):
        if isinstance(name, (str, os.PathLike)):
            named = Path(os.path.abspath(name))  # noqa: PTH100
            if named.is_relative_to(place.parent) or place.is_relative_to(named):
                return True
    return False
