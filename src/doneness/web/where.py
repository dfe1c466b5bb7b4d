"""How a worker is told of a log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Where:
    """A unit, and how it looked when it was asked for.

    Attributes:
        root: the folder that is served.
        place: seen from there.
        print: the fingerprint.
        folder: whether it is one.
    """

    root: Path
    place: str
    print: str
    folder: bool

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self.root / self.place if self.place else self.root
