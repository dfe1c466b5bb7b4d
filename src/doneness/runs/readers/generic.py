"""Runs from a table whose columns are named as their author liked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from doneness.core import say
from doneness.runs.readers import facts, files
from doneness.runs.readers.assemble import Layout, Story, choose_main_evaluation, stories
from doneness.runs.readers.damage import cell_notes, damage_of
from doneness.runs.readers.names import STEP, guess, is_clock
from doneness.runs.readers.rows import Loss
from doneness.runs.readers.splits import divide
from doneness.runs.readers.table import Table
from doneness.runs.run import EVAL_LOSS, TRAIN_LOSS, Event, Floats, Ints, Run

_COUNTED = "#step"
_FRACTIONS = 0.2  # share of steps that are no whole numbers, from which on the column holds no steps


@dataclass(frozen=True)
class Source:
    """Where a table came from: the file, what to call the run and its format."""

    path: Path
    name: str
    kind: str


def runs_of(
    table: Table,
    source: Source,
    notes: Sequence[str] = (),
    mapping: Mapping[str, str] | None = None,
    loss: Loss | None = None,
) -> list[Run]:
    """The trainings in `table`, one run each.

    Args:
        table: the rows.
        source: where they came from.
        notes: what the reader had to leave out.
        mapping: column → series name or role; goes before the guesses.
        loss: rows that never came into the table.

    Raises:
        UnreadableError: no column of losses is recognised, or none holds a number.
    """
    told_by, kinds = divide(table, mapping)
    layout = guess(table, told_by)
    said = [*notes, *_clocks(table, layout, told_by)]
    if layout.step is not None:
        ranked = _ranked(table.dense(layout.step))
        if ranked is not None:
            said.append(str(say("runs.note.fractions", name=layout.step.strip(), count=int(np.nanmax(ranked)))))
            table.fill(_COUNTED, ranked)
            layout = replace(layout, step=_COUNTED)
    if layout.step is None and layout.epoch is not None:
        counted = _epochs(table.dense(layout.epoch), kinds)
        if counted is not None:
            step, epoch = counted
            table.fill(_COUNTED, step)
            table.fill(layout.epoch, epoch)
            layout = replace(layout, step=_COUNTED)
            said.append(str(say("runs.note.epoch_steps")))
    if layout.epoch is not None and _constant_within(table.dense(layout.epoch)):
        # A whole number that stands for many steps is the index of the epoch, not the passes done.
        layout = replace(layout, epoch=None)
    lost = loss or Loss()
    damage = damage_of(lost, table, layout)
    said += cell_notes(damage, lost)
    told = [s for s in stories(table, layout, split=True) if TRAIN_LOSS in s.series or _has_evaluation(s)]
    if not told:
        from doneness.runs.readers import no_loss  # it reads JSON rows, whose reader needs this module

        columns = ", ".join(table.names[:8]) or "-"
        raise no_loss.why(source.path, mapping) or files.refuse("no_loss", source.path, columns=columns)
    runs = [_run(story, source, index, len(told), said) for index, story in enumerate(told, start=1)]
    return [replace(run, damage=damage) for run in runs]


def _clocks(table: Table, layout: Layout, told: Mapping[str, str]) -> list[str]:
    """What to say about columns that are called steps and hold none, where there is no other one."""
    if layout.step is not None:
        return []
    named = {c.strip().lower() for c, role in told.items() if role == "step"} | set(STEP)
    found = [c for c in table.names if c.strip().lower() in named and is_clock(table, c)]
    return [str(say("runs.note.clock", name=column.strip())) for column in found[:1]]


def _has_evaluation(story: Story) -> bool:
    return EVAL_LOSS in story.series or any(n.startswith("eval:") and n.endswith("/loss") for n in story.series)


def _run(story: Story, source: Source, index: int, count: int, notes: list[str]) -> Run:
    said = [*notes, *story.notes]
    if count > 1:
        said.append(str(say("runs.note.other_trainings", count=count, index=index)))
    choose_main_evaluation(story.series, said)
    return Run(
        name=source.name if count == 1 else f"{source.name} #{index}",
        path=source.path,
        kind=source.kind,
        meta=facts.from_columns(story.series),
        series=story.series,
        events=tuple(Event("resume", step, {}) for step in story.resumed),
        notes=tuple(said),
    )


def _ranked(step: Floats) -> Floats | None:
    """Each different value as one step, where the column holds fractions that would become one step; else None."""
    known = step[np.isfinite(step)]
    if not known.size or np.mean(known != np.round(known)) < _FRACTIONS:
        return None
    values, rank = np.unique(known, return_inverse=True)
    if np.unique(np.round(values)).size == values.size:
        return None
    ranked = np.full(step.size, np.nan)
    ranked[np.isfinite(step)] = rank + 1.0
    return ranked


def _epochs(epoch: Floats, kinds: Ints) -> tuple[Floats, Floats] | None:
    """Steps and passes done where each row (of a kind) is one whole epoch; counted from 0 they mean one pass more."""
    known = epoch[np.isfinite(epoch)]
    if known.size == 0 or (known != np.round(known)).any():
        return None
    if any((np.diff(epoch[(kinds == kind) & np.isfinite(epoch)]) == 0).any() for kind in np.unique(kinds)):
        return None
    done = epoch + 1.0 if known.min() == 0 else epoch
    return done, done


def _constant_within(epoch: Floats) -> bool:
    known = epoch[np.isfinite(epoch)]
    if known.size < 3 or (known != np.round(known)).any():
        return False
    # Two rows an epoch are its training and its evaluation row.
    return bool(known.size > 2 * np.unique(known).size)
