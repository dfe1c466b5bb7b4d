"""What can go wrong, and how it is said.

    DonenessError            a fault the user can mend: one line, exit code 2
    ├── RecipeError          a recipe that cannot be run (every fault at once)
    ├── DataError            a data file or row that cannot be trained on
    ├── UnreadableError      a log or run folder that cannot be read
    ├── MissingExtraError    a library that an extra would install
    └── StorageError         the disk is full or refuses

Anything else that escapes is a defect of ours and keeps its traceback.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class DonenessError(Exception):
    """What is wrong, where, and what to do next, on one line."""

    exit_code = 2

    def __str__(self) -> str:
        # A path or a value from outside may hold a line break; the promise is one line.
        return " ".join(super().__str__().split())


class RecipeError(DonenessError):
    """A recipe with one or more faults; `faults` holds each of them."""

    def __init__(self, faults: list[str], where: str = "recipe") -> None:
        self.faults = faults
        count = f" ({len(faults)} faults)" if len(faults) > 1 else ""
        super().__init__(f"{where}{count}: " + "; ".join(faults))


class DataError(DonenessError):
    """A data file or row that cannot be used."""


class UnreadableError(DonenessError):
    """A log or run folder that cannot be read."""


class MissingExtraError(DonenessError):
    """A library is missing that one of our extras installs."""

    def __init__(self, module: str, extra: str) -> None:
        super().__init__(f"{module} is not installed; install it with:  pip install 'doneness[{extra}]'")


class StorageError(DonenessError):
    """The disk is full, read-only, or refuses to be written."""


_DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@contextmanager
def disk_faults(path: str | Path) -> Iterator[None]:
    """Turn a full or refusing disk into one clear line.

    Libraries below (safetensors, torch) wrap the system's error in types of their own, whose text
    is then the only trace of the cause.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise _storage_error(path, error) from error
    except Exception as error:
        if isinstance(error, DonenessError) or "No space left on device" not in str(error):
            raise
        raise _storage_error(path, error) from error


def _storage_error(path: str | Path, error: BaseException) -> StorageError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else "No space left on device"
    return StorageError(
        f"{path}: cannot write ({reason}); what was saved before is kept: "
        "free some space or choose another folder, then run the same command again to resume"
    )
