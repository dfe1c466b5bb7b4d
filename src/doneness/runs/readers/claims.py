"""Which places in a folder that is a run belong to that run, and are not looked into again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from doneness.runs import control, examples, journal, probes
from doneness.runs.readers import checkpoints, llamafactory, mlflow, tensorboard, trainer_state, wandb
from doneness.runs.readers import journal as journals
from doneness.runs.run import Run

Claim = Callable[[Path], bool]

_STATES = frozenset([trainer_state.FILE, llamafactory.FILE])
_OURS = frozenset([journal.FILE, control.FILE, control.KEPT, examples.FOLDER, probes.FOLDER])
_RESULTS = "_results.json"  # all_results.json and the like sum the run up


def of(reader: Callable[[Path], list[Run]], folder: Path) -> Claim:
    """Whether a place directly in `folder` is told by the run that `reader` finds there."""
    if reader is wandb.read:
        return lambda place: True
    if reader is mlflow.read:
        whole = (folder / mlflow.META).is_file()
        return lambda place: whole or (place / mlflow.META).is_file()
    if reader is tensorboard.read:
        return lambda place: _is_checkpoint(place) or tensorboard.is_named(place)
    if reader is journals.read and (folder / journal.FILE).is_file():
        return lambda place: _is_checkpoint(place) or place.name in _OURS
    inside = "doneness" if reader is journals.read else ""
    return lambda place: _is_checkpoint(place) or _of_trainer(place) or (inside != "" and place.name == inside)


def _is_checkpoint(place: Path) -> bool:
    return checkpoints.step_of(place) >= 0


def _of_trainer(place: Path) -> bool:
    # Its event files are read as one log, not one by one.
    return place.name in _STATES or place.name.endswith(_RESULTS) or tensorboard.is_named(place)
