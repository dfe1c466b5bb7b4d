"""A batch as bytes, on its way from the process that makes it to the one that counts.

What is dear to make of a row goes with it, so that no check makes it again; the object that it was read from stays
behind. Both ends are the same program, and nobody else writes to the pipe between them.
"""

from __future__ import annotations

import pickle
from itertools import islice
from typing import Any

from doneness.audit.batch import Batch
from doneness.audit.columns import Columns
from doneness.audit.entry import Entry
from doneness.data import Row
from doneness.data.rows import Turn
from doneness.data.stream import Streamed

# Of an entry; its key is a column. With what is left to the checks either process has about as much to do.
_SENT = ("question", "normal_answer", "spoken")


def packed(batch: Batch) -> bytes:
    """A batch in its wire form: lists of one field each, since many short objects take long."""
    rows, entries = batch.rows, batch.entries
    used = [entry.row for entry in entries]
    turns = [turn for row in used for turn in row.turns]
    more = [turn.more for turn in turns]
    told: list[Any] = [
        [row.source for row in rows],
        [row.line for row in rows],
        [row.shape for row in rows],
        bytes((row.row is not None) | row.blank << 1 | row.separator << 2 for row in rows),
        [(row.problem, row.rejected) for row in rows if row.row is None],
        [row.id for row in used],
        [(row.kind, row.source, row.topic, row.label, row.cluster) for row in used],
        _sparse([entry.rejected for entry in entries]),
        [len(row.turns) for row in used],
        [turn.role for turn in turns],
        [turn.content for turn in turns],
        _sparse(more),
        *([getattr(entry, name) for entry in entries] for name in _SENT),
        batch.columns.waiting(),
        batch.turns.waiting(),
    ]
    return pickle.dumps(told, pickle.HIGHEST_PROTOCOL)


def unpacked(name: str, raw: bytes) -> Batch:
    """The batch of a side that was `packed`."""
    (sources, lines, shapes, flags, problems, ids, marks, rejected, counts, roles, contents, more,
     *made, numbers, last) = pickle.loads(raw)  # fmt: skip
    columns, asked = Columns(None, ""), Columns(None, "")
    columns.wait(numbers)
    asked.wait(last)
    turns = map(Turn, roles, contents, more or [None] * len(roles))
    faults, usable = iter(problems), zip(ids, marks, counts, rejected or [None] * len(ids), strict=True)
    rows, entries = [], []
    for source, line, shape, flag in zip(sources, lines, shapes, flags, strict=True):
        row, problem = None, None
        if flag & 1:
            key, (kind, origin, topic, label, cluster), count, worse = next(usable)
            row = Row(
                id=key, turns=tuple(islice(turns, count)), line=line, kind=kind, source=origin, topic=topic,
                label=label, cluster=cluster,
            )  # fmt: skip
            entries.append(Entry(name, 0, row, worse, source))
        else:
            problem, worse = next(faults)
        rows.append(Streamed(source, line, row, problem, flag & 2 > 0, worse, shape, flag & 4 > 0))
    for entry, key, *forms in zip(entries, columns.get("question").tolist(), *made, strict=True):
        entry.__dict__.update(zip(_SENT, forms, strict=True), key=key)
    return Batch(rows, entries, columns, asked)


def _sparse(values: list[Any]) -> list[Any] | None:
    """Nothing where all are None."""
    return values if any(value is not None for value in values) else None
