"""Which checkpoints to delete when they grow too large together.

Deleted is what is least useful: farthest from the sweet spot first, then where they lie densest. Never the
newest that is whole (resuming needs it), the recommended, the last one before the run broke or diverged, one
that was asked to be kept, one that a link leads to, or one with files in it that the trainer did not write.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from doneness.core import SweetSpot
from doneness.diagnose import Case, recommend
from doneness.runs import Recorder, atomic, control
from doneness.runs.examples import FOLDER as EVALS
from doneness.runs.records import is_whole
from doneness.train.resume import resume_point, sizes

GOING = ".going-"
PARTIAL = ".partial"  # checkpoints are written in here, and renamed when they are whole
TRIAL = ".preflight-"  # in a folder of this name, and the process's number, a checkpoint is tried before the run
GIGABYTE = 1e9


@dataclass(frozen=True, slots=True)
class Held:
    """A checkpoint on disk; `size` in bytes."""

    step: int
    path: Path
    size: int


def rotate(recorder: Recorder, step: int, limit: float, case: Case) -> list[int]:
    """Delete checkpoints until those left are together no larger than `limit` bytes, or all are needed.

    Each is renamed first and then removed, so that half of one is never taken for a checkpoint.

    Returns:
        The steps of those deleted, in that order.
    """
    held = present(recorder)
    found = recommend(case)
    keep = needed(recorder, held) | ({found.step} if found is not None else set())
    gone: list[int] = []
    while sum(each.size for each in held) > limit:
        free = [each for each in held if each.step not in keep and _ours(recorder, each)]
        if not free:
            break
        least = least_useful(free, held, found.spot if found is not None else None)
        try:
            _remove(recorder, least, step)
        except OSError as error:
            recorder.write("error", step, where="rotation", error=type(error).__name__, text=str(error))
            break
        held.remove(least)
        gone.append(least.step)
    return gone


def present(recorder: Recorder) -> list[Held]:
    """The checkpoints of the journal that lie in the run folder, in order of step."""
    places = {r["step"]: recorder.folder / r["path"] for r in recorder.records if r["kind"] == "checkpoint"}
    real = {s: p for s, p in places.items() if p.is_dir() and not p.is_symlink() and p.parent == recorder.folder}
    return [Held(step, real[step], _size(real[step])) for step in sorted(real)]


def needed(recorder: Recorder, held: list[Held]) -> set[int]:
    """Steps that stay whatever they weigh: the newest, the newest whole, the last good one, those asked for."""
    records = recorder.records
    bad = [r["step"] for r in records if r["kind"] == "decision" and r.get("verdict") in ("broken", "diverged")]
    good = [each.step for each in held if not bad or each.step < min(bad)]
    asked = {int(r["keep"]) for r in records if r["kind"] == "request" and is_whole(r.get("keep"))}
    # Also while no step was done yet at which it would have been heeded.
    asked |= {r.step for r in control.waiting(recorder.folder) if r.step is not None}
    newest = {held[-1].step} if held else set()
    return newest | {resume_point(records, recorder.folder)} | set(good[-1:]) | asked


def least_useful(free: list[Held], held: list[Held], spot: SweetSpot | None) -> Held:
    """The one farthest from the sweet spot; of equals the one whose neighbours are nearest, then the earliest."""
    steps = [each.step for each in held]
    # Without a sweet spot what is newest is worth most.
    first, last = (spot.first, spot.last) if spot is not None else (steps[-1], steps[-1])

    def use(each: Held) -> tuple[int, int, int]:
        away = max(first - each.step, each.step - last, 0)
        at = steps.index(each.step)
        gap = steps[min(at + 1, len(steps) - 1)] - (steps[at - 1] if at else 0)
        return -away, gap, each.step

    return min(free, key=use)


def sweep(recorder: Recorder, begin: int) -> None:
    """Finish the deletion that a kill cut short, and remove what it left half-written.

    Args:
        recorder: of the run, resumed.
        begin: the step that it is resumed from; the deletion was that step's.
    """
    for left in sorted(recorder.folder.glob(f"{GOING}checkpoint-*")):
        if left.is_dir() and not left.is_symlink():
            _note(recorder, left, begin)
            shutil.rmtree(left, ignore_errors=True)
    shutil.rmtree(recorder.folder / PARTIAL, ignore_errors=True)
    for left in recorder.folder.glob(f"{TRIAL}*"):
        shutil.rmtree(left, ignore_errors=True)
    atomic.sweep(recorder.folder, ("recipe.toml",))
    atomic.sweep(recorder.folder / EVALS, ("step-*.npz",))


def _note(recorder: Recorder, left: Path, begin: int) -> None:
    """Say in the journal that it was deleted, where the kill came between the renaming and the record."""
    name = left.name.removeprefix(GOING)
    told = [r for r in recorder.records if r["kind"] in ("checkpoint", "checkpoint_gone") and r.get("path") == name]
    if told and told[-1]["kind"] == "checkpoint" and not (recorder.folder / name).exists():
        recorder.write("checkpoint_gone", told[-1]["step"], path=name, size=_size(left), during=begin)


def _remove(recorder: Recorder, each: Held, step: int) -> None:
    hidden = each.path.with_name(GOING + each.path.name)
    shutil.rmtree(hidden, ignore_errors=True)
    each.path.rename(hidden)
    atomic.sync(recorder.folder)
    recorder.write("checkpoint_gone", each.step, path=each.path.name, size=each.size, during=step)
    shutil.rmtree(hidden, ignore_errors=True)


def _ours(recorder: Recorder, each: Held) -> bool:
    """Whether it holds what the journal says that was written and nothing else, and no link in the run leads to it."""
    record = next(r for r in reversed(recorder.records) if r["kind"] == "checkpoint" and r["step"] == each.step)
    files = record.get("files")
    if any(other.is_symlink() and other.resolve() == each.path.resolve() for other in recorder.folder.iterdir()):
        return False
    return isinstance(files, dict) and set(sizes(each.path)) <= set(files)


def _size(folder: Path) -> int:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
