"""Log rows that lie in a checkpoint and nowhere else: they must outlive it.

The Trainer writes its whole log into every checkpoint; a file of that name beside the checkpoints may be
older than they are.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doneness.core import disk_faults
from doneness.runs.atomic import write_bytes
from doneness.runs.readers import files, trainer_state

_ROW = re.compile(rb"\{[^{}]*\}")  # a damaged file's rows, each by itself
_NONE: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Rescue:
    """What must happen to logs before checkpoints go.

    Attributes:
        copied: the checkpoint whose state file is to become the run's own, or None.
        kept: checkpoints that stay because what their log holds cannot be brought to safety.
        replaces: whether the run's folder has an older state file, which the copy replaces.
    """

    copied: Path | None = None
    kept: frozenset[Path] = frozenset()
    replaces: bool = False


def rescue(root: Path, going: Iterable[Path], staying: Iterable[Path]) -> Rescue:
    """Which log rows would go with the folders `going`, and how they are saved; nothing is touched.

    One log can become the run's own, where that one holds nothing else; what further checkpoints alone hold
    keeps them.

    Args:
        root: the run.
        going: checkpoints that would be deleted.
        staying: those that would not.
    """
    target = root / trainer_state.FILE
    own = _rows(target)
    safe = own.union(*(_rows(each / trainer_state.FILE) for each in staying))
    held = {each: _rows(each / trainer_state.FILE) for each in going}
    copied, kept = None, set()
    # The newest first: it holds all that the older ones hold.
    for each, rows in sorted(held.items(), key=lambda item: len(item[1]), reverse=True):
        if rows <= safe:
            continue
        if copied is None and own <= rows:
            copied = each
        else:
            kept.add(each)
        safe |= rows
    return Rescue(copied, frozenset(kept), copied is not None and target.exists())


def carry_out(root: Path, found: Rescue) -> None:
    """Copy the log that `rescue` found; readers see the old file or the whole new one.

    Raises:
        StorageError: the disk refuses.
    """
    if found.copied is None:
        return
    source, target = found.copied / trainer_state.FILE, root / trainer_state.FILE
    write_bytes(target, files.content(source))
    with disk_faults(target):
        # A copy is no news of the run: it counts as old as what it is copied from.
        at = source.stat()
        os.utime(target, ns=(at.st_atime_ns, at.st_mtime_ns))


def _rows(file: Path) -> frozenset[str]:
    """The rows of a state file's log, each as one text; those of a damaged file as far as they can be told."""
    if not file.is_file():
        return _NONE
    data = files.content(file)
    try:
        whole = json.loads(data)
        history = whole.get("log_history") if isinstance(whole, dict) else None
    except (ValueError, RecursionError):
        history = [row for text in _ROW.findall(data) if "step" in (row := _row(text))]
    return frozenset(json.dumps(row, sort_keys=True) for row in history) if isinstance(history, list) else _NONE


def _row(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
