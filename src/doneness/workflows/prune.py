"""Which checkpoints of a run can go, and deleting them.

What may go is decided by the diagnosis; what may be touched at all is decided here, by looks: a
folder checkpoint-N with weights in it and nothing that no trainer writes, directly below the run,
no link, and none that something kept links to. Deleting is a rename to a
hidden name and then a removal, so that an interrupted prune leaves no half checkpoint behind that
a trainer would resume from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from doneness.core import DonenessError, disk_faults, tr
from doneness.runs import read
from doneness.runs.atomic import sync
from doneness.runs.journal import FILE as JOURNAL
from doneness.runs.readers import files, trainer_state
from doneness.runs.readers.checkpoints import folders, root_of, states, step_of
from doneness.workflows.check import Judged, judge
from doneness.workflows.checkpoint_files import holds_weights, named_step, reached, stranger
from doneness.workflows.checkpoint_logs import Rescue, carry_out, rescue
from doneness.workflows.going import beyond, finished, short_of_plan

QUIET_SECONDS = 600.0
_HIDDEN = re.compile(r"\.checkpoint-\d+\.pruned")
_BEST = re.compile(rb'"best_model_checkpoint"\s*:\s*("(?:[^"\\]|\\.)*")')
_SPARED = ("foreign", "beyond", "own_files", "linked", "log")  # untouched, but not for being worth keeping
_LOGS = (JOURNAL, trainer_state.FILE, "trainer_log.jsonl")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One checkpoint on disk.

    Attributes:
        size: bytes of its files.
        keep: why it stays: "sweet", "recommended", "best", "lowest", "near", "last", "foreign", "beyond", "own_files",
            "linked", "log"; None where it can go.
        name: what in it is no checkpoint's, or the link that leads to it; the best step that it is near to, or the
            log's last step that it lies beyond.
    """

    step: int
    path: Path
    size: int
    keep: str | None
    name: str = ""


@dataclass(frozen=True)
class Pruning:
    """What would be deleted from the run in `root`, and what stays.

    Attributes:
        leftovers: hidden folders that an interrupted prune left; they go as well.
        logs: which log is copied to the run's folder first, so that none of its rows goes.
    """

    root: Path
    judged: Judged
    candidates: tuple[Candidate, ...]
    leftovers: tuple[Path, ...] = ()
    logs: Rescue = field(default_factory=Rescue)

    @property
    def doomed(self) -> tuple[Candidate, ...]:
        """Those that can go."""
        return tuple(c for c in self.candidates if c.keep is None)

    @property
    def freed(self) -> int:
        """Bytes that deleting them frees."""
        return sum(c.size for c in self.doomed) + sum(map(size_of, self.leftovers))


def plan_prune(
    path: str | Path,
    not_last: bool = False,
    mapping: Mapping[str, str] | None = None,
    unfinished: bool = False,
) -> Pruning:
    """Decide which checkpoints of the run at `path` can go; nothing is touched.

    Args:
        path: a run folder or the output folder of a Hugging Face Trainer.
        not_last: let the last checkpoint go too, where nothing else keeps it; the run cannot be resumed then.
        mapping: column → series name, for tables whose columns are named unusually.
        unfinished: also a run that is short of its plan and shows no end, once its log is quiet.

    Raises:
        DonenessError: no single run there, perhaps still being trained, no sweet spot, or nothing would be left.
    """
    place = Path(path)
    if not place.exists():
        read(place)  # says that it is missing
    root = root_of(place if place.is_dir() else place.parent).resolve()
    runs = read(root, mapping)
    # What lies beneath has checkpoints of its own, or none; they are not touched here.
    runs = [r for r in runs if any(c.path and c.path.parent.resolve() == root for c in r.checkpoints)] or runs
    if len(runs) > 1:
        raise DonenessError(tr("workflows.many_runs", path=str(root), count=len(runs)))
    # Left over from a longer run, they must not be judged by this one's losses.
    strays = tuple(c for c in folders(root) if beyond(runs[0], step_of(c)))
    judged = judge(replace(runs[0], checkpoints=tuple(c for c in runs[0].checkpoints if c.path not in strays)))
    there = folders(root)
    if not there:
        raise DonenessError(tr("workflows.prune.none", path=str(root)))
    _refuse_going(root, judged, unfinished)
    if judged.diagnosis.sweet_spot is None:
        raise DonenessError(tr("workflows.prune.no_spot", path=str(root), headline=str(judged.diagnosis.headline)))
    mine = [c for c in there if c not in strays]
    worth = _Worth(judged, _best_steps(root, judged), _near(mine, judged), () if not_last else _last(mine), strays)
    candidates = _candidates(root, [(c, *worth.reason(c)) for c in there])
    logs = _logs(root, candidates)
    candidates = tuple(replace(c, keep="log") if c.path in logs.kept else c for c in candidates)
    if not any(c.keep not in (None, *_SPARED) for c in candidates):
        raise DonenessError(tr("workflows.prune.nothing_left", path=str(root)))
    hidden = sorted(c for c in root.iterdir() if _HIDDEN.fullmatch(c.name) and _folder(c))
    held = reached(root, hidden)
    hidden = [c for c in hidden if c not in held]
    return Pruning(root, judged, candidates, tuple(hidden), logs)


def prune(pruning: Pruning) -> int:
    """Delete what `plan_prune` found can go.

    Returns:
        Bytes freed.

    Raises:
        StorageError: the disk refuses; what is not yet deleted stays whole.
    """
    freed = 0
    for place in pruning.leftovers:
        freed += _remove(place, size_of(place))
    # Looked at again: between plan and deed it may have been replaced, filled, linked to or written to.
    held = reached(pruning.root, [each.path for each in pruning.doomed])
    going = [c for c in pruning.doomed if _ours(c.path) and c.path not in held and not stranger(c.path)]
    logs = _logs(pruning.root, tuple(c if c in going else replace(c, keep="linked") for c in pruning.candidates))
    carry_out(pruning.root, logs)
    for each in going:
        if each.path in logs.kept or not _ours(each.path):
            continue
        hidden = each.path.with_name(f".{each.path.name}.pruned")
        with disk_faults(each.path):
            each.path.rename(hidden)
            sync(pruning.root)
        freed += _remove(hidden, each.size)
    return freed


def size_of(folder: Path) -> int:
    """Bytes of the files in a folder; links count for themselves alone."""
    if folder.is_symlink():
        return 0
    return sum((Path(home) / name).lstat().st_size for home, _, files in os.walk(folder) for name in files)


def _candidates(root: Path, reasons: list[tuple[Path, str | None, str]]) -> tuple[Candidate, ...]:
    """The checkpoints with why they stay; those that nothing recommends are looked into and looked for."""
    found = []
    for place, keep, name in reasons:
        own = stranger(place) if keep is None else None
        found.append(Candidate(step_of(place), place, size_of(place), "own_files" if own else keep, own or name))
    held = reached(root, [c.path for c in found if c.keep is None])
    return tuple(replace(c, keep="linked", name=held[c.path]) if c.path in held else c for c in found)


@dataclass(frozen=True, slots=True)
class _Worth:
    """What makes checkpoints worth keeping, or none of this run."""

    judged: Judged
    best: frozenset[int]
    near: tuple[Path, ...]
    last: tuple[Path, ...]
    strays: tuple[Path, ...]

    @property
    def lowest(self) -> int | None:
        """The step of the lowest evaluation loss."""
        evals = self.judged.run.evals
        if evals is None or not np.isfinite(evals.value).any():
            return None
        return int(evals.step[int(np.nanargmin(np.where(np.isfinite(evals.value), evals.value, np.nan)))])

    def reason(self, folder: Path) -> tuple[str | None, str]:
        """Why a checkpoint stays, None where it may go, and the step that the reason speaks of, if any."""
        step, found = step_of(folder), self.judged.diagnosis
        spot = found.sweet_spot
        if not _ours(folder):
            return "foreign", ""
        if folder in self.strays:
            return "beyond", f"{self.judged.run.last_step:,}"
        if step in (found.recommended_step, self.judged.choice.step):
            return "recommended", ""
        if spot is not None and spot.first <= step <= spot.last:
            return "sweet", ""
        if step in self.best:
            return "best", ""  # the Trainer loads it at its end
        if step == self.lowest:
            return "lowest", ""  # whatever the curve says of it
        if spot is not None and folder in self.near:
            return "near", f"{spot.best:,}"
        return ("last" if folder in self.last else None), ""


def _near(there: list[Path], judged: Judged) -> tuple[Path, ...]:
    """The checkpoints beside the best step, where none is on disk that was evaluated and ties with it.

    Evaluated at other steps than saved, a run has its best weights between two evaluations, and what was evaluated
    and is still there may be the worst of all.
    """
    spot, ours = judged.diagnosis.sweet_spot, [c for c in there if _ours(c)]
    # Step 0 is the base model: nothing lies before it, and what comes next is no better for being near.
    if spot is None or spot.best == 0 or any(step_of(c) in spot.steps for c in ours):
        return ()
    whole = [c for c in ours if (c / trainer_state.FILE).is_file()]  # written last, so missing where a crash cut
    before = [[c for c in group if step_of(c) <= spot.best][-1:] for group in (ours, whole)]
    after = [[c for c in group if step_of(c) >= spot.best][:1] for group in (ours, whole)]
    return tuple(c for found in (*before, *after) for c in found)


def _best_steps(root: Path, judged: Judged) -> frozenset[int]:
    """The Trainer's own best: by step, in its older versions by path alone."""
    told = judged.run.number("best_step")
    steps = set() if told is None else {int(told)}
    # The folder's own state and the newest checkpoint's; older ones name what was best then.
    for state in states(root, trainer_state.FILE)[:2]:
        match = _BEST.search(files.content(state))
        try:
            steps.add(named_step(str(json.loads(match[1]))) if match else -1)
        except ValueError:
            continue
    return frozenset(steps - {-1})


def _last(there: list[Path]) -> tuple[Path, ...]:
    """What a trainer would resume from: the last checkpoint, and the last one that a crash did not cut."""
    real = [c for c in there if _folder(c)]
    whole = [c for c in real if _ours(c) and (c / trainer_state.FILE).is_file()]
    return (*real[-1:], *whole[-1:])


def _ours(folder: Path) -> bool:
    """Whether it is a checkpoint by its looks: a real folder, named as one, with weights in it and no run below."""
    if not _folder(folder) or step_of(folder) < 0:
        return False
    # A run that somebody put inside is a run of its own, however deep it lies.
    for _, below, names in os.walk(folder):
        if JOURNAL in names or any(name.startswith("checkpoint-") for name in below):
            return False
    return holds_weights(folder)


def _folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _refuse_going(root: Path, judged: Judged, unfinished: bool) -> None:
    """A trainer at work may be about to write, or to resume from, what looks done."""
    if finished(judged.run):
        return
    there = [place for place in folders(root) if _folder(place)]
    logs = [place / name for place in (root, *there) for name in _LOGS]
    written = [place.stat().st_mtime for place in (*logs, *there) if place.exists()]
    age = time.time() - max(written, default=0.0)
    if age < QUIET_SECONDS:
        raise DonenessError(
            tr("workflows.prune.going", path=str(root), minutes=max(age, 0.0) / 60, quiet=QUIET_SECONDS / 60)
        )
    if short_of_plan(judged.run) and not unfinished:
        planned = judged.run.number("planned_steps") or 0.0
        raise DonenessError(
            tr("workflows.prune.unfinished", path=str(root), step=judged.run.last_step, planned=int(planned))
        )


def _logs(root: Path, candidates: tuple[Candidate, ...]) -> Rescue:
    """What must be done about log rows that would go with the checkpoints."""
    there = [c for c in candidates if _folder(c.path)]
    return rescue(root, [c.path for c in there if c.keep is None], [c.path for c in there if c.keep is not None])


def _remove(hidden: Path, size: int) -> int:
    with disk_faults(hidden):
        shutil.rmtree(hidden)
    return size
