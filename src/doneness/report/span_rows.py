"""What the report says of each span: its verdict, its numbers, and the points of its little curve."""

from __future__ import annotations

import math

import numpy as np

from doneness.core import Diagnosis, SpanVerdict, tr
from doneness.report.curve import eval_points
from doneness.report.decisions import said
from doneness.report.numbers import ABSENT, between, count, plain, signed
from doneness.report.view import SpanRow
from doneness.runs import Run, of_span

_NAMED = ("label", "explanation", "reasoning", "first", "rest", "end")


def span_title(name: str) -> str:
    """What a span is called; one of the user's own by its name."""
    return tr(f"report.span.name.{name}") if name in _NAMED else name


def span_rows(run: Run, diagnosis: Diagnosis) -> tuple[SpanRow, ...]:
    """One row a span that was judged, the deciding one first; empty where the log has no losses by span."""
    found = sorted(diagnosis.spans, key=lambda each: each.name != diagnosis.span)
    return tuple(_row(run, each, each.name == diagnosis.span) for each in found)


def _row(run: Run, each: SpanVerdict, decides: bool) -> SpanRow:
    points, _ = eval_points(of_span(run, each.name))
    guess = ""
    level = None
    if each.baseline is not None and math.isfinite(each.per_row):
        guess = tr("report.span.guess", loss=plain(each.per_row, 2), guess=plain(each.baseline, 2))
        # The curve is in nats per token; a label of several tokens is guessed as a whole.
        level = each.baseline * each.loss / each.per_row if each.per_row > 0 else None
    return SpanRow(
        name=each.name,
        title=span_title(each.name),
        verdict=each.verdict.value,
        verdict_word=tr(f"report.verdict.{each.verdict.value}"),
        headline=said(each.headline),
        decides=decides,
        loss=plain(each.loss),
        best=plain(each.best),
        best_step=count(each.best_step),
        change=signed(each.change),
        interval=between(*(signed(end) for end in each.interval)) if each.interval else ABSENT,
        n=count(each.n) if each.n else ABSENT,
        tokens=count(each.tokens) if each.tokens else ABSENT,
        guess=guess,
        points=points,
        baseline=level if level is not None and np.isfinite(level) else None,
    )
