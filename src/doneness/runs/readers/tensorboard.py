"""Reads TensorBoard event files: one file, or all those in a folder as one log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from doneness.core import UnreadableError, say
from doneness.runs.readers import files, tfrecord
from doneness.runs.readers.events import extract, shape_of
from doneness.runs.readers.generic import Source, runs_of
from doneness.runs.readers.rows import Loss
from doneness.runs.readers.table import Table
from doneness.runs.run import Floats, Ints, Run

_MARK = "tfevents"
_BATCH = 100_000
# Graphs and images are larger; a scalar's record is not.
_LARGEST = 4096
_FEW = 4
_SUMMARY = "train/train_runtime"


@dataclass(frozen=True)
class _Log:
    """The scalars of one file: per event its step and wall time, per tag the events and values."""

    file: Path
    step: Floats
    wall: Floats
    tags: dict[str, tuple[Ints, Floats]]
    lost: int
    cut: bool


def detect(path: Path) -> Path | None:
    """`path` where it is an event file, or a folder with one directly in it."""
    if path.is_dir():
        return path if event_files(path) else None
    return path if _is_events(path) else None


def event_files(folder: Path) -> list[Path]:
    """The event files in a folder, in order of name, which begins with the time."""
    try:
        return sorted(f for f in folder.iterdir() if is_named(f) and f.is_file())
    except OSError:
        return []


def is_named(place: Path) -> bool:
    """Whether a file is called as event files are."""
    return _MARK in place.name and not place.name.endswith(".json")


def _is_events(path: Path) -> bool:
    start = files.head(path, 64)
    if len(start) < 16:
        return False
    data = np.frombuffer(start, dtype=np.uint8)
    zero = np.zeros(1, dtype=np.int64)
    header = bool((tfrecord.masked_crc(data[None, :8]) == tfrecord.words(data, zero + 8)).all())
    return (header and start[12] in (0x09, 0x10, 0x1A, 0x2A)) or (_MARK in path.name and b"\0" in start)


def read(path: Path) -> list[Run]:
    """The trainings in a file, or in the files of a folder one after another.

    Raises:
        UnreadableError: no scalar can be read.
    """
    sources = event_files(path) if path.is_dir() else [path]
    logs, faults = [], []
    for file in sources:
        try:
            logs.append(_log(file))
        except UnreadableError as error:
            faults.append(error)
    unopened = bool(faults)
    # Of a file without any scalar nobody can tell which training it was of.
    homeless = sum(log.lost for log in logs if not log.tags)
    logs = [log for log in logs if log.tags]
    if not logs:
        if faults and len(faults) == len(sources):
            raise faults[0]
        # Texts and hyperparameters alone, as TensorBoard keeps them in files of their own.
        raise files.NothingLoggedError(str(files.refuse("nothing_logged", path)))
    found: list[Run] = []
    groups = _groups(sorted(logs, key=_begun))
    for logs_of_one in groups:
        whole = path if len(groups) == 1 else logs_of_one[0].file
        name = path.resolve().name if whole.is_dir() else whole.stem
        notes = _notes(logs_of_one)
        if faults and not found:
            notes.append(str(say("runs.note.unread", count=len(faults), first=str(faults[0]))))
        try:
            lost = Loss(homeless + sum(log.lost for log in logs_of_one), unopened)
            found += runs_of(_table(logs_of_one), Source(whole, name, "tensorboard"), notes, loss=lost)
        except UnreadableError as error:
            faults.append(error)
    if not found:
        raise faults[0]
    return found


def _notes(logs: list[_Log]) -> list[str]:
    kept, lost = sum(log.step.size for log in logs), sum(log.lost for log in logs)
    cut = sum(log.cut for log in logs)
    notes = [str(say("runs.note.cut", kept=kept))] if cut else []
    if lost > cut:
        notes.append(str(say("runs.note.lost", count=lost, share=lost / (lost + kept), kept=kept)))
    return notes


def _begun(log: _Log) -> float:
    return float(np.nanmin(log.wall)) if np.isfinite(log.wall).any() else np.inf


def _groups(logs: list[_Log]) -> list[list[_Log]]:
    """Files that tell one training: a resume, or the evaluation after it, continues the file before."""
    groups: list[list[_Log]] = []
    for log in logs:
        if groups and _continues(groups[-1][-1], log):
            groups[-1].append(log)
        else:
            groups.append([log])
    return groups


def _continues(early: _Log, late: _Log) -> bool:
    begun, ended = np.unique(late.step), float(early.step.max())
    if begun.size == 1:
        return bool(begun[0] == ended)
    # A training from the start logs its first row one interval in; a resume begins further on, without a gap.
    interval = float(np.median(np.diff(begun)))
    return bool(begun[0] > 1.5 * interval and begun[0] <= ended + 2.0 * interval)


def _log(file: Path) -> _Log:
    raw = files.content(file)
    data = np.frombuffer(raw, dtype=np.uint8)
    starts, lengths, lost, cut = tfrecord.frame(raw)
    step = np.full(starts.size, np.nan)
    wall = np.full(starts.size, np.nan)
    found: dict[str, list[tuple[Ints, Floats]]] = {}
    rare: list[Ints] = []
    for width in np.unique(lengths[(lengths > 0) & (lengths <= _LARGEST)]).tolist():
        alike = np.flatnonzero(lengths == width)
        if alike.size < _FEW and all(shape_of(raw[starts[i] : starts[i] + width]) is None for i in alike.tolist()):
            rare.append(alike)  # texts and graphs, most likely; or scalars that damage made unreadable
            continue
        for first in range(0, alike.size, _BATCH):
            records = alike[first : first + _BATCH]
            holds = tfrecord.data_holds(data, starts[records], width)
            lost += int((~holds).sum())
            records = records[holds]
            if records.size == 0:
                continue
            for part in extract(tfrecord.gather(data, starts[records], width), records):
                step[part.records] = part.step
                wall[part.records] = part.wall
                for tag, values in part.values.items():
                    found.setdefault(tag, []).append((part.records, values))
    if rare:
        others = np.concatenate(rare)
        lost += int((~tfrecord.each_holds(data, starts[others], lengths[others])).sum())
    used = np.flatnonzero(np.isfinite(step))
    rank = np.zeros(starts.size, dtype=np.int64)
    rank[used] = np.arange(used.size)
    tags = {}
    for tag, parts in found.items():
        rows = rank[np.concatenate([p[0] for p in parts])]
        order = np.argsort(rows, kind="stable")
        tags[tag] = (rows[order], np.concatenate([p[1] for p in parts])[order])
    return _Log(file, step[used], wall[used], tags, lost, cut)


def _table(logs: list[_Log]) -> Table:
    table = Table()
    begun = min((float(np.nanmin(log.wall)) for log in logs if np.isfinite(log.wall).any()), default=0.0)
    for log in logs:
        columns: dict[str, Floats] = {"step": log.step, "elapsed": log.wall - begun}
        absent = {}
        for tag, (rows, values) in log.tags.items():
            if _hides(tag, log):
                continue
            full, gone = np.full(log.step.size, np.nan), np.ones(log.step.size, dtype=bool)
            full[rows], gone[rows] = values, False
            columns[tag], absent[tag] = full, gone
        table.extend_columns(columns, log.step.size, absent)
    return table


def _hides(tag: str, log: _Log) -> bool:
    """The Trainer's summary at the end: a mean over the run, and no point of its curve."""
    if tag in ("step", "elapsed"):
        return True
    return _SUMMARY in log.tags and tag in ("train/train_loss", _SUMMARY, "train/total_flos")
