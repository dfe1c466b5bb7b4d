"""Reads Hugging Face `trainer_state.json`, in an output folder, a checkpoint folder, or by itself.

Source of the format: transformers/trainer_callback.py, TrainerState.log_history.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from doneness.core import UnreadableError
from doneness.runs.journal import number
from doneness.runs.run import Checkpoint, Event, Run, Series

FILE = "trainer_state.json"
_RENAMED = {"loss": "train/loss", "learning_rate": "train/learning_rate", "grad_norm": "train/grad_norm"}
_CONTEXT = {"step", "epoch", "total_flos", "num_input_tokens_seen"}
_SUMMARY = {"train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second"}


def detect(path: Path) -> Path | None:
    """The state file at `path` (of the newest checkpoint in a folder), or None."""
    if path.is_dir():
        candidates = [path / FILE, *(c / FILE for c in sorted(path.glob("checkpoint-*"), key=_step_of, reverse=True))]
        return next((c for c in candidates if c.is_file()), None)
    if path.suffix != ".json":
        return None
    if path.name == FILE:
        return path
    with path.open("rb") as handle:
        return path if b'"log_history"' in handle.read() else None


def read(path: Path) -> list[Run]:
    """The run in the state file at `path`.

    Raises:
        UnreadableError: no JSON, or JSON without a log history.
    """
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: not readable as JSON ({error}); is the file cut in the middle?") from error
    rows = state.get("log_history") if isinstance(state, dict) else None
    if not isinstance(rows, list):
        raise UnreadableError(f"{path}: JSON without a log_history; this is no trainer_state.json")
    notes: list[str] = []
    columns = _columns([r for r in rows if isinstance(r, dict)], notes)
    if not columns:
        raise UnreadableError(f"{path}: the log history is empty; was logging_steps larger than the run?")
    folder = path.parent
    return [
        Run(
            name=folder.name if path.name == FILE else path.stem,
            path=path,
            kind="hf_trainer",
            meta=_meta(state),
            series=columns,
            events=_hidden_nans(rows),
            checkpoints=tuple(_checkpoints(folder)),
            notes=tuple(notes),
        )
    ]


def _columns(rows: list[dict[str, Any]], notes: list[str]) -> dict[str, Series]:
    cells: dict[str, dict[int, tuple[float, float, float]]] = {}
    again = 0
    for row in rows:
        step = row.get("step")
        if isinstance(step, bool) or not isinstance(step, int):
            continue
        context = (number(row.get("epoch")), number(row.get("num_input_tokens_seen")))
        for key, value in row.items():
            if key in _CONTEXT or key in _SUMMARY or isinstance(value, (str, dict, list, type(None))):
                if key in _RENAMED and isinstance(value, str):
                    value = number(value)
                else:
                    continue
            name = _RENAMED.get(key) or (f"eval/{key[5:]}" if key.startswith("eval_") else f"train/{key}")
            again += step in cells.setdefault(name, {})
            cells[name][step] = (number(value), *context)
    if again:
        notes.append(f"{again} values were logged twice for one step; the later ones count")
    found = {}
    for name, by_step in cells.items():
        steps = sorted(by_step)
        value, epoch, tokens = zip(*(by_step[s] for s in steps), strict=True)
        found[name] = Series.of(steps, value, epoch=epoch, tokens=tokens)
    return found


def _hidden_nans(rows: list[Any]) -> tuple[Event, ...]:
    """The Trainer logs a NaN loss as 0.0 (`logging_nan_inf_filter`); only grad_norm betrays it."""
    return tuple(
        Event("hidden_nan", r["step"], {})
        for r in rows
        if isinstance(r, dict)
        and isinstance(r.get("step"), int)
        and r.get("loss") == 0.0
        and "grad_norm" in r
        and not math.isfinite(number(r["grad_norm"]))
    )


def _meta(state: dict[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    planned, epochs = state.get("max_steps"), state.get("num_train_epochs")
    if isinstance(planned, int) and planned > 0:
        meta["planned_steps"] = planned
        if isinstance(epochs, (int, float)) and epochs > 0:
            meta["steps_per_epoch"] = planned / epochs
    if isinstance(state.get("train_batch_size"), int):
        meta["batch_size"] = state["train_batch_size"]
    return meta


def _step_of(folder: Path) -> int:
    tail = folder.name.rpartition("-")[2]
    return int(tail) if tail.isdigit() else -1


def _checkpoints(folder: Path) -> list[Checkpoint]:
    """Checkpoints on disk beside the state file; those that were rotated away leave no trace in it."""
    root = folder.parent if folder.name.startswith("checkpoint-") else folder
    found = [(s, c) for c in root.glob("checkpoint-*") if c.is_dir() and (s := _step_of(c)) >= 0]
    return [Checkpoint(step, path, True) for step, path in sorted(found)]
