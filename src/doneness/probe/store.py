"""Every answer ever given in a run folder, by the hash of what it is an answer to; nothing is asked twice.

probes/store.jsonl is appended to and never rewritten: one JSON object a line, {"key", "step", "id", "ask", …}, on the
disk before the next questions are put. A key is a hash of the weights, of what was asked and of the settings that
change an answer (`probe.asking.key_of`), so another selection of questions, one more checkpoint or one more question
costs what is new in it. A line that a kill cut in the middle is passed over, and the next writer ends it.

Several processes may write at once: each takes the file's lock, reads what the others wrote, and adds what they lack.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.core import disk_faults
from doneness.runs.atomic import sync
from doneness.runs.probes import FOLDER
from doneness.runs.typed import fits

FILE = "store.jsonl"

# What each kind of question yields: fields of an Answer, and the tokens that another checkpoint is drafted from.
PARTS: dict[str, dict[str, Any]] = {
    "answer": {"text": str, "tokens": int, "confidence": float, "capped": bool, "ids": tuple[int, ...]},
    "turns": {"turns": tuple[str, ...], "turn_ids": tuple[tuple[int, ...], ...]},
    "samples": {"samples": tuple[str, ...]},
    "options": {"options": tuple[float, ...], "option_tokens": tuple[int, ...]},
    "nll": {"nll": float, "nll_tokens": int},
    "kl": {"kl": float},
    "shaken": {"shaken": tuple[float, ...]},
}


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that was asked and what came of it.

    Attributes:
        key: hash of weights, question and settings.
        step: of the checkpoint that answered; 0 is the base model.
        id: of the probe.
        ask: which of `PARTS`.
        value: its fields.
    """

    key: str
    step: int
    id: str
    ask: str
    value: Mapping[str, Any]

    def line(self) -> str:
        """As it is written down."""
        head = {"key": self.key, "step": self.step, "id": self.id, "ask": self.ask}
        return json.dumps(head | rounded(self.value), ensure_ascii=False, separators=(",", ":")) + "\n"


def rounded(value: Any) -> Any:
    """The same with six digits after the point, so that an answer reads back as it was first told; no tuples."""
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {name: rounded(each) for name, each in value.items()}
    return [rounded(each) for each in value] if isinstance(value, (list, tuple)) else value


class Store:
    """The answers of one run folder, on disk and in memory.

    Attributes:
        path: of the file; None keeps everything in memory alone.
        damaged: lines that could not be read.

    Raises:
        StorageError: the disk refuses.
    """

    def __init__(self, run: Path | None) -> None:
        self.path = None if run is None else run / FOLDER / FILE
        self.damaged = 0
        self._known: dict[str, dict[str, Any]] = {}
        self._read = 0
        self.refresh()

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: str) -> bool:
        return key in self._known

    def get(self, key: str) -> dict[str, Any] | None:
        """The fields that were answered, or None where it was never asked."""
        return self._known.get(key)

    def put(self, parts: Sequence[Part]) -> int:
        """Keep what is new among `parts`, on the disk before this returns; how many that were."""
        if self.path is None:
            return len([each for each in parts if self._keep(each.key, rounded(each.value))])
        with disk_faults(self.path), _locked(self.path) as handle:
            self._take(handle)
            # Another process may have asked the same meanwhile; of one batch the first counts.
            new: dict[str, Part] = {}
            for each in parts:
                if each.key not in self._known:
                    new.setdefault(each.key, each)
            if new:
                torn = b"" if _ends_whole(handle) else b"\n"
                _write(handle, torn + "".join(each.line() for each in new.values()).encode())
                os.fsync(handle)
        for each in new.values():
            self._keep(each.key, rounded(each.value))
        return len(new)

    def refresh(self) -> None:
        """Read what other processes have written meanwhile."""
        if self.path is None or not self.path.is_file():
            return
        with disk_faults(self.path):
            handle = os.open(self.path, os.O_RDONLY)
            try:
                self._take(handle)
            finally:
                os.close(handle)

    def _take(self, handle: int) -> None:
        """Read on from where reading ended; a last line without its end is left for later."""
        size = os.fstat(handle).st_size
        if size < self._read:  # deleted and begun anew
            self._read = self.damaged = 0
        chunks, at = [], self._read
        while at < size and (chunk := os.pread(handle, min(1 << 24, size - at), at)):
            chunks.append(chunk)
            at += len(chunk)
        whole, end, _ = b"".join(chunks).rpartition(b"\n")
        self._read += len(whole) + len(end)
        for line in whole.split(b"\n"):
            if line.strip() and not self._parse(line):
                self.damaged += 1

    def _parse(self, line: bytes) -> bool:
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            return False
        if not isinstance(data, dict) or not isinstance(data.get("key"), str):
            return False
        wanted = PARTS.get(str(data.get("ask")))
        if wanted is None or not all(name in data and fits(data[name], kind) for name, kind in wanted.items()):
            return False
        self._keep(data["key"], {name: data[name] for name in wanted})
        return True

    def _keep(self, key: str, value: dict[str, Any]) -> bool:
        """The first answer counts: a second to the same question would be the same."""
        return self._known.setdefault(key, value) is value


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, open to be appended to by this process alone, where the file system has locks."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    try:
        if os.name != "nt":
            import fcntl
            from contextlib import suppress

            with suppress(OSError):  # some network mounts have none; lines then still never mix, as each is one write
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
        if fresh:
            sync(path.parent)
    finally:
        os.close(handle)


def _ends_whole(handle: int) -> bool:
    size = os.fstat(handle).st_size
    return not size or os.pread(handle, 1, size - 1) == b"\n"


def _write(handle: int, data: bytes) -> None:
    while data:
        data = data[os.write(handle, data) :]
