"""Checkpoint folders: which there are, and which of their logs tell the same run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from doneness.runs.readers import facts
from doneness.runs.run import Checkpoint, Run

_PREFIX = "checkpoint-"


def step_of(folder: Path) -> int:
    """The step in a checkpoint folder's name, -1 where there is none."""
    tail = folder.name.rpartition("-")[2]
    return int(tail) if folder.name.startswith(_PREFIX) and tail.isdecimal() and len(tail) < 16 else -1


def folders(root: Path) -> list[Path]:
    """The checkpoint folders in `root`, in order of step."""
    try:
        found = [c for c in root.iterdir() if step_of(c) >= 0 and c.is_dir()]
    except OSError:
        return []
    return sorted(found, key=step_of)


def states(root: Path, file: str) -> list[Path]:
    """The state files in a folder and in its checkpoints, the folder's own first, then the newest."""
    candidates = [root / file, *(c / file for c in reversed(folders(root)))]
    return [c for c in candidates if c.is_file()]


def root_of(folder: Path) -> Path:
    """The output folder that a checkpoint folder lies in; the folder itself where it is none."""
    return folder.parent if step_of(folder) >= 0 else folder


def listed(root: Path) -> tuple[Checkpoint, ...]:
    """The checkpoints on disk; those that were rotated away leave no trace in the Trainer's log."""
    return tuple(Checkpoint(step_of(c), c, True) for c in folders(root))


def with_siblings(run: Run, folder: Path) -> Run:
    """The run of one state file, with the checkpoints that lie beside it."""
    root = root_of(folder)
    meta = dict(run.meta) if root == folder else facts.beside(root) | dict(run.meta)
    return replace(run, checkpoints=listed(root), meta=meta)


def merge(runs: list[Run], root: Path) -> list[Run]:
    """One run for each history: a history that another one begins with is the same run, seen earlier.

    Paths do not decide: a folder that was trained into twice holds checkpoints of two runs.
    """
    longest: list[tuple[Run, list[Path]]] = []
    for run in sorted(runs, key=lambda r: -r.last_step):
        home = next((members for head, members in longest if begins_with(head, run)), None)
        place = [] if run.path is None else [run.path.parent]
        if home is None:
            longest.append((run, place))
        else:
            home += place
    kept = listed(root_of(root))
    claimed = {p for _, members in longest for p in members}
    # Configuration and results lie in the output folder, the newest log in a checkpoint.
    shared = facts.beside(root_of(root)) if len(longest) == 1 else {}
    found = []
    for index, (run, members) in enumerate(longest):
        # A checkpoint without a log of its own is taken for one of the run that came furthest.
        mine = tuple(c for c in kept if c.path in members or (index == 0 and c.path not in claimed))
        if len(longest) == 1:
            mine = kept
        found.append(replace(run, name=_name(root, run, index), meta=shared | dict(run.meta), checkpoints=mine))
    return found


def _name(root: Path, run: Run, index: int) -> str:
    place = root.resolve()
    name = f"{place.parent.name}/{place.name}" if step_of(place) >= 0 else place.name
    if index and run.path is not None:
        return f"{name}/{run.path.parent.name}"
    return name


def begins_with(whole: Run, part: Run) -> bool:
    """Whether the log of `whole` begins with that of `part`, value by value."""
    shared = [name for name in part.series if name in whole.series]
    if not shared or len(shared) < len(part.series):
        return False
    for name in shared:
        early, late = part.series[name], whole.series[name]
        n = len(early)
        if n > len(late) or not np.array_equal(early.step, late.step[:n]):
            return False
        if not np.array_equal(early.value, late.value[:n], equal_nan=True):
            return False
    return True
