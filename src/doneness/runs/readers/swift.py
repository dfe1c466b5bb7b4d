"""Reads ms-swift's `logging.jsonl`: JSON Lines whose steps are written "12/93", the second being those planned.

Source of the format: swift/callbacks (ProgressCallbackNew, add_train_message). Beside it, args.json holds the
arguments.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from doneness.runs.readers import checkpoints, facts, files, jsonl
from doneness.runs.run import Run

FILE = "logging.jsonl"
_STEP = re.compile(rb'"global_step/max_steps":\s*"(\d{1,12})/(\d{1,12})"')


def detect(path: Path) -> Path | None:
    """`path` where its rows count steps that way and one of them holds a loss."""
    if not path.is_file() or _STEP.search(files.head(path)) is None:
        return None
    return jsonl.detect(path)


def read(path: Path) -> list[Run]:
    """The trainings in the file, with what the arguments beside it tell.

    Raises:
        UnreadableError: no row can be read, or none holds a loss.
    """
    runs = jsonl.read(path)
    beside = facts.beside(path.parent) if path.name == FILE else {}
    name = path.parent.resolve().name if path.name == FILE else path.stem
    kept = checkpoints.listed(path.parent) if path.name == FILE else ()
    planned = _planned(path)
    found = []
    for run in runs:
        told = {} if planned is None or planned < run.last_step else {"planned_steps": planned}
        meta = beside | told | dict(run.meta)
        found.append(replace(run, name=run.name.replace(path.stem, name, 1), meta=meta, checkpoints=kept))
    return found


def _planned(path: Path) -> int | None:
    """The number of steps that the last row was heading for."""
    last = None
    for match in _STEP.finditer(files.content(path)):
        last = match
    return int(last[2]) if last and int(last[2]) else None
