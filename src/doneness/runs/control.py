"""Requests from outside to a run that trains: stop, cool down, keep a checkpoint.

They lie in control.jsonl in the run folder, one a line: {"request": "stop", "who": …, "at": …, "id": …}, with "step"
for "keep". Anybody may append; the trainer reads at its next step, takes each request once, and says so in the journal
with who asked and when. What a run that has ended was asked is no matter of one that goes on in the same folder,
except what is to be kept.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, StorageError, disk_faults, tr
from doneness.core.text import printable
from doneness.runs.journal import FILE as JOURNAL
from doneness.runs.records import LAST_STEP, is_whole

FILE = "control.jsonl"
KEPT = "kept"  # folder of a run for checkpoints that another tool's rotation is not to reach
ACTIONS = ("stop", "cooldown", "keep")
_LONGEST_ID, _LONGEST_WHO = 200, 80
_LONGEST = 1 << 20  # bytes that are read at one look
_NOBODY = "?"


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        action: "stop", "cooldown" or "keep".
        id: the same line twice is one request.
        who: asks; "?" where nobody said.
        at: when it was asked, as it was written; "" where it was not.
        step: of the checkpoint to keep; None otherwise.
    """

    action: str
    id: str
    who: str = _NOBODY
    at: str = ""
    step: int | None = None

    def noted(self) -> dict[str, Any]:
        """As the journal keeps it."""
        more: dict[str, Any] = {"keep": self.step} if self.action == "keep" else {}
        asked = {"asked": self.at} if self.at else {}
        return {"request": self.action, "who": self.who, "id": self.id, **asked, **more}


def ask(folder: Path, action: str, who: str, step: int | None = None) -> str:
    """Append a request to those of the run in `folder`; its id.

    Raises:
        DonenessError: no such action, or no step to keep.
        StorageError: the disk refuses, or a link stands in the way.
    """
    if action not in ACTIONS or (action == "keep" and not _is_step(step)):
        raise DonenessError(tr("runs.control.unknown", action=repr(action)[:40]))
    told: dict[str, Any] = {
        "request": action,
        "who": _name(who),
        "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "id": secrets.token_hex(8),
    }
    if action == "keep":
        told["step"] = step
    path = folder / FILE
    try:
        with disk_faults(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o644)
            try:
                size = os.fstat(fd).st_size
                cut = size and os.pread(fd, 1, size - 1) != b"\n"
                # In one piece, so that two who ask at once do not write into each other's line.
                os.write(fd, (b"\n" if cut else b"") + json.dumps(told, ensure_ascii=False).encode() + b"\n")
                os.fsync(fd)
            finally:
                os.close(fd)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(tr("errors.storage", path=str(path), reason=error.strerror)) from error
    return str(told["id"])


class Inbox:
    """The requests to one run, each given out once.

    What is unreadable, or no request, is passed over; a line that is being written is waited for.
    """

    def __init__(self, folder: Path) -> None:
        """Know what the journal in `folder` says was taken before."""
        self._path = folder / FILE
        self._seen = (-1, -1)
        records = list(_all_records(folder / JOURNAL))
        self._taken = taken(records)
        if any(record.get("kind") == "end" for record in records):
            # It had ended, and goes on: what was asked of it before, also after its last step, is over.
            self._taken |= {request.id for request in waiting(folder) if request.action != "keep"}

    def news(self) -> list[Request]:
        """What was asked since the last time, in order."""
        try:
            # Looked at at every step: where nothing was written, this is all.
            stat = self._path.stat()
        except OSError:
            return []
        seen = (stat.st_size, stat.st_mtime_ns)
        if seen == self._seen:
            return []
        self._seen = seen
        found = []
        for request in waiting(self._path.parent):
            if request.id not in self._taken:
                self._taken.add(request.id)
                found.append(request)
        return found


def waiting(folder: Path) -> list[Request]:
    """All requests to the run in `folder`, whether taken or not; of a very long file the newest."""
    if not (folder / FILE).is_file():
        return []  # a pipe by that name would be waited for for ever
    try:
        with (folder / FILE).open("rb") as handle:
            size = os.fstat(handle.fileno()).st_size
            handle.seek(max(0, size - _LONGEST))
            data = handle.read()
    except OSError:
        return []
    return [request for line in data.splitlines() if (request := request_of(line)) is not None]


def taken(records: Iterable[Mapping[str, Any]]) -> set[str]:
    """The ids of requests that were carried out.

    A request whose step a resume went back behind is still to be carried out, unless the run had ended by then.

    Args:
        records: all that were ever written, superseded ones too, in order.
    """
    done: set[str] = set()
    open_: dict[str, int] = {}
    for record in records:
        kind = record.get("kind")
        if kind == "request" and record.get("id"):
            open_[str(record["id"])] = int(record["step"]) if is_whole(record.get("step")) else 0
        elif kind == "resume" and is_whole(record.get("step")):
            open_ = {key: step for key, step in open_.items() if step <= record["step"]}
        elif kind == "end":
            done |= open_.keys()
    return done | open_.keys()


def request_of(line: bytes) -> Request | None:
    """The request in a line; None where it holds none that can be acted on."""
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict) or told.get("request") not in ACTIONS:
        return None
    action, step = str(told["request"]), told.get("step")
    if action == "keep" and not _is_step(step):
        return None
    said = {key: told[key] for key in ("request", "step") if key in told}
    # Without an id, the same line twice is one request.
    key = str(told.get("id") or "") or json.dumps(said, sort_keys=True)
    at = str(told.get("at") or "")[:40]
    return Request(action, printable(key)[:_LONGEST_ID], _name(told.get("who")), printable(at), _of(action, step))


def _of(action: str, step: Any) -> int | None:
    return int(step) if action == "keep" else None


def _all_records(path: Path) -> Iterable[Mapping[str, Any]]:
    if not path.is_file():
        return
    with path.open("rb") as handle:
        for raw in handle:
            # Most lines are rows of training: only those that can matter are taken apart.
            if b'"request"' in raw or b'"resume"' in raw or b'"end"' in raw:
                try:
                    record = json.loads(raw)
                except (ValueError, RecursionError):
                    continue
                if isinstance(record, dict):
                    yield record


def _is_step(step: Any) -> bool:
    return is_whole(step) and 0 <= step <= LAST_STEP


def _name(who: Any) -> str:
    """A name on one line."""
    return printable(" ".join(str(who or _NOBODY).split()))[:_LONGEST_WHO] or _NOBODY
