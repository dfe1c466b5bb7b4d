"""Checkpoints of somebody else's Trainer: which one its rotation (`save_total_limit`) is to spare.

The Trainer never deletes what `state.best_model_checkpoint` points at. Where it keeps a best one of its own there
(`metric_for_best_model`, `load_best_model_at_end`), that is the user's word and stays.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

_ROOM = 3  # checkpoints of the last one's size that must fit before one is saved beyond the plan


def is_users(args: Any) -> bool:
    """Whether the Trainer points at a best checkpoint by a metric of the user's."""
    return args.metric_for_best_model is not None or bool(args.load_best_model_at_end)


def place(args: Any, step: int) -> Path:
    """Where the Trainer saves the checkpoint of a step."""
    return Path(args.output_dir) / f"checkpoint-{step}"


def spare(args: Any, state: Any, step: int | None) -> None:
    """Have the rotation leave the checkpoint of `step` alone, where it is on disk and the pointer is ours to set."""
    if step and not is_users(args) and place(args, step).is_dir():
        state.best_model_checkpoint = str(place(args, step))


def release(args: Any, state: Any) -> None:
    """Take our pointer back before the Trainer cleans up: with `save_total_limit=1` it would delete the last one."""
    if not is_users(args):
        state.best_model_checkpoint = None


def loses(args: Any, state: Any, step: int | None) -> bool:
    """Whether saving now would have the rotation delete the checkpoint of `step`.

    Source: transformers' rotate_checkpoints: the oldest go until `save_total_limit` are left; never the newest or
    the best.
    """
    limit = args.save_total_limit or 0
    if not step or limit <= 0 or not place(args, step).is_dir():
        return False
    now = int(state.global_step)
    held = sorted({*_steps(Path(args.output_dir)), now})
    best = state.best_model_checkpoint
    safe = {now} | ({held_step for held_step in held if best and place(args, held_step) == Path(best)})
    over = len(held) - max(limit, len(safe))
    return step in [each for each in held if each not in safe][: max(over, 0)]


def has_room(args: Any, saved: int) -> bool:
    """Whether some more checkpoints as large as that of step `saved` fit on the disk; True where none is there yet."""
    last = place(args, saved)
    if not last.is_dir():
        return True
    size = sum(file.stat().st_size for file in last.rglob("*") if file.is_file())
    return shutil.disk_usage(last).free > _ROOM * size


def _steps(folder: Path) -> list[int]:
    found = [path.name.removeprefix("checkpoint-") for path in folder.glob("checkpoint-*") if path.is_dir()]
    return [int(name) for name in found if name.isdecimal()]
