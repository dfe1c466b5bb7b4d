"""Many paths, one list of runs: patterns expanded, each run once, and what cannot be read named, not fatal."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from doneness.core import DonenessError, UnreadableError
from doneness.runs import Run, read
from doneness.runs.readers import checkpoints, trainer_state
from doneness.workflows.mapping import refuse_unknown_columns

EXPORTED = "doneness.json"  # what `doneness export` writes beside a model


@dataclass(frozen=True)
class Unreadable:
    """A path that could not be used, and the one line that says why."""

    path: str
    error: str


@dataclass(frozen=True)
class Gathered:
    """The runs found, in the order asked for, and the paths that gave none.

    Attributes:
        beside: faults of logs in a folder whose other logs were read, one line each.
    """

    runs: list[Run] = field(default_factory=list)
    unreadable: list[Unreadable] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)


def gather(paths: Iterable[str | Path], mapping: Mapping[str, str] | None = None) -> Gathered:
    """Read every path.

    Args:
        paths: files, folders, patterns that no shell expanded, or addresses such as hf://owner/name.
        mapping: column → series name, for tables whose columns are named unusually.
    """
    found = Gathered()
    asked = expanded(paths)
    beside: list[UnreadableError] = []
    for path in asked:
        try:
            found.runs.extend(_read(path, mapping or {}, beside))
        except DonenessError as error:
            # Among many, what was exported from a run is no run that failed to be read.
            if len(asked) == 1 or not _exported(path):
                found.unreadable.append(Unreadable(path, str(error)))
    return Gathered(once(found.runs), found.unreadable, list(dict.fromkeys(map(str, beside))))


def _read(path: str, mapping: Mapping[str, str], beside: list[UnreadableError]) -> list[Run]:
    if not mapping:
        return read(path, unread=beside)
    # A wrong column is told before whatever else its absence leads to.
    refuse_unknown_columns(path, [], mapping)
    runs = read(path, mapping, beside)
    refuse_unknown_columns(path, runs, mapping)
    return runs


def expanded(paths: Iterable[str | Path]) -> list[str]:
    """The paths with patterns resolved, each once; an address or a path that exists is left as it is."""
    out: list[str] = []
    for path in map(str, paths):
        fixed = "://" in path or not glob.has_magic(path) or _there(path)
        # Path.glob takes no absolute pattern.
        out += [path] if fixed else sorted(glob.glob(path, recursive=True)) or [path]  # noqa: PTH207
    return list(dict.fromkeys(out))


def once(runs: Sequence[Run]) -> list[Run]:
    """Each run once: the same file read twice, or a checkpoint's log of a run that another log tells to its end."""
    kept: list[Run] = []
    by_place: dict[tuple[str, Path, str], int] = {}
    by_home: dict[Path, list[int]] = {}
    for run in runs:
        place, home = _place(run), _home(run)
        twin = by_place.get(place) if place else None
        if twin is None and home is not None:
            twin = next((i for i in by_home.get(home, ()) if _one_history(run, kept[i])), None)
        if twin is None:
            twin = len(kept)
            kept.append(run)
            if home is not None:
                by_home.setdefault(home, []).append(twin)
        elif run.last_step > kept[twin].last_step:
            kept[twin] = run
        if place:
            by_place.setdefault(place, twin)
    return kept


def _place(run: Run) -> tuple[str, Path, str] | None:
    """What two readings of one log have in common; a table may hold several runs, a state file holds one."""
    if run.path is None:
        return None
    return run.kind, run.path.resolve(), "" if run.kind == "hf_trainer" else run.name


def _home(run: Run) -> Path | None:
    """The output folder of a Trainer's log, the same for all of its checkpoints."""
    if run.path is None or run.path.name != trainer_state.FILE:
        return None
    return checkpoints.root_of(run.path.resolve().parent)


def _one_history(run: Run, other: Run) -> bool:
    early, late = sorted((run, other), key=lambda r: r.last_step)
    return checkpoints.begins_with(late, early)


def _exported(path: str) -> bool:
    return _there(path) and (Path(path) / EXPORTED).is_file()


def _there(path: str) -> bool:
    try:
        return Path(path).exists()
    except (OSError, ValueError):
        return False
