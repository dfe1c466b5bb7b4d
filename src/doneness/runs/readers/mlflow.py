"""Reads MLflow: the folders of its file store (`mlruns`), and its database `mlflow.db`.

Source of the format: mlflow/store/tracking/file_store.py (meta.yaml, metrics/<name> with lines of
"timestamp value step", params/<name>) and mlflow/store/tracking/dbmodels/models.py. A slash in a metric's
name is a sub-folder. Deleted runs stay where they are, marked in meta.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError, say
from doneness.runs.readers import files, metric_points, sqlite_file, tracked, yaml_lines
from doneness.runs.readers.generic import Source
from doneness.runs.readers.metric_points import Points
from doneness.runs.readers.names import is_loss
from doneness.runs.readers.rows import Loss, lost_notes
from doneness.runs.run import Run

META = "meta.yaml"
_DELETED = "deleted"


@dataclass
class _Stored:
    """One run of a store."""

    path: Path
    name: str
    deleted: bool = False
    begun: float = 0.0
    metrics: dict[str, Points] = field(default_factory=dict)
    params: dict[str, str] = field(default_factory=dict)
    loss: Loss = field(default_factory=Loss)


def detect(path: Path) -> Path | None:
    """`path` where it is the folder of a store, of an experiment or of a run, or a database of MLflow."""
    if path.is_dir():
        return path if next(_run_folders(path), None) is not None else None
    return path if "run_uuid" in sqlite_file.tables(path).get("metrics", set()) else None


def read(path: Path) -> list[Run]:
    """The runs at `path` in the order begun; those that were deleted are left out, with a note.

    Raises:
        UnreadableError: no run that was not deleted logged a loss.
    """
    stored = list(map(_of_folder, _run_folders(path))) if path.is_dir() else _of_database(path)
    kept = sorted((s for s in stored if not s.deleted), key=lambda s: s.begun)
    found: list[Run] = []
    faults: list[UnreadableError] = []
    for one in kept:
        try:
            found += _runs(one)
        except UnreadableError as error:
            faults.append(error)
    if not found:
        raise faults[0] if faults else files.refuse("nothing_logged", path)
    notes = []
    if len(stored) > len(kept):
        notes.append(str(say("runs.note.deleted_runs", count=len(stored) - len(kept))))
    if faults:
        notes.append(str(say("runs.note.lossless", count=len(faults))))
    found[0] = replace(found[0], notes=(*found[0].notes, *notes))
    return found


def _runs(stored: _Stored) -> list[Run]:
    if not stored.metrics:
        raise files.refuse("nothing_logged", stored.path)
    joined = metric_points.joined(stored.metrics)
    notes = lost_notes(stored.loss, sum(len(p.value) for p in stored.metrics.values()))
    if joined.counted:
        notes.append(str(say("runs.note.no_step")))
    if joined.moved:
        notes.append(str(say("runs.note.own_axis", names=", ".join(joined.moved))))
    source = Source(stored.path, stored.name, "mlflow")
    # The folders' files are appended to: a torn end is one row, and nothing written at once is missing.
    loss = stored.loss if stored.path.is_file() else Loss(stored.loss.rows)
    return tracked.runs_in(tracked.Tracked(source, joined.rows, dict(stored.params)), notes, loss)


def _run_folders(root: Path, depth: int = 2) -> Iterator[Path]:
    """The folders of runs: `root` itself, those in an experiment, or those in all experiments of a store."""
    meta = yaml_lines.flat(files.small_text(root / META))
    if ("run_id" in meta or "run_uuid" in meta) and "lifecycle_stage" in meta:
        yield root
        return
    if depth == 0 or (depth == 1 and "experiment_id" not in meta):
        return
    try:
        inside = sorted(p for p in root.iterdir() if (p / META).is_file())
    except OSError:
        return
    for folder in inside:
        if not folder.name.startswith("."):  # .trash holds deleted experiments
            yield from _run_folders(folder, depth - 1)


def _of_folder(folder: Path) -> _Stored:
    meta = yaml_lines.flat(files.small_text(folder / META))
    name = meta.get("run_name") or files.small_text(folder / "tags" / "mlflow.runName").strip() or folder.name
    stored = _Stored(folder, name, meta.get("lifecycle_stage") == _DELETED, _number(meta.get("start_time")))
    if stored.deleted:
        return stored
    worst = 0
    for file in _below(folder / "metrics"):
        name, loss = file.relative_to(folder / "metrics").as_posix(), Loss()
        points = _points(file, loss)
        if points.value:
            stored.metrics[name] = points
        # A row is a step: losses have steps of their own, the other metrics those of the losses.
        stored.loss.rows += loss.rows if is_loss(name) else 0
        stored.loss.cut |= loss.cut
        worst = max(worst, loss.rows)
    stored.loss.rows = max(stored.loss.rows, worst)
    for file in _below(folder / "params"):
        stored.params[file.relative_to(folder / "params").as_posix()] = files.small_text(file).strip()
    return stored


def _below(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _points(file: Path, loss: Loss) -> Points:
    """The points of one metric; a last line without its end is a cut one."""
    points = Points()
    data = files.content(file)
    lines = data.splitlines()
    if data and not data.endswith(b"\n"):
        # What stands there may be the beginning of a longer number.
        lines.pop()
        loss.cut = True
        loss.rows += 1
    cells = [parts for parts in map(bytes.split, lines) if parts]
    # Early versions wrote no steps, late ones write a data set behind them.
    known = (2,) if all(len(parts) < 3 for parts in cells) else (3, 4, 5)
    for parts in cells:
        try:
            at, value = float(parts[0]), float(parts[1])
            step = int(parts[2]) if len(parts) > 2 else 0
        except (ValueError, IndexError):
            loss.rows += 1
            continue
        if len(parts) in known:
            points.append(step, value, at / 1000.0)
        else:
            loss.rows += 1  # without its step, or glued to the next
    return points


def _of_database(path: Path) -> list[_Stored]:
    stored: dict[str, _Stored] = {}
    with sqlite_file.opened(path) as connection:
        named = sqlite_file.Rows(connection, "SELECT run_uuid, name, lifecycle_stage, start_time FROM runs")
        for key, name, stage, begun in named:
            stored[key] = _Stored(path, str(name or key), stage == _DELETED, _number(begun))
        unread = 0
        logged = sqlite_file.Rows(connection, "SELECT run_uuid, key, value, timestamp, step, is_nan FROM metrics")
        for key, name, value, at, step, is_nan in logged:
            run = stored.get(key)
            if run is None or not isinstance(step, int) or not isinstance(value, (int, float)):
                unread += 1
                continue
            points = run.metrics.setdefault(str(name), Points())
            # Without infinities in its columns, MLflow stores the largest float there is.
            number = math.nan if is_nan else math.copysign(math.inf, value) if abs(value) > 1e300 else float(value)
            points.append(step, number, _number(at) / 1000.0)
        cut = logged.cut or named.cut or not sqlite_file.is_sound(connection)
        for key, name, value in sqlite_file.Rows(connection, "SELECT run_uuid, key, value FROM params"):
            if key in stored:
                stored[key].params[str(name)] = str(value)
    for run in stored.values():
        run.loss.cut, run.loss.rows = cut, unread + cut  # nobody knows whose rows they were
    return list(stored.values())


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0
