"""Runs from what an experiment tracker kept: the rows logged, the configuration, and the run's name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from doneness.runs.readers import config_facts
from doneness.runs.readers.generic import Source, runs_of
from doneness.runs.readers.rows import Loss, Row
from doneness.runs.readers.table import Table, as_number
from doneness.runs.run import Run

_BATCH = 20_000
_RUNTIME = "train_runtime"
# One row at the end sums the run up: its train_loss is a mean over all steps and no point of a curve.
_SUMMARY = (_RUNTIME, "train_loss", "total_flos", "train_samples_per_second", "train_steps_per_second")


@dataclass(frozen=True)
class Tracked:
    """One run of a tracker: its rows in the order logged, and the configuration by key."""

    source: Source
    rows: list[Row]
    config: dict[str, Any] = field(default_factory=dict)


def runs_in(tracked: Tracked, notes: Sequence[str] = (), loss: Loss | None = None) -> list[Run]:
    """The trainings in a tracker's run, nearly always one.

    Args:
        tracked: what the tracker kept.
        notes: what the reader had to leave out.
        loss: rows that are not among those of `tracked`.

    Raises:
        UnreadableError: no column of losses is recognised, or none holds a number.
    """
    table = Table()
    seconds = None
    for first in range(0, len(tracked.rows), _BATCH):
        batch = tracked.rows[first : first + _BATCH]
        seconds = _drop_summary(batch) or seconds
        table.extend(batch)
    facts = config_facts.from_config(tracked.config)
    if seconds is not None:
        facts["train_seconds"] = seconds
    return [replace(run, meta=facts | dict(run.meta)) for run in runs_of(table, tracked.source, notes, loss=loss)]


def _drop_summary(rows: Iterable[Row]) -> float | None:
    """Take the Trainer's summary out of the rows; the seconds it tells."""
    seconds = None
    for row in rows:
        for prefix in ("train/", ""):
            if prefix + _RUNTIME not in row:
                continue
            value = row[prefix + _RUNTIME]
            if isinstance(value, (int, float)) and value > 0:
                seconds = float(value)
            for key in _SUMMARY:
                row.pop(prefix + key, None)
    return seconds


def spread(row: Row, key: str, value: Any, depth: int = 0) -> None:
    """Put the numbers of a value into the row; pictures, tables and histograms are none."""
    if type(value) is float or type(value) is int:
        row[key] = value
        return
    if isinstance(value, dict):
        if "_type" not in value and depth < 8:
            for name, inner in value.items():
                spread(row, f"{key}/{name}", inner, depth + 1)
        return
    number = as_number(value)
    if number is not None:
        row[key] = number
