"""The journal: an append-only JSONL file that is never rewritten.

One record a line: {"v": 1, "kind": …, "step": …, "at": …, …}. Kinds: start, train, eval, health, spike,
checkpoint, checkpoint_gone, probe, decision, request, cooldown, resume, end, error. A `cooldown` record
says that from its step on the learning rate falls to zero at its `end`, which is the plan from then on;
a `checkpoint_gone` record bears the step of the checkpoint that was deleted. A `resume` record
supersedes the rows after its step; readers hide them, nothing is deleted. A line that a crash cut in
the middle is completed with a line break before the next record, and readers pass over it with a note.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doneness.core import StorageError, UnreadableError, disk_faults, tr
from doneness.runs.records import NEWEST, fault_of, is_whole

VERSION = 1
FILE = "journal.jsonl"
_NOTES = 20  # more lines than this that are passed over are counted, not named


class Journal:
    """Writes records; every record reaches the operating system before `write` returns.

    A killed process therefore loses none; `sync` guards against a machine that loses power.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":
                os.write(self._fd, b"\n")

    def write(self, kind: str, step: int, **data: Any) -> None:
        """Append one record.

        Raises:
            StorageError: the disk refuses, or the run folder was deleted.
        """
        record = {"v": VERSION, "kind": kind, "step": step, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}
        line = json.dumps(_plain(record | data), ensure_ascii=False, separators=(",", ":")) + "\n"
        payload = line.encode()
        with disk_faults(self.path):
            if self._deleted():
                raise StorageError(tr("errors.folder_gone", path=str(self.path.parent)))
            written = os.write(self._fd, payload)
            if written < len(payload):
                os.write(self._fd, payload[written:])

    def sync(self) -> None:
        """Force what was written onto the disk."""
        with disk_faults(self.path):
            os.fsync(self._fd)

    def close(self) -> None:
        """Sync and close; harmless when called twice."""
        if self._fd >= 0:
            self.sync()
            os.close(self._fd)
            self._fd = -1

    def _deleted(self) -> bool:
        """Whether what is written goes to a file without a name, which vanishes when it is closed."""
        mine = os.fstat(self._fd)
        if mine.st_nlink:
            return False
        try:
            # Some file systems count no links; there the name must lead elsewhere too.
            return not os.path.samestat(mine, self.path.stat())
        except OSError:
            return True


def read_records(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """As `read_journal`: the records in force and the notes."""
    found = read_journal(path)
    return found.records, found.notes


@dataclass(frozen=True)
class Records:
    """What a journal holds.

    Attributes:
        records: those in force, in order.
        notes: a line for each one that could not be read; of many, their number.
        lost: lines that could not be read.
        seen: lines in all.
    """

    records: list[dict[str, Any]]
    notes: list[str]
    lost: int
    seen: int


def read_journal(path: Path) -> Records:
    """All records in force, and a note for every line that could not be read.

    Records after the step of a later `resume` are superseded and left out, except `start`,
    `resume` and `error` records, which tell the run's own history.

    Raises:
        UnreadableError: the file is missing or was written by a newer version.
    """
    kept: list[dict[str, Any]] = []
    notes: list[str] = []
    seen = 0
    for record in _lines(path, notes):
        seen += 1
        if record["kind"] == "resume":
            kept = [r for r in kept if r["step"] <= record["step"] or r["kind"] in ("start", "resume", "error")]
        kept.append(record)
    lost = len(notes)
    if lost > _NOTES:
        notes[_NOTES:] = [tr("errors.journal.more", n=lost - _NOTES)]
    return Records(kept, notes, lost, seen + lost)


def _lines(path: Path, notes: list[str]) -> Iterator[dict[str, Any]]:
    """The usable records; a note for every line that is none."""
    try:
        handle = path.open("rb")
    except OSError as error:
        raise UnreadableError(tr("errors.journal.open", path=str(path), reason=str(error.strerror))) from error
    with handle:
        for line, raw in enumerate(handle, start=1):
            if not raw.strip():
                continue
            try:
                record = json.loads(raw)
            except (ValueError, RecursionError):
                notes.append(tr("errors.journal.damaged", line=line))
                continue
            version = record.get("v") if isinstance(record, dict) else None
            if is_whole(version) and VERSION < version <= NEWEST:
                raise UnreadableError(
                    tr("errors.journal.newer", path=str(path), line=line, version=version, reads=VERSION)
                )
            fault = fault_of(record)
            if fault is None:
                yield record
            elif fault:
                notes.append(tr("errors.journal.bad_field", line=line, kind=record["kind"][:20], field=fault))
            else:
                notes.append(tr("errors.journal.no_record", line=line))


def _plain(value: Any) -> Any:
    """JSON has no NaN: non-finite numbers are written as strings, which `number` reads back."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value


def number(value: Any) -> float:
    """A logged number; what is no number is NaN."""
    if isinstance(value, bool) or value is None:
        return math.nan
    try:
        return float(value)
    except OverflowError:
        # An integer beyond all floats.
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan
