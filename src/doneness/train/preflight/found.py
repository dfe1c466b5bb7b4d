"""What a part of the pre-flight found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from doneness.core import Message, say, tr
from doneness.models import Encoded


@dataclass
class Found:
    """Faults forbid the run, doubts are said, and what was measured makes up one line.

    Attributes:
        faults: what cannot be trained, each with what to do.
        doubts: what is unusual and may be meant.
        measured: parts of the closing line.
    """

    faults: list[str] = field(default_factory=list)
    doubts: list[Message] = field(default_factory=list)
    measured: list[Message] = field(default_factory=list)

    def fault(self, key: str, **numbers: Any) -> None:
        """Something that forbids the run."""
        self.faults.append(tr(f"preflight.fault.{key}", **numbers))

    def doubt(self, key: str, **numbers: Any) -> None:
        """Something that is to be known."""
        self.doubts.append(say(f"preflight.doubt.{key}", **numbers))

    def measure(self, key: str, **numbers: Any) -> None:
        """Something for the closing line."""
        self.measured.append(say(f"preflight.measured.{key}", **numbers))


def answers_of(row: Any) -> tuple[Encoded, ...]:
    """The questions with answers that a training row of any stage holds: two of a pair, none of a bare prompt."""
    if isinstance(row, Encoded):
        return (row,)
    if hasattr(row, "chosen"):
        return (row.chosen, row.rejected)
    inner = getattr(row, "row", None)
    return (inner,) if isinstance(inner, Encoded) else ()


def named(names: Sequence[str], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else tr("preflight.and_more", names=shown, more=len(names) - most)
