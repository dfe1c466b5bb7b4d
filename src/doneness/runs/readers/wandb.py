"""Reads the local folders of W&B: a `.wandb` file, a run folder, or a `wandb` folder with many.

The history in the `.wandb` file is what the author logged. Where there is none, the console output that
W&B kept beside it is read instead.
"""

from __future__ import annotations

import math
import os
import re
import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from doneness.core import UnreadableError, say
from doneness.runs.readers import config_facts, files, leveldb, printed_dicts, text_lines, tracked, yaml_lines
from doneness.runs.readers.generic import Source
from doneness.runs.readers.rows import Loss, lost_notes
from doneness.runs.readers.wandb_records import Told, told
from doneness.runs.run import Run

_FOLDER = re.compile(r"(?:offline-)?run-(\d{8}_\d{6})-(.+)")
_LATEST = "latest-run"
_OUTPUT = ("files", "output.log")
_CONFIG = ("files", "config.yaml")


@dataclass(frozen=True)
class _Log:
    """One `.wandb` file: what its records say, and what of it was damaged."""

    file: Path
    told: Told
    loss: Loss


def detect(path: Path) -> Path | None:
    """`path` where it is such a file, a run folder, or the folder that W&B keeps its runs in."""
    if not path.is_dir():
        return path if files.head(path, 16).startswith(leveldb.MAGIC) else None
    if _is_run(path):
        return path
    inside = path.name == "wandb" or (path / _LATEST).exists()
    return path if inside and next(_run_folders(path), None) is not None else None


def read(path: Path) -> list[Run]:
    """The runs at `path`; folders of one run that was resumed are one run.

    Raises:
        UnreadableError: no history and no console output that tells a loss.
    """
    if not path.is_dir():
        return _of_logs([_log(path)])
    found: list[Run] = []
    faults: list[UnreadableError] = []
    for folders in _same_run([path] if _is_run(path) else list(_run_folders(path))):
        try:
            found += _of_folders(folders)
        except UnreadableError as error:
            faults.append(error)
    if not found:
        raise faults[0] if faults else files.refuse("nothing_logged", path)
    if faults:
        note = str(say("runs.note.unread", count=len(faults), first=str(faults[0])))
        found[0] = replace(found[0], notes=(*found[0].notes, note))
    return found


def _run_folders(root: Path) -> Iterator[Path]:
    """The run folders in a folder in order of time, each once: `latest-run` is a link to one of them."""
    seen: set[str] = set()
    try:
        inside = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: (_begun(p), p.name))
    except OSError:
        return
    for folder in inside:
        real = os.path.realpath(folder)
        if folder.name != _LATEST and real not in seen and _is_run(folder):
            seen.add(real)
            yield folder


def _begun(folder: Path) -> str:
    match = _FOLDER.fullmatch(folder.name)
    return match[1] if match else "~"


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a history, or has the name and the console output of a run."""
    named = _FOLDER.fullmatch(folder.resolve().name) is not None
    return _history(folder) is not None or (named and folder.joinpath(*_OUTPUT).is_file())


def _history(folder: Path) -> Path | None:
    try:
        return min(folder.glob("run-*.wandb"), default=None)
    except OSError:
        return None


def _same_run(folders: list[Path]) -> list[list[Path]]:
    """Folders by the id in their name, which a resumed run keeps."""
    groups: dict[str, list[Path]] = {}
    for folder in folders:
        match = _FOLDER.fullmatch(folder.resolve().name)
        groups.setdefault(match[2] if match else str(folder), []).append(folder)
    return list(groups.values())


def _of_folders(folders: list[Path]) -> list[Run]:
    logs: list[_Log] = []
    faults: list[UnreadableError] = []
    for file in filter(None, map(_history, folders)):
        try:
            logs.append(_log(file))
        except UnreadableError as error:
            faults.append(error)
    try:
        if not logs:
            raise faults[0] if faults else files.refuse("nothing_logged", folders[0])
        found = _of_logs(logs)
    except UnreadableError as error:
        spoken = [run for folder in folders for run in _of_output(folder)]
        if not spoken:
            raise
        note = [] if not logs and not faults else [str(say("runs.note.console_instead", reason=str(error)))]
        return [replace(run, notes=(*run.notes, *note)) for run in spoken]
    if faults:
        note = [str(say("runs.note.unread", count=len(faults), first=str(faults[0])))]
        # A part of the run is gone, and nobody knows how large it was.
        found = [replace(run, notes=(*run.notes, *note), damage=replace(run.damage, cut=True)) for run in found]
    return found


def _log(file: Path) -> _Log:
    data = files.content(file)
    if not data.startswith(leveldb.MAGIC):
        files.refuse_empty(file)
        raise files.refuse("no_wandb", file)
    frames = leveldb.frames(data)
    del data
    known = told(frames.records)
    # Of a damaged stretch, as many rows as would fit into it; a torn end costs the one that was being written.
    usual = statistics.median(map(len, frames.records)) if frames.records else math.inf
    bad = max(frames.bad + frames.cut, round(frames.gone / usual))
    return _Log(file, known, Loss(bad + known.bad, frames.cut))


def _of_logs(logs: list[_Log]) -> list[Run]:
    """The run that files tell one after another."""
    rows = [row for log in logs for row in log.told.rows]
    last = logs[-1]
    folder = last.file.parent
    if not rows:
        raise files.refuse("nothing_logged", last.file)
    loss = Loss(sum(log.loss.rows for log in logs), any(log.loss.cut for log in logs))
    config: dict[str, object] = dict(yaml_lines.flat(files.small_text(folder.joinpath(*_CONFIG))))
    for log in logs:
        config |= log.told.config
    match = _FOLDER.fullmatch(folder.resolve().name)
    name = last.told.name or last.told.run_id or (match[2] if match else last.file.stem)
    source = Source(folder if match else last.file, name, "wandb")
    # The file is appended to: its torn end is one row, and nothing written at once is missing.
    return tracked.runs_in(tracked.Tracked(source, rows, config), lost_notes(loss, len(rows)), Loss(loss.rows))


def _of_output(folder: Path) -> list[Run]:
    """What the console output of a run tells; none where it speaks of no loss."""
    file = folder.joinpath(*_OUTPUT)
    if not file.is_file():
        return []
    config = config_facts.from_config(yaml_lines.flat(files.small_text(folder.joinpath(*_CONFIG))))
    match = _FOLDER.fullmatch(folder.resolve().name)
    for reader in (printed_dicts, text_lines):
        if reader.detect(file) is None:
            continue
        try:
            runs = reader.read(file)
        except UnreadableError:
            continue
        named = [run.name.replace(file.stem, match[2] if match else folder.name, 1) for run in runs]
        return [replace(run, name=name, meta=config | dict(run.meta)) for run, name in zip(runs, named, strict=True)]
    return []
