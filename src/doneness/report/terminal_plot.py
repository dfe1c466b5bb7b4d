"""The loss of one run as braille dots, with its range said in words."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from doneness.core import tr
from doneness.report.braille import Canvas
from doneness.report.curve import Curve
from doneness.report.frame import y_limits, zero_said
from doneness.report.numbers import count, plain
from doneness.report.span_rows import span_title
from doneness.report.ticks import Scale

_RAW, _TREND, _EVAL = range(3)
_STYLES = {-1: "", _RAW: "dim yellow", _TREND: "yellow", _EVAL: "bold blue"}
_LABEL = 8
_NAME = 8


class LossPlot:
    """A renderable that fills the console's width, at most 110 columns."""

    def __init__(self, curve: Curve, rows: int = 11) -> None:
        self.curve = curve
        self.rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rows of dots between the range on the left and the lines' names on the right."""
        if not (self.curve.raw.step.size or self.curve.evals):
            yield Text(tr("report.term.no_curve"), style="dim")
            return
        columns = min(options.max_width, 110) - _LABEL - _NAME - 1
        if columns < 12:
            # Too narrow for a plot; its range is still worth a line.
            yield Text(_range(self.curve, y_limits(self.curve, log=False)))
            return
        limits = y_limits(self.curve, log=False)
        yield from self._lines(columns, limits)
        yield Text(_range(self.curve, limits), style="dim")
        mark = _keep_line(self.curve, columns)
        if mark:
            yield mark

    def _lines(self, columns: int, limits: tuple[float, float]) -> Iterator[Text]:
        canvas, names = _drawn(self.curve, columns, self.rows, limits)
        low, high = limits
        for i, stretches in enumerate(canvas.rows_of_text()):
            label = _label(high) if i == 0 else _label(low) if i == self.rows - 1 else ""
            line = Text(f"{label:>{_LABEL - 1}} ", style="dim", no_wrap=True, end="\n")
            for text, layer in stretches:
                line.append(text, style=_STYLES[layer])
            if i in names:
                line.append(f" {names[i][0]}", style=_STYLES[names[i][1]])
            yield line


def _drawn(
    curve: Curve, columns: int, rows: int, limits: tuple[float, float]
) -> tuple[Canvas, dict[int, tuple[str, int]]]:
    canvas = Canvas(columns, rows)
    low, high = limits
    end = max(curve.last, 1)
    x = Scale(0, end, 0, canvas.width - 1)
    y = Scale(low, high, canvas.height - 1, 0)

    def at(step: float, value: float) -> tuple[int, int]:
        return round(x(step)), round(y(min(max(value, low), high)))

    # A million points fall on a few thousand dots.
    step, value = curve.raw.step.astype(np.float64), np.clip(curve.raw.value, low, high)
    across = np.rint(x.start + (step - x.low) / (x.high - x.low) * (x.stop - x.start))
    down = np.rint(y.start + (value - y.low) / (y.high - y.low) * (y.stop - y.start))
    lit = np.zeros(canvas.width * canvas.height, dtype=np.bool_)
    dots = (across * canvas.height + down).astype(np.int64)
    lit[dots[(dots >= 0) & (dots < lit.size)]] = True
    for column, row in zip(*(part.tolist() for part in np.divmod(np.flatnonzero(lit), canvas.height)), strict=True):
        canvas.dot(column, row, layer=_RAW)
    names: dict[int, tuple[str, int]] = {}
    if curve.trend is not None:
        points = [at(s, v) for s, v in zip(curve.trend.step.tolist(), curve.trend.value.tolist(), strict=True)]
        for piece in curve.pieces:
            _join(canvas, points[piece], _TREND)
        names[points[-1][1] // 4] = (tr("report.term.train"), _TREND)
    points = [at(e.step, e.loss) for e in curve.evals]
    _join(canvas, points, _EVAL)
    if points:
        row = points[-1][1] // 4
        # Two names on one row would hide each other; evaluation moves up, or down from the top.
        if row in names:
            row = row - 1 if row else 1
        names[row] = (tr("report.term.eval"), _EVAL)
    return canvas, names


def _label(value: float) -> str:
    text = plain(value, 2)
    return text if len(text) < _LABEL else f"{value:.1e}"


def _join(canvas: Canvas, points: list[tuple[int, int]], layer: int) -> None:
    for start, stop in itertools.pairwise(points):
        canvas.line(start, stop, layer)
    for point in points[:1]:
        canvas.dot(*point, layer=layer)


def _range(curve: Curve, limits: tuple[float, float]) -> str:
    low, high = limits
    zero = tr(f"report.term.{zero_said(low)}")
    told = tr("report.term.range", low=plain(low), high=plain(high), zero=zero, last=count(curve.last))
    return f"{told}; {tr('report.figure.span', span=span_title(curve.span))}" if curve.span else told


def _keep_line(curve: Curve, columns: int) -> Text | None:
    if curve.chosen is None or curve.chosen > max(curve.last, 1):
        return None
    column = round(curve.chosen / max(curve.last, 1) * (columns - 1))
    text = tr("report.figure.keep", step=count(curve.chosen))
    if column + len(text) * 2 > columns + _NAME:
        return Text(" " * max(_LABEL + column - 2 * len(text), 0) + f"{text} ▲", style="bold magenta", no_wrap=True)
    return Text(" " * (_LABEL + column) + f"▲ {text}", style="bold magenta", no_wrap=True)
