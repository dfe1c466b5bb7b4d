"""A run seen through one span: its losses on the label, the explanation or the end alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from doneness.core import DonenessError, tr
from doneness.runs.run import EVAL_LOSS, SPAN_LOSS, ExampleLosses, Run, Series


def span_names(run: Run) -> tuple[str, ...]:
    """The spans whose losses the run records, those that a recipe defined before the automatic ones."""
    told = [name.removeprefix(SPAN_LOSS) for name in run.series if name.startswith(SPAN_LOSS)]
    found = dict.fromkeys(told) if told else dict.fromkeys(name for e in run.examples for name in e.spans)
    return tuple(sorted(found, key=lambda name: _AUTOMATIC.get(name, 0)))


def of_span(run: Run, name: str) -> Run:
    """The run with the losses of one span as its evaluation losses; everything else stays.

    Rows without a token of the span are left out of each evaluation.

    Raises:
        DonenessError: the run records no such span.
    """
    losses = {e.step: part for e in run.examples if (part := _part(e, name)) is not None}
    column = run.series.get(SPAN_LOSS + name) or _column(losses)
    if column is None:
        known = ", ".join(span_names(run)) or "–"
        raise DonenessError(tr("runs.error.no_span", run=run.name, name=name, known=known))
    return replace(
        run,
        series={**run.series, EVAL_LOSS: column},
        example_steps=tuple(sorted(losses)),
        example_source=losses.__getitem__ if losses else None,
    )


_AUTOMATIC = {"first": 1, "rest": 2, "end": 3}


def _part(each: ExampleLosses, name: str) -> ExampleLosses | None:
    """One evaluation restricted to a span; None where no row has a token of it."""
    span = each.spans.get(name)
    if span is None or not (has := span.tokens > 0).any():
        return None
    return ExampleLosses(
        step=each.step,
        ids=each.ids[has],
        nll=span.nll[has],
        tokens=span.tokens[has],
        cluster=None if each.cluster is None else each.cluster[has],
        groups={key: values[has] for key, values in each.groups.items()},
    )


def _column(losses: dict[int, ExampleLosses]) -> Series | None:
    steps = sorted(losses)
    return Series.of(steps, np.array([losses[step].mean for step in steps])) if steps else None
