"""Reads Trackio's databases, `<project>.db`: one run for each that was logged to the project.

Source of the format: trackio/sqlite_storage.py. The table `metrics` holds a JSON object a row. The parquet files
that Trackio writes for the Hub are exports of the same rows and are not read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError, say
from doneness.runs.readers import files, sqlite_file, tracked
from doneness.runs.readers.generic import Source
from doneness.runs.readers.rows import Loss, Row, lost_notes
from doneness.runs.run import Run

_METRICS, _CONFIGS = "metrics", "configs"


def detect(path: Path) -> Path | None:
    """`path` where it is such a database."""
    if not path.is_file():
        return None
    return path if {"run_name", "step", "metrics"} <= sqlite_file.tables(path).get(_METRICS, set()) else None


def read(path: Path) -> list[Run]:
    """The runs in the database, in the order begun.

    Raises:
        UnreadableError: no run in it logged a loss.
    """
    known = sqlite_file.tables(path)
    loss = Loss()
    with sqlite_file.opened(path) as connection:
        columns = ", ".join((_key(known[_METRICS]), "run_name", "step", "timestamp", "metrics"))
        logged = sqlite_file.Rows(connection, f"SELECT {columns} FROM metrics")
        names: dict[str, str] = {}
        rows: dict[str, list[Row]] = {}
        begun: dict[str, float] = {}
        for run, name, step, at, text in logged:
            values = _object(text)
            if values is None:
                loss.rows += 1
                continue
            seconds = _seconds(at)
            names[run] = str(name)
            row: Row = {"_step": step}
            if seconds is not None:
                row["elapsed"] = seconds - begun.setdefault(run, seconds)
            for key, value in values.items():
                tracked.spread(row, str(key), value)
            rows.setdefault(run, []).append(row)
        configs: dict[str, dict[str, Any]] = {}
        if _CONFIGS in known:
            for run, text in sqlite_file.Rows(connection, f"SELECT {_key(known[_CONFIGS])}, config FROM configs"):
                configs[run] = _object(text) or {}
        loss.cut = logged.cut or not sqlite_file.is_sound(connection)
    loss.rows += loss.cut
    return _runs(path, [(names[run], rows[run], configs.get(run, {})) for run in rows], loss)


def _key(columns: set[str]) -> str:
    # Early versions knew a run by its name alone.
    return "run_id" if "run_id" in columns else "run_name"


def _runs(path: Path, logged: list[tuple[str, list[Row], dict[str, Any]]], loss: Loss) -> list[Run]:
    found: list[Run] = []
    faults: list[UnreadableError] = []
    for name, rows, config in logged:
        try:
            found += tracked.runs_in(tracked.Tracked(Source(path, name, "trackio"), rows, config), loss=loss)
        except UnreadableError as error:
            faults.append(error)
    if not found:
        raise faults[0] if faults else files.refuse("nothing_logged", path)
    notes = lost_notes(loss, sum(len(rows) for _, rows, _ in logged))
    if faults:
        notes.append(str(say("runs.note.lossless", count=len(faults))))
    found[0] = replace(found[0], notes=(*found[0].notes, *notes))
    return found


def _object(text: Any) -> dict[str, Any] | None:
    try:
        found = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _seconds(at: Any) -> float | None:
    try:
        return datetime.fromisoformat(at).timestamp()
    except (TypeError, ValueError, OverflowError, OSError):
        return None
