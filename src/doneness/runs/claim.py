"""One process at a time trains into a run folder: two would hide and delete each other's records and checkpoints.

Probing and watching append single records beside a training and need no claim.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from doneness.core import StorageError, disk_faults, tr

FILE = "journal.lock"
_TAKEN = (errno.EACCES, errno.EAGAIN)


class Claim:
    """Holds `folder` for this process until `release`, or until the process ends in whatever way.

    A record lock: unlike flock it is not inherited by workers that outlive a killed trainer. Where the system or
    its file system has none (Windows, some network mounts) nothing is held.

    Raises:
        StorageError: another process holds it, or the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._fd = -1
        path = folder / FILE
        with disk_faults(path):
            folder.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            self._take(fd, folder)
        except BaseException:
            os.close(fd)
            raise
        self._fd = fd

    def release(self) -> None:
        """Let others train into the folder; harmless when called twice. The file stays: deleting it would race."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    @staticmethod
    def _take(fd: int, folder: Path) -> None:
        if os.name == "nt":
            return
        import fcntl

        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in _TAKEN:
                return
            holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "?"
            raise StorageError(tr("errors.folder_taken", path=str(folder), pid=holder)) from error
        with disk_faults(folder / FILE):
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
