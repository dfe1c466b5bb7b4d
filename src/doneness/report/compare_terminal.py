"""A comparison in the terminal: a plot of dots, a table, what differs."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from doneness.core import tr
from doneness.report.braille import Canvas
from doneness.report.compare_figure import letter, limits
from doneness.report.compare_table import at, heads, rows, summary
from doneness.report.comparison import Compared, Comparison
from doneness.report.frame import zero_said
from doneness.report.many import shortened
from doneness.report.numbers import plain
from doneness.report.sentence import Sentence
from doneness.report.terminal import VERDICTS
from doneness.report.ticks import Scale

STYLES = ("blue", "red", "green", "magenta", "yellow", "white")
_LABEL, _NAME = 8, 18
_MOST_FACTS = 12


def comparison_panel(found: Comparison) -> RenderableType:
    """The plot, the table, what it comes to, the warnings that forbid more, and what differs."""
    parts: list[RenderableType] = [
        *(ComparePlot(found, shown) for shown in found.by_kind.values()),
        Sentence(found.chosen, style="dim"),
        Text(),
        _table(found),
        Sentence(summary(found), style="bold"),
    ]
    parts += [Sentence(warning, style="bold red") for warning in found.warnings]
    parts += [Sentence(note, style="dim") for note in found.notes]
    if found.differing:
        parts += [Text(), Text(tr("compare.differ")), _facts(found)]
    if len(found.differing) > _MOST_FACTS:
        parts.append(Text(tr("compare.more_facts", n=len(found.differing) - _MOST_FACTS), style="dim"))
    return Group(*parts)


class ComparePlot:
    """Evaluations joined, training trends as single dots; each run named where it ends."""

    def __init__(self, found: Comparison, shown: Sequence[int], rows_high: int = 12) -> None:
        self.found = found
        self.shown = shown  # places of runs whose losses are of one kind
        self.rows = rows_high

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rows of dots between the range on the left and the runs' names on the right."""
        low, high = limits([self.found.runs[i] for i in self.shown], log=False)
        columns = min(options.max_width, 110) - _LABEL - _NAME - 1
        zero = tr(f"report.term.{zero_said(low)}")
        end = at(_end(self.found), self.found.axis)
        said = tr("compare.range", low=plain(low), high=plain(high), zero=zero, last=end)
        if columns >= 12:
            yield from self._lines(columns, low, high)
        if self.found.kinds:
            said = f"{self.found.kinds[self.shown[0]]}: {said}"
        yield Text(said, style="dim")

    def _lines(self, columns: int, low: float, high: float) -> list[Text]:
        canvas = Canvas(columns, self.rows)
        x = Scale(0, _end(self.found) or 1.0, 0, canvas.width - 1)
        y = Scale(low, high, canvas.height - 1, 0)
        ends: list[tuple[int, int]] = []
        for i in self.shown:
            last = _draw(canvas, self.found.runs[i], i, x, y, self.found.axis)
            if last is not None:
                ends.append((last // 4, i))
        names = _apart(sorted(ends), self.rows)
        lines = []
        for row, stretches in enumerate(canvas.rows_of_text()):
            label = plain(high, 2) if row == 0 else plain(low, 2) if row == self.rows - 1 else ""
            line = Text(f"{label:>{_LABEL - 1}} ", style="dim", no_wrap=True)
            for text, layer in stretches:
                line.append(text, style="" if layer < 0 else f"not dim {STYLES[layer % len(STYLES)]}")
            if row in names:
                i = names[row]
                text = shortened(f"{letter(i)} {self.found.runs[i].label}", _NAME - 1)
                line.append(f" {text}", style=f"not dim bold {STYLES[i % len(STYLES)]}")
            lines.append(line)
        return lines


def _draw(canvas: Canvas, each: Compared, layer: int, x: Scale, y: Scale, axis: str) -> int | None:
    """Draw one run; the dot row where its evaluations (or its trend) end."""
    data = each.curve
    last = None
    if data.trend is not None:
        for at_x, value in zip(data.place(axis, data.trend.step), data.trend.value.tolist(), strict=True):
            last = round(y(min(max(value, y.low), y.high)))
            canvas.dot(round(x(at_x)), last, layer)
    places = data.place(axis, [e.step for e in data.evals])
    points = [
        (round(x(at_x)), round(y(min(max(e.loss, y.low), y.high)))) for at_x, e in zip(places, data.evals, strict=True)
    ]
    for start, stop in itertools.pairwise(points):
        canvas.line(start, stop, layer)
    for point in points:
        canvas.dot(*point, layer=layer)
    return points[-1][1] if points else last


def _end(found: Comparison) -> float:
    return max(each.curve.place(found.axis, [each.curve.last])[0] for each in found.runs)


def _apart(ends: list[tuple[int, int]], rows_high: int) -> dict[int, int]:
    """A row of its own for each name, as near its line as the others allow; what finds no room goes unnamed."""
    names: dict[int, int] = {}
    for wanted, index in ends:
        free = sorted((abs(row - wanted), row) for row in range(rows_high) if row not in names)
        if free:
            names[free[0][1]] = index
    return names


def _table(found: Comparison) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for i, head in enumerate(heads(found)):
        table.add_column(head, justify="right" if i > 1 else "left", overflow="fold", no_wrap=i == 0)
    for i, (each, cells) in enumerate(zip(found.runs, rows(found), strict=True)):
        name = Text(shortened(cells[0], 24), style=f"bold {STYLES[i % len(STYLES)]}")
        table.add_row(name, Text(cells[1], style=VERDICTS[each.diagnosis.verdict.value]), *cells[2:])
    return table


def _facts(found: Comparison) -> Table:
    table = Table(box=None, pad_edge=False, show_header=True, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("")
    for i in range(len(found.runs)):
        table.add_column(letter(i), overflow="fold")
    for name, values in found.differing[:_MOST_FACTS]:
        table.add_row(Text(name, style="dim"), *(Text(shortened(value, 40)) for value in values))
    return table
