"""One run that two logs of a folder tell: the log beside the output folder, and the Trainer's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from doneness.core import tr
from doneness.core.text import printable
from doneness.runs import Run

_LEAST = 2  # evaluations that must agree
_ROUNDED = 5.1e-5  # logs write a loss with four decimals at least
_TOLD_BEST = ("journal", "hf_trainer")


def without_twins(runs: Sequence[Run]) -> list[Run]:
    """`runs` in their order, of those that tell the same evaluations from one folder only the fullest.

    Folders are the same where one holds the other. The run that stays says in its notes where else it was logged.
    """
    kept: list[Run] = []
    for run in runs:
        place = next((i for i, other in enumerate(kept) if _twins(run, other)), None)
        if place is None:
            kept.append(run)
            continue
        first, second = sorted((kept[place], run), key=_rank)
        kept[place] = replace(first, notes=(*first.notes, tr("cli.check.twin", path=printable(str(second.path)))))
    return kept


def _twins(run: Run, other: Run) -> bool:
    if run.path is None or other.path is None or run.path == other.path:
        return False  # one file may hold several runs
    one, two = _home(run.path), _home(other.path)
    if not (one.is_relative_to(two) or two.is_relative_to(one)):
        return False
    a, b = run.evals, other.evals
    if a is None or b is None or len(a) < _LEAST or not np.array_equal(a.step, b.step):
        return False
    return bool(np.isfinite(a.value).any() and np.allclose(a.value, b.value, rtol=1e-6, atol=_ROUNDED, equal_nan=True))


def _home(path: Path) -> Path:
    there = path.resolve()
    folder = there if there.is_dir() else there.parent
    return folder.parent if folder.name.startswith("checkpoint-") else folder


def _rank(run: Run) -> int:
    return _TOLD_BEST.index(run.kind) if run.kind in _TOLD_BEST else len(_TOLD_BEST)
