"""One evaluation, and a checkpoint's files, as the journal has them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doneness.runs import ExampleLosses


@dataclass(frozen=True)
class Evaluation:
    """One evaluation as it goes into the journal.

    Attributes:
        loss: mean loss, nats per target token; None takes that of the rows, if there are any.
        rows: per-example losses, where known.
        name: of the evaluation set.
        metrics: everything else that was measured.
        epoch: passes over the training data.
        facts: further fields of the record.
    """

    loss: float | None = None
    rows: ExampleLosses | None = None
    name: str = "eval"
    metrics: Mapping[str, float] = field(default_factory=dict)
    epoch: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def as_seen_from(folder: Path, place: Path) -> str:
    """Relative where both lie in one tree, so that the tree can be moved."""
    home, there = folder.resolve(), place.resolve()
    return os.path.relpath(there, home) if there.is_relative_to(home.parent) else str(there)


def sizes(place: Path) -> dict[str, int]:
    """Bytes of a file, or of the files in a folder, by name."""
    files = [place] if place.is_file() else sorted(file for file in place.iterdir() if file.is_file())
    return {file.name: file.stat().st_size for file in files}
