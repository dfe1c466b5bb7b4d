"""Reads Hugging Face `trainer_state.json`: one file, a checkpoint folder, or an output folder with its checkpoints.

Source of the format: transformers/trainer_callback.py, TrainerState.log_history. TRL, LLaMA-Factory,
MedicalGPT, axolotl and ms-swift train with this Trainer and leave the same file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from doneness.core import UnreadableError, say
from doneness.runs.readers import checkpoints, facts, files
from doneness.runs.readers.assemble import Layout, choose_main_evaluation, stories
from doneness.runs.readers.damage import cell_notes, damage_of
from doneness.runs.readers.names import evaluation_name, evaluation_sets
from doneness.runs.readers.rows import Loss, array_rows, lost_notes
from doneness.runs.readers.table import Table, seconds
from doneness.runs.run import Event, Run

FILE = "trainer_state.json"
_KEY = b'"log_history"'
_RENAMED = {"loss": "train/loss", "learning_rate": "train/learning_rate", "grad_norm": "train/grad_norm"}
_CONTEXT = {"step", "epoch", "total_flos", "num_input_tokens_seen", "elapsed_time", "remaining_time", "percentage"}
# One row at the end sums the run up: its train_loss is a mean over all steps and no point of a curve.
SUMMARY = {"train_loss", "train_runtime", "train_samples_per_second", "train_steps_per_second"}


def detect(path: Path) -> Path | None:
    """`path` where it is a state file, or a folder that holds one or checkpoints with one."""
    if path.is_dir():
        return path if checkpoints.states(path, FILE) else None
    if path.name == FILE:
        return path
    start = files.head(path).lstrip()
    return path if start.startswith(b"{") and not _is_lines(start) and files.holds(path, _KEY) else None


def _is_lines(start: bytes) -> bool:
    """Whether a file begins with an object on a line of its own and another one behind it, so that it is no state.

    A state would have to be looked for through all of it, and logs of many rows are large.
    """
    line, _, rest = start.partition(b"\n")
    if not rest.lstrip().startswith(b"{") or _KEY in line:
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def read(path: Path) -> list[Run]:
    """The run in a state file, or the runs in a folder: checkpoints of one run are merged by their histories.

    Raises:
        UnreadableError: no row of a log history can be read.
    """
    if not path.is_dir():
        found = _read_file(path)
        home = path.parent if path.name == FILE else None
        return [found if home is None else checkpoints.with_siblings(found, home)]
    runs, lost, newest_lost = [], [], False
    for file in checkpoints.states(path, FILE):
        try:
            files.refuse_empty(file)
            runs.append(_read_file(file))
        except UnreadableError as error:
            newest_lost = newest_lost or not runs
            lost.append(error)
    if not runs:
        raise lost[0]
    merged = checkpoints.merge(runs, path)
    note = [str(say("runs.note.state_lost", count=len(lost), first=str(lost[0])))] if lost else []
    # The states come newest first: what one that is lost alone told, nobody knows.
    merged = [replace(run, damage=replace(run.damage, cut=run.damage.cut or newest_lost)) for run in merged]
    return [replace(run, notes=(*run.notes, *note)) for run in merged]


def _read_file(path: Path) -> Run:
    data = files.content(path)
    begin = _history(path, data)
    table, loss = Table({"elapsed_time": seconds}), Loss()
    for batch in array_rows(data, begin, loss):
        table.extend(batch)
    outside = data[: min(begin, files.HEAD)] + data[max(begin, len(data) - files.HEAD) :]
    del data
    if table.size == 0:
        raise files.refuse("cut" if loss.cut else "nothing_logged", path)
    name = path.parent.name if path.name == FILE else path.stem
    run = run_of(table, name, lost_notes(loss, table.size), loss)
    if not run.series:
        raise files.refuse("nothing_logged", path)
    meta = _facts(outside) | dict(run.meta)
    return replace(run, path=path, meta=meta | (facts.beside(path.parent) if path.name == FILE else {}))


def _history(path: Path, data: bytes) -> int:
    """Where the first row of the log history begins."""
    match = re.compile(_KEY + rb"\s*:\s*\[").search(data)
    if match is not None:
        return match.end()
    try:
        json.loads(data)
    except (ValueError, RecursionError) as error:
        raise files.refuse("cut", path) from error
    raise files.refuse("no_history", path)


def run_of(table: Table, name: str, notes: Iterable[str] = (), loss: Loss | None = None) -> Run:
    """The run that rows of a log history make; a run without series where they hold nothing.

    Args:
        table: the rows.
        name: what to call the run.
        notes: what the reader had to leave out.
        loss: rows that never came into the table.
    """
    tokens = next((c for c in ("num_input_tokens_seen", "num_tokens") if c in table.names), None)
    layout = Layout(series_names(table.names), "step", "epoch", tokens, "elapsed_time")
    told = stories(table, layout, split=False)
    if not told:
        return Run(name, kind="hf_trainer")
    story = told[0]
    lost = loss or Loss()
    damage = damage_of(lost, table, layout)
    said = [*notes, *cell_notes(damage, lost), *story.notes]
    choose_main_evaluation(story.series, said)
    found = facts.from_columns(story.series)
    rows, values = table.column("train_runtime")
    if rows.size and values[-1] > 0:
        found["train_seconds"] = float(values[-1])
    resumes = tuple(Event("resume", step, {}) for step in story.resumed)
    events = (*resumes, *hidden_nans(table))
    return Run(name, None, "hf_trainer", found, story.series, events, notes=tuple(said), damage=damage)


def series_names(columns: Iterable[str]) -> dict[str, str]:
    """Series name by column, for the columns that the Trainer and its callbacks write."""
    kept = [c for c in columns if c not in _CONTEXT and c not in SUMMARY]
    sets = evaluation_sets(c[5:] for c in kept if c.startswith("eval_"))
    names: dict[str, str] = {}
    for column in kept:
        if column.startswith("eval_"):
            names[column] = evaluation_name(column[5:], sets)
        else:
            names[column] = _RENAMED.get(column) or (
                "test/" + column[5:] if column[:5] == "test_" else f"train/{column}"
            )
    return names


def hidden_nans(table: Table) -> tuple[Event, ...]:
    """The Trainer logs a NaN loss as 0.0 (`logging_nan_inf_filter`); only grad_norm betrays it."""
    norm_rows, norm = table.column("grad_norm")
    suspect = norm_rows[~np.isfinite(norm)]
    if suspect.size == 0:
        return ()
    loss, step = table.dense("loss"), table.dense("step")
    found = suspect[(loss[suspect] == 0.0) & np.isfinite(step[suspect])]
    return tuple(Event("hidden_nan", int(step[row]), {}) for row in found.tolist())


def _facts(outside: bytes) -> dict[str, Any]:
    """The state's own fields, read off the text around the history: a cut file has no other form."""

    def field(name: str) -> float | None:
        match = re.search(rb'"' + name.encode() + rb'"\s*:\s*(-?[\d.eE+]{1,30})\s*[,}\n]', outside)
        try:
            return float(match[1]) if match else None
        except ValueError:
            return None

    meta: dict[str, Any] = {}
    planned, epochs = field("max_steps"), field("num_train_epochs")
    if planned is not None and 0 < planned < 2**53:
        meta["planned_steps"] = int(planned)
        if epochs is not None and 0 < epochs < 2**53:
            meta["steps_per_epoch"] = planned / epochs
    for ours, theirs in (("batch_size", "train_batch_size"), ("best_step", "best_global_step")):
        value = field(theirs)
        if value is not None and 0 < value < 2**53:
            meta[ours] = int(value)
    patience = field("early_stopping_patience")
    if patience is not None and 0 < patience < 2**53:
        meta["early_stopping_patience"] = int(patience)
    return meta
