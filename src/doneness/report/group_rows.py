"""What the report says of each source and of each turn: its losses, on how many rows."""

from __future__ import annotations

import numpy as np

from doneness.core import tr
from doneness.curves import paired_effect
from doneness.report.curve import half_width
from doneness.report.numbers import ABSENT, between, count, plain, signed
from doneness.report.view import GroupRow
from doneness.runs import ExampleLosses, Run, of_group, sorted_by
from doneness.runs.groups import SORTINGS

_FEW = 20  # rows, below which an interval is hardly one


def group_rows(run: Run) -> tuple[GroupRow, ...]:
    """One row a source, then one a turn; empty where the run records neither, or all rows are of one sort."""
    return tuple(_row(run, sorting, name) for sorting in SORTINGS for name in sorted_by(run, sorting))


def _row(run: Run, sorting: str, name: str) -> GroupRow:
    evals = of_group(run, sorting, name).examples
    losses = [each.mean for each in evals]
    last, best = evals[-1], int(np.argmin(np.nan_to_num(losses, nan=np.inf)))
    half, n = half_width(last)
    return GroupRow(
        sorting=sorting,
        title=_title(sorting, name),
        loss=plain(last.mean) + (f" ± {plain(half)}" if half is not None else ""),
        best=plain(losses[best]),
        best_step=count(evals[best].step),
        change=signed(last.mean - losses[0]),
        interval=_interval(evals[0], last),
        n=count(n),
        tokens=count(int(last.tokens.sum())),
        few=n < _FEW,
    )


def _title(sorting: str, name: str) -> str:
    if sorting == "turn":
        return tr(f"report.group.turn_{name}") if name in ("1", "2", "3") else tr("report.group.turn", turn=name)
    return {"": tr("report.group.unnamed"), "other": tr("report.group.other")}.get(name, name)


def _interval(first: ExampleLosses, last: ExampleLosses) -> str:
    """95 % interval of the change since the first evaluation, where both have the same rows."""
    if first.step == last.step or first.ids.tolist() != last.ids.tolist():
        return ABSENT
    clusters = None if last.cluster is None else last.cluster.tolist()
    found = paired_effect(last.nll, first.nll, last.tokens, clusters)
    return ABSENT if found.n < 2 else between(*(signed(end) for end in found.interval(0.95)))
