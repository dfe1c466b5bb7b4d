"""How much of a log was lost: damaged rows, and rows whose step or loss cannot be read."""

from __future__ import annotations

import numpy as np

from doneness.core import say
from doneness.runs.readers.assemble import Layout, usable
from doneness.runs.readers.rows import Loss
from doneness.runs.readers.table import Table
from doneness.runs.run import EVAL_LOSS, TRAIN_LOSS, Damage, Ints


def damage_of(loss: Loss, table: Table, layout: Layout) -> Damage:
    """The rows that could not be read, those among the others without a readable step or loss, and all."""
    return Damage(loss.rows + unreadable(table, layout), loss.rows + table.size, loss.cut)


def unreadable(table: Table, layout: Layout) -> int:
    """Rows with a cell for step or loss that holds no number, or with a loss at no usable step."""
    losses = [column for column, name in layout.names.items() if name in (TRAIN_LOSS, EVAL_LOSS)]
    rows: list[Ints] = [table.unread(column) for column in losses]
    if layout.step is not None:
        rows.append(table.unread(layout.step))
        homeless = ~np.isfinite(usable(table.dense(layout.step)))
        if homeless.any():
            rows += [held[homeless[held]] for held in (table.column(column)[0] for column in losses)]
    return int(np.unique(np.concatenate(rows)).size) if rows else 0


def cell_notes(damage: Damage, loss: Loss) -> list[str]:
    """What to say about rows left out for their step or loss alone."""
    count = damage.lost - loss.rows
    return [str(say("runs.note.cells", count=count))] if count else []
