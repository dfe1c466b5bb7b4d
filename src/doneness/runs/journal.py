"""The journal: an append-only JSONL file that is never rewritten.

One record a line: {"v": 1, "kind": …, "step": …, "at": …, …}. Kinds: start, train, eval,
checkpoint, probe, decision, resume, end, error. A `resume` record supersedes the rows after its
step; readers hide them, nothing is deleted. A line that a crash cut in the middle is completed
with a line break before the next record, and readers pass over it with a note.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError, disk_faults

VERSION = 1
FILE = "journal.jsonl"


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
        """Append one record."""
        record = {"v": VERSION, "kind": kind, "step": step, "at": datetime.now(UTC).isoformat(timespec="milliseconds")}
        line = json.dumps(_plain(record | data), ensure_ascii=False, separators=(",", ":")) + "\n"
        payload = line.encode()
        with disk_faults(self.path):
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


def read_records(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """All records in force, and a note for every line that could not be read.

    Records after the step of a later `resume` are superseded and left out, except `start`,
    `resume` and `error` records, which tell the run's own history.

    Raises:
        UnreadableError: the file is missing or was written by a newer version.
    """
    kept: list[dict[str, Any]] = []
    notes: list[str] = []
    for number, record in _lines(path, notes):
        if record.get("v", VERSION) > VERSION:
            raise UnreadableError(
                f"{path}, line {number}: journal version {record['v']} is newer than this doneness reads ({VERSION}); "
                "upgrade doneness"
            )
        if record["kind"] == "resume":
            kept = [r for r in kept if r["step"] <= record["step"] or r["kind"] in ("start", "resume", "error")]
        kept.append(record)
    return kept, notes


def _lines(path: Path, notes: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        handle = path.open("rb")
    except OSError as error:
        raise UnreadableError(f"{path}: cannot open ({error.strerror})") from error
    with handle:
        for number, raw in enumerate(handle, start=1):
            if not raw.strip():
                continue
            try:
                record = json.loads(raw)
            except ValueError:
                notes.append(f"line {number} is damaged and was passed over")
                continue
            if isinstance(record, dict) and isinstance(record.get("step"), int) and "kind" in record:
                yield number, record
            else:
                notes.append(f"line {number} is no journal record and was passed over")


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
    except (TypeError, ValueError):
        return math.nan
