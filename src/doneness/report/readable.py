"""A run whose damaged files no longer stand in the way: a crash may have cut any of them."""

from __future__ import annotations

from dataclasses import replace

from doneness.core import UnreadableError, tr
from doneness.runs import ExampleLosses, Run


def readable(run: Run) -> Run:
    """`run` with its per-example losses loaded; those that cannot be read become a note."""
    if run.example_source is None:
        return run
    loaded: dict[int, ExampleLosses] = {}
    lost: list[int] = []
    for step in run.example_steps:
        try:
            loaded[step] = run.example_source(step)
        except UnreadableError:
            lost.append(step)
    notes = (tr("report.missing.unreadable", n=len(lost), step=lost[0]),) if lost else ()
    return replace(run, example_steps=tuple(loaded), example_source=loaded.__getitem__, notes=(*run.notes, *notes))
