"""A few numbers of each row, in files that are mapped into memory: what is compared across rows is found in them."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# name: (type code of array, dtype). One value a row but for the features, whose ends stand in columns of their own.
KINDS: Mapping[str, tuple[str, str]] = {
    "line": ("I", "u4"),
    "source": ("H", "u2"),
    "question": ("Q", "u8"),  # 0: none
    "asked": ("Q", "u8"),  # question and system turn
    "answer": ("Q", "u8"),
    "whole": ("Q", "u8"),  # question and answer
    "chars": ("I", "u4"),  # of all turns
    "said": ("I", "u4"),  # of the answer
    "short": ("I", "u4"),
    "short_end": ("q", "i8"),
    "long": ("I", "u4"),
    "long_end": ("q", "i8"),
    "decides": ("b", "i1"),  # what the answer opens with: 1 yes, -1 no, 0 neither
    "label": ("H", "u2"),
    "tokens": ("I", "u4"),
    "targets": ("I", "u4"),
    "cut": ("I", "u4"),
    "lost": ("I", "u4"),
    "ended": ("b", "i1"),  # 1 ended, 0 not, -1 cannot be encoded
}


def digest(text: str) -> int:
    """64 bits of a text, never 0; the same in every process."""
    found = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(found, "little") or 1


def mixed(one: int, other: int) -> int:
    """64 bits of two digests together, never 0."""
    found = (one * 0x9E3779B97F4A7C15 ^ other * 0xC2B2AE3D27D4EB4F ^ other >> 31) & 0xFFFFFFFFFFFFFFFF
    return found or 1


class Columns:
    """Columns that grow at their ends: in `folder` where there is one, else in memory."""

    def __init__(self, folder: Path | None, name: str) -> None:
        self._waiting = {column: array(code) for column, (code, _) in KINDS.items()}
        self._written = dict.fromkeys(KINDS, 0)
        self._folder, self._name = folder, name

    def append(self, column: str, value: int) -> None:
        """Add one value."""
        self._waiting[column].append(value)

    def extend(self, column: str, values: Any) -> None:
        """Add values: a list, or an array of the column's own type."""
        if isinstance(values, np.ndarray):
            self._waiting[column].frombytes(values.tobytes())
        else:
            self._waiting[column].extend(values)

    def add(self, other: Columns, before: int = 0) -> None:
        """Add columns that wait in memory; their ends are counted on from ours, their lines from `before`."""
        ahead = {"short_end": self.size("short"), "long_end": self.size("long"), "line": before}
        for column, values in other._waiting.items():
            if values:
                by = ahead.get(column, 0)
                self._waiting[column].extend([by + value for value in values] if by else values)

    def waiting(self) -> dict[str, bytes]:
        """What waits in memory."""
        return {column: values.tobytes() for column, values in self._waiting.items() if values}

    def wait(self, told: Mapping[str, bytes]) -> None:
        """Add what `waiting` told."""
        for column, values in told.items():
            self._waiting[column].frombytes(values)

    def size(self, column: str) -> int:
        """How many values there are."""
        return self._written[column] + len(self._waiting[column])

    def get(self, column: str) -> NDArray[Any]:
        """All values."""
        kind = np.dtype(KINDS[column][1])
        if self._folder is None:
            waiting = self._waiting[column]
            return np.array(np.frombuffer(waiting, kind)) if waiting else np.empty(0, kind)
        self.flush()
        if not self._written[column]:
            return np.empty(0, kind)
        return np.memmap(self._file(column), kind, "r", shape=(self._written[column],))

    def flush(self) -> None:
        """Write what waits; nothing happens in memory."""
        if self._folder is None:
            return
        for column, waiting in self._waiting.items():
            if waiting:
                with self._file(column).open("ab") as handle:
                    waiting.tofile(handle)
                self._written[column] += len(waiting)
                del waiting[:]

    def state(self) -> dict[str, int]:
        """How long each column is on disk; flushes."""
        self.flush()
        return dict(self._written)

    def restore(self, state: Mapping[str, int]) -> None:
        """Go back to the lengths that `state` returned: what a cut-off run wrote after them is dropped."""
        for column, count in state.items():
            size = np.dtype(KINDS[column][1]).itemsize
            path = self._file(column)
            with path.open("ab") as handle:
                handle.truncate(count * size)
            self._written[column] = count

    def _file(self, column: str) -> Path:
        assert self._folder is not None
        return self._folder / f"{self._name}.{column}"
