"""Which checkpoints of a run can go, and deleting them.

What may go is decided by the diagnosis; what may be touched at all is decided here, by looks: a
folder checkpoint-N with weights in it, directly below the run, no link. Deleting is a rename to a
hidden name and then a removal, so that an interrupted prune leaves no half checkpoint behind that
a trainer would resume from.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from doneness.core import DonenessError, disk_faults, tr
from doneness.runs import read
from doneness.runs.atomic import sync, write_bytes
from doneness.runs.journal import FILE as JOURNAL
from doneness.runs.readers import trainer_state
from doneness.runs.readers.checkpoints import folders, root_of, step_of
from doneness.workflows.check import Judged, judge
from doneness.workflows.going import ended

QUIET_SECONDS = 600.0
_WEIGHTS = re.compile(
    r"(?:adapter_)?model(?:[-.].*)?\.(?:safetensors|bin)|pytorch_model.*|.+\.distcp|global_step\d+|consolidated.*\.pth"
)
_HIDDEN = re.compile(r"\.checkpoint-\d+\.pruned")
_LOGS = (JOURNAL, trainer_state.FILE, "trainer_log.jsonl")


@dataclass(frozen=True, slots=True)
class Candidate:
    """One checkpoint on disk.

    Attributes:
        size: bytes of its files.
        keep: why it stays: "sweet", "recommended", "best", "last", "foreign"; None where it can go.
    """

    step: int
    path: Path
    size: int
    keep: str | None


@dataclass(frozen=True)
class Pruning:
    """What would be deleted from the run in `root`, and what stays.

    Attributes:
        leftovers: hidden folders that an interrupted prune left; they go as well.
    """

    root: Path
    judged: Judged
    candidates: tuple[Candidate, ...]
    leftovers: tuple[Path, ...] = ()

    @property
    def doomed(self) -> tuple[Candidate, ...]:
        """Those that can go."""
        return tuple(c for c in self.candidates if c.keep is None)

    @property
    def freed(self) -> int:
        """Bytes that deleting them frees."""
        return sum(c.size for c in self.doomed) + sum(map(size_of, self.leftovers))


def plan_prune(path: str | Path, not_last: bool = False, mapping: Mapping[str, str] | None = None) -> Pruning:
    """Decide which checkpoints of the run at `path` can go; nothing is touched.

    Args:
        path: a run folder or the output folder of a Hugging Face Trainer.
        not_last: let the last checkpoint go too, where nothing else keeps it; the run cannot be resumed then.
        mapping: column → series name, for tables whose columns are named unusually.

    Raises:
        DonenessError: no single run there, still being trained, no sweet spot, or nothing would be left.
    """
    place = Path(path)
    if not place.exists():
        read(place)  # says that it is missing
    root = root_of(place if place.is_dir() else place.parent).resolve()
    runs = read(root, mapping)
    if len(runs) > 1:
        raise DonenessError(tr("workflows.many_runs", path=str(root), count=len(runs)))
    judged = judge(runs[0])
    there = folders(root)
    if not there:
        raise DonenessError(tr("workflows.prune.none", path=str(root)))
    _refuse_going(root, judged)
    if judged.diagnosis.sweet_spot is None:
        raise DonenessError(tr("workflows.prune.no_spot", path=str(root), headline=str(judged.diagnosis.headline)))
    last = _last(there)
    candidates = tuple(
        Candidate(step_of(c), c, size_of(c), _reason(c, judged, () if not_last else last)) for c in there
    )
    if not any(c.keep not in (None, "foreign") for c in candidates):
        raise DonenessError(tr("workflows.prune.nothing_left", path=str(root)))
    hidden = tuple(sorted(c for c in root.iterdir() if _HIDDEN.fullmatch(c.name) and _folder(c)))
    return Pruning(root, judged, candidates, hidden)


def prune(pruning: Pruning) -> int:
    """Delete what `plan_prune` found can go.

    Returns:
        Bytes freed.

    Raises:
        StorageError: the disk refuses; what is not yet deleted stays whole.
    """
    _keep_log(pruning)
    freed = 0
    for place in pruning.leftovers:
        freed += _remove(place, size_of(place))
    for each in pruning.doomed:
        # Looked at again: between plan and deed it may have been replaced.
        if not _ours(each.path):
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


def _reason(folder: Path, judged: Judged, last: tuple[Path, ...]) -> str | None:
    """Why a checkpoint stays; None where it can go."""
    step, found = step_of(folder), judged.diagnosis
    if not _ours(folder):
        return "foreign"
    if step in (found.recommended_step, judged.choice.step):
        return "recommended"
    if found.sweet_spot is not None and found.sweet_spot.first <= step <= found.sweet_spot.last:
        return "sweet"
    if step == judged.run.number("best_step"):
        return "best"  # the Trainer loads it at its end
    return "last" if folder in last else None


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
    for _, below, files in os.walk(folder):
        if JOURNAL in files or any(name.startswith("checkpoint-") for name in below):
            return False
    return any(_WEIGHTS.fullmatch(inside.name) for inside in folder.iterdir())


def _folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _refuse_going(root: Path, judged: Judged) -> None:
    """A trainer at work may be about to write, or to resume from, what looks done."""
    if ended(judged.run):
        return
    there = [place for place in folders(root) if _folder(place)]
    logs = [place / name for place in (root, *there) for name in _LOGS]
    written = [place.stat().st_mtime for place in (*logs, *there) if place.exists()]
    age = time.time() - max(written, default=0.0)
    if age < QUIET_SECONDS:
        raise DonenessError(
            tr("workflows.prune.going", path=str(root), minutes=max(age, 0.0) / 60, quiet=QUIET_SECONDS / 60)
        )


def _keep_log(pruning: Pruning) -> None:
    """The Trainer's newest log may lie in a checkpoint that goes; without it the run cannot be judged again."""
    source, target = pruning.judged.run.path, pruning.root / trainer_state.FILE
    if source is None or source.name != trainer_state.FILE or target.exists():
        return
    if any(source.resolve().is_relative_to(each.path) for each in pruning.doomed):
        write_bytes(target, source.read_bytes())


def _remove(hidden: Path, size: int) -> int:
    with disk_faults(hidden):
        shutil.rmtree(hidden)
    return size
