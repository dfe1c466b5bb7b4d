"""Recorder: the run as it is being made, on disk and in memory at once.

What a stopping rule sees in training is built by the same code that reads a finished run, so the
rule cannot tell the two apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from doneness.runs.journal import FILE, Journal, read_records
from doneness.runs.readers.journal import run_of
from doneness.runs.run import Run


class Recorder:
    """Appends records to the journal in `folder` and keeps those in force."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / FILE
        self.records: list[dict[str, Any]] = read_records(path)[0] if path.is_file() else []
        self._journal = Journal(path)

    def write(self, kind: str, step: int, **data: Any) -> None:
        """Append one record."""
        self._journal.write(kind, step, **data)
        self.records.append({"kind": kind, "step": step, **data})

    def resume(self, step: int, **data: Any) -> None:
        """Declare the records after `step` superseded; they stay in the file and are hidden."""
        self.write("resume", step, **data)
        self._journal.sync()
        self.records = read_records(self.folder / FILE)[0]

    def sync(self) -> None:
        """Force everything onto the disk."""
        self._journal.sync()

    def close(self) -> None:
        """Sync and close the journal."""
        self._journal.close()

    def last(self, kind: str) -> dict[str, Any] | None:
        """The newest record of a kind in force."""
        return next((r for r in reversed(self.records) if r["kind"] == kind), None)

    def has(self, kind: str, step: int) -> bool:
        """Whether a record of that kind is in force at `step`."""
        return any(r["kind"] == kind and r["step"] == step for r in self.records)

    def run(self) -> Run:
        """The run so far."""
        return run_of(self.records, self.folder)
