"""One process at a time trains into a run folder: two would hide and delete each other's records and checkpoints.

Probing and watching append single records beside a training and need no claim.
"""

from __future__ import annotations

import errno
import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from doneness.core import StorageError, disk_faults, tr

FILE = "journal.lock"
_TAKEN = (errno.EACCES, errno.EAGAIN)
_TRIES, _PAUSE = 100, 0.1  # for a holder that is dead
_MOST = 256  # bytes of what a lock says


@dataclass
class _Held:
    fd: int
    holders: int


_HELD: dict[Path, _Held] = {}  # by this process: whoever opens a folder again here shares the lock


class Claim:
    """Holds `folder` for this process until `release`, or until the process ends in whatever way.

    Workers forked by the holder do not hold it: they outlive a killed trainer for a while. Where the system or its
    file system has no locks (Windows, some network mounts) nothing is held.

    Raises:
        StorageError: another process holds it, or the disk refuses.
    """

    def __init__(self, folder: Path) -> None:
        self._place: Path | None = None
        place = folder.resolve() / FILE
        held = _HELD.get(place)
        # A folder that was deleted and made anew has another file by that name.
        if held is not None and not _is_at(held.fd, place):
            held = None
        if held is None:
            held = _Held(_locked(folder, place), 0)
            _HELD[place] = held
        held.holders += 1
        self._place, self._held = place, held

    def release(self) -> None:
        """Let others train into the folder; harmless when called twice. The file stays: deleting it would race."""
        if self._place is None:
            return
        place, self._place = self._place, None
        self._held.holders -= 1
        if not self._held.holders:
            os.close(self._held.fd)
            if _HELD.get(place) is self._held:
                del _HELD[place]


def _locked(folder: Path, place: Path) -> int:
    with disk_faults(place):
        folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(place, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _take(fd, folder)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _take(fd: int, folder: Path) -> None:
    if os.name == "nt":
        return
    import fcntl

    for patience in range(_TRIES, -1, -1):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as error:
            if error.errno not in _TAKEN:
                return
            holder = os.pread(fd, _MOST, 0).decode("ascii", "replace").strip()
            # A worker that was just being forked when its trainer was killed lets go as soon as it runs.
            if not patience or lives(holder) is not False:
                raise StorageError(tr("errors.folder_taken", path=str(folder), pid=holder or "?")) from error
        time.sleep(_PAUSE)
    # The lock is the open file's, which a fork shares: a child lets go of it.
    os.register_at_fork(after_in_child=lambda: _let_go(fd))
    with disk_faults(folder / FILE):
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()} {_machine()}\n".encode("ascii", "replace")[:_MOST], 0)


def lives(holder: str) -> bool | None:
    """Whether the process that a lock names ("number machine") is there; None where that cannot be told from here.

    Folders are shared over networks: a number on another machine, or of a container, says nothing about one here.
    """
    number, _, machine = holder.partition(" ")
    if not number.isdecimal() or (machine and machine != _machine()):
        return None
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _machine() -> str:
    return socket.gethostname().encode("ascii", "replace").decode()[:200]


def _let_go(fd: int) -> None:
    if any(held.fd == fd for held in _HELD.values()):
        os.close(fd)
        for place in [place for place, held in _HELD.items() if held.fd == fd]:
            del _HELD[place]


def _is_at(fd: int, place: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(fd), place.stat())
    except OSError:
        return False
