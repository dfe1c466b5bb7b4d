"""The checklist in a terminal: a line a behaviour, groups over them, words and signs before colours."""

from __future__ import annotations

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from doneness.core import tr
from doneness.report.checklist import SIGNS, checklist, legend, tally, turned
from doneness.report.numbers import ABSENT, count
from doneness.report.sentence import Sentence
from doneness.report.view import CheckCell, CheckRow
from doneness.runs.probes import ProbeTable

MARKS = {
    "better": "green",
    "promising": "green",
    "same": "",
    "leaning": "yellow",
    "changed": "yellow",
    "worse": "red",
    "unsure": "italic",
    "base": "dim",
}
_FEW = 12  # rows; more of them get one line each
_TURN, _GUARD = "┃", "†"


class ProbeGrid:
    """Behaviours × checkpoints; where the console is too narrow, in several tables one below the other.

    A short table has the interval of each cell on the line under it; a long one has a line a behaviour, and the
    interval and the questions needed of the checkpoint to keep (of the last one where none is) at its end.
    """

    def __init__(self, table: ProbeTable, chosen: int | None = None) -> None:
        self.shown = checklist(table, chosen)
        self.short = len(self.shown.rows) <= _FEW

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The tables, then what their signs mean."""
        titles = max((cell_len(row.title) for row in self.shown.rows), default=0) + 2
        cells = [c for row in self.shown.rows for c in row.cells if c]
        under = [cell_len(c.interval) for c in cells] if self.short else []
        turns = any(row.turning for row in self.shown.rows)
        widest = max([*(cell_len(c.value) + 2 + turns for c in cells), *under], default=4)
        title = min(titles, max(options.max_width // 3, 16))
        room = max(1, (options.max_width - title - 3) // (max(widest, 6) + 2))
        for first in range(0, len(self.shown.steps), room):
            yield self._part(first, first + room, title)
        if not self.short:
            yield from self._detail()
        yield from (Sentence(f"{_TURN} {text}") for text in turned(self.shown))
        guarded = any(row.guard for row in self.shown.rows)
        yield Sentence(
            " ".join([legend(self.shown), *([tr("report.check.legend_guard")] if guarded else [])]), style="dim"
        )

    def _part(self, first: int, last: int, width: int) -> Table:
        out = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
        out.add_column(tr("report.table.behaviour"), overflow="fold", max_width=width)
        for step in self.shown.steps[first:last]:
            name = tr("report.table.base") if step == 0 else count(step)
            kept = step == self.shown.chosen
            head = Text(f"{name}\n{tr('report.term.keep')}" if kept else name, style="bold magenta" if kept else "")
            out.add_column(head, justify="right", no_wrap=True)
        for title, rows in self.shown.groups():
            if title:
                out.add_row(Text(title, style="bold"))
            for row in rows:
                out.add_row(self._title(row), *self._cells(row, first, last))
        return out

    def _title(self, row: CheckRow) -> Text:
        title = Text(row.title)
        if row.guard:
            title.append(f" {_GUARD}", style="dim")
        if self.short:
            asked = next((c.n for c in row.cells if c), 0)
            title.append(f"\nn = {asked}", style="dim")
        return title

    def _cells(self, row: CheckRow, first: int, last: int) -> list[Text]:
        steps = self.shown.steps[first:last]
        return [_cell(c, self.short, s == row.turning) for s, c in zip(steps, row.cells[first:last], strict=True)]

    def _detail(self) -> RenderResult:
        """The checkpoint to keep, or the last one, with intervals and what would tell."""
        at = self.shown.chosen if self.shown.chosen in self.shown.steps else self.shown.steps[-1]
        column = self.shown.steps.index(at)
        step = tr("report.where.step", step=count(at))
        yield Text(tr("report.check.turned_by", behaviours=step, text=tally(self.shown, column)), style="bold")
        out = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for name in ("behaviour", "number", "interval", "against", "n", "mark"):
            side = name in ("number", "interval", "against", "n")
            head = tr("report.check.against") if name == "against" else tr(f"report.table.{name}")
            out.add_column(head, justify="right" if side else "left", no_wrap=side, overflow="fold")
        for row in self.shown.rows:
            cell = row.cells[column]
            if cell is None:
                continue
            word = f"{SIGNS[cell.mark]} {tr(f'report.mark.{cell.mark}')}".strip()
            told = " · ".join(filter(None, (word, cell.needs, cell.null)))
            style = MARKS[cell.mark]
            out.add_row(row.title, cell.value, cell.interval, cell.change, count(cell.n), Text(told, style=style))
        yield out


def probe_table(table: ProbeTable, chosen: int | None = None) -> RenderableType:
    """Value and mark of each behaviour at each checkpoint, with the intervals."""
    return ProbeGrid(table, chosen)


def _cell(cell: CheckCell | None, short: bool, turns: bool) -> Text:
    if cell is None:
        return Text(ABSENT, style="dim")
    text = Text(_TURN if turns else "", style="red")
    sign = SIGNS[cell.mark]
    text.append(f"{cell.value} {sign}" if sign else cell.value, style=MARKS[cell.mark])
    return text.append(f"\n{cell.interval}", style="dim") if short else text
