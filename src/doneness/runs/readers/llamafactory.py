"""Reads LLaMA-Factory's `trainer_log.jsonl`, with the trainer_state.json that lies beside it.

Source of the format: llamafactory/train/callbacks.py, LogCallback. It is appended to on a resume
and holds no gradient norm; the state file has that, but no clock.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from doneness.core import UnreadableError
from doneness.runs.readers import checkpoints, facts, files, trainer_state
from doneness.runs.readers.assemble import Layout, choose_main_evaluation, stories
from doneness.runs.readers.damage import cell_notes, damage_of
from doneness.runs.readers.rows import Loss, line_rows, lost_notes
from doneness.runs.readers.table import Table, seconds
from doneness.runs.run import TRAIN_LOSS, Event, Floats, Run, Series

FILE = "trainer_log.jsonl"
_NAMES = {
    "loss": "train/loss",
    "eval_loss": "eval/loss",
    "lr": "train/learning_rate",
    "learning_rate": "train/learning_rate",
    "reward": "train/reward",
    # LogCallback writes rewards/accuracies under this name, and nothing else.
    "accuracy": "train/rewards/accuracies",
    "predict_loss": "test/loss",
    "throughput": "train/throughput",
    "vram_allocated": "train/vram_allocated",
    "vram_reserved": "train/vram_reserved",
}


def detect(path: Path) -> Path | None:
    """`path` where it is such a log, or a folder with one."""
    if path.is_dir():
        return path if (path / FILE).is_file() and _is_log(path / FILE) else None
    return path if _is_log(path) else None


def _is_log(path: Path) -> bool:
    line = files.head(path, 8192).partition(b"\n")[0]
    return line.lstrip().startswith(b"{") and b'"current_steps"' in line and b'"total_steps"' in line


def read(path: Path) -> list[Run]:
    """The trainings in the log; where its folder holds a state of the same run, that one's columns win.

    Raises:
        UnreadableError: no row can be read.
    """
    file = path / FILE if path.is_dir() else path
    logged = _read_log(file)
    if file.name != FILE:
        return logged
    folder = file.parent
    known = facts.beside(folder)
    logged = [replace(r, meta=dict(r.meta) | known, checkpoints=checkpoints.listed(folder)) for r in logged]
    if trainer_state.detect(folder) is None:
        return logged
    try:
        states = trainer_state.read(folder)
    except UnreadableError as error:
        return [replace(r, notes=(*r.notes, str(error))) for r in logged]
    for place, run in enumerate(logged):
        same = next((s for s in states if _same(run, s)), None)
        if same is not None:
            states.remove(same)
            logged[place] = _joined(same, run)
    return logged + states


def _read_log(file: Path) -> list[Run]:
    table, loss = Table({"elapsed_time": seconds}, skip=("remaining_time", "percentage")), Loss()
    for batch in line_rows(files.content(file), loss):
        table.extend(batch)
    if table.size == 0:
        raise files.refuse("no_log", file)
    names = {c: n for c, n in _NAMES.items() if c in table.names}
    if "lr" in names and "learning_rate" in names:
        del names["lr"]
    layout = Layout(names, "current_steps", "epoch", "total_tokens", "elapsed_time")
    damage = damage_of(loss, table, layout)
    told = [s for s in stories(table, layout, split=True) if s.series]
    if not told:
        raise files.refuse("nothing_logged", file)
    planned = table.dense("total_steps")
    found = []
    for index, story in enumerate(told, start=1):
        notes = [*lost_notes(loss, table.size), *cell_notes(damage, loss), *story.notes]
        choose_main_evaluation(story.series, notes)
        meta = facts.from_columns(story.series)
        last = planned[story.rows][np.isfinite(planned[story.rows])]
        if last.size and last[-1] > 0:
            meta["planned_steps"] = int(last[-1])
        name = file.parent.resolve().name if file.name == FILE else file.stem
        events = tuple(Event("resume", step, {}) for step in story.resumed)
        title = name if len(told) == 1 else f"{name} #{index}"
        run = Run(title, file, "llamafactory", meta, story.series, events, notes=tuple(notes), damage=damage)
        found.append(run)
    return found


def _same(log: Run, state: Run) -> bool:
    """Whether two logs agree on the loss of the steps that both hold."""
    if log.train is None or state.train is None:
        return False
    _, a, b = np.intersect1d(log.train.step, state.train.step, return_indices=True)
    close = np.isclose(log.train.value[a], state.train.value[b], rtol=1e-3, atol=2e-4, equal_nan=True)
    return bool(a.size and close.mean() > 0.9)


def _joined(state: Run, log: Run) -> Run:
    """The state's columns with the log's clock, the log's further columns, and what it logged after the state."""
    clock = log.series[TRAIN_LOSS]
    series = {name: _timed(s, clock) for name, s in state.series.items()}
    end = state.last_step
    for name, column in log.series.items():
        if name not in series:
            series[name] = column
        elif column.step[-1] > end:
            series[name] = _appended(series[name], column, end)
    return replace(
        log,
        meta=dict(state.meta) | dict(log.meta),
        series=series,
        events=(*log.events, *state.events),
        checkpoints=state.checkpoints or log.checkpoints,
        notes=(*state.notes, *log.notes),
        # Either log fills the other's gaps, but nobody checks how well: the worse one speaks.
        damage=max(state.damage, log.damage, key=lambda d: (d.cut, d.share)),
    )


def _timed(series: Series, clock: Series) -> Series:
    place = np.searchsorted(clock.step, series.step)
    inside = np.minimum(place, len(clock) - 1)
    time: Floats = np.where(clock.step[inside] == series.step, clock.time[inside], np.nan)
    return replace(series, time=np.where(np.isfinite(series.time), series.time, time))


def _appended(early: Series, late: Series, end: int) -> Series:
    keep = late.step > end
    columns = ("step", "value", "epoch", "tokens", "targets", "time")
    return Series(*(np.concatenate([getattr(early, c), getattr(late, c)[keep]]) for c in columns))
