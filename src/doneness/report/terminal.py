"""What `doneness` prints: rich renderables, words first and colours second, plain where piped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from doneness.core import Diagnosis, Finding, tr
from doneness.core.text import printable
from doneness.report.curve import curve
from doneness.report.decisions import said
from doneness.report.findings import finding_rows
from doneness.report.health import spikes_line
from doneness.report.keynumbers import key_numbers
from doneness.report.many import gain_left, labels, line, looked_at, note, shortened
from doneness.report.numbers import ABSENT, compact, count, plain, signed
from doneness.report.sentence import Sentence
from doneness.report.span_rows import span_rows
from doneness.report.tables import in_unit
from doneness.report.terminal_checklist import probe_table as probe_table
from doneness.report.terminal_plot import LossPlot
from doneness.report.view import ReportView
from doneness.report.why import skipped, why_not_best
from doneness.runs import Run

VERDICTS = {
    "broken": "bold red",
    "diverged": "bold red",
    "overfitting": "bold red",
    "memorising": "bold red",
    "converged": "bold green",
    "learning": "bold blue",
    "undecided": "bold",
}
STATUSES = {"pass": "green", "warn": "yellow", "fail": "red", "error": "red", "unsure": "", "skipped": "dim"}

_NOTES = 5
_HEADLINE = 32  # cells below which a headline would say no more than the verdict


def diagnosis_panel(run: Run, diagnosis: Diagnosis) -> RenderableType:
    """One run: verdict, headline, plot, the three numbers, findings, what to do next."""
    data = curve(run, diagnosis, diagnosis.recommended_step)
    head = Text(tr(f"report.verdict.{diagnosis.verdict.value}"), style=VERDICTS[diagnosis.verdict.value])
    head.append(f"  {printable(run.name)}", style="dim not bold")
    parts: list[RenderableType] = [head, Sentence(said(diagnosis.headline)), Text(), LossPlot(data)]
    if run.exploratory:
        parts.insert(0, Sentence(tr("report.notice.explore"), style="bold yellow"))
    why = why_not_best(diagnosis)
    parts += [Sentence(why, style="magenta"), Text()] if why else [Text()]
    numbers = _grid()
    for key in key_numbers(run, diagnosis, data):
        numbers.add_row(key.label, Text(key.value, style="bold"), Text(key.detail, style="dim"))
    parts.append(numbers)
    if diagnosis.spans:
        parts.append(spans_table(run, diagnosis))
    if diagnosis.findings:
        parts.append(findings_table(diagnosis.findings))
    if diagnosis.readings:
        parts.append(Text(tr("report.head.readings"), style="dim"))
        parts += [Sentence(f"  {said(reading)}", style="dim") for reading in diagnosis.readings]
    spikes = spikes_line(run)
    if spikes:
        parts += [Text(), Sentence(spikes)]
    if diagnosis.advice:
        parts += [Text(), Sentence(tr("report.term.next", text=said(diagnosis.advice)), style="bold")]
    told = [printable(" ".join(note.split())) for note in (*run.notes, *run.faults)]
    if told:
        parts.append(Text())
        parts += [Sentence(note, style="dim") for note in told[:_NOTES]]
    if len(told) > _NOTES:
        parts.append(Text(tr("report.term.more_notes", n=len(told) - _NOTES), style="dim"))
    return Group(*parts)


def spans_table(run: Run, diagnosis: Diagnosis) -> RenderableType:
    """One line a span of the target tokens, the deciding one first: verdict, loss now, lowest, change, size."""
    table = _table("span", "verdict", "loss_now", "lowest", "change_first", "n")
    for column in table.columns[2:]:
        column.justify, column.no_wrap = "right", True
    for row in span_rows(run, diagnosis):
        name = Text(row.title, style="bold" if row.decides else "")
        if row.decides:
            name.append(f" ({tr('report.span.decides')})", style="dim not bold")
        half = f" ± {plain((end[1] - end[0]) / 2)}" if (end := _interval_of(diagnosis, row.name)) else ""
        table.add_row(
            name, Text(row.verdict_word, style=VERDICTS[row.verdict]), row.loss, row.best, row.change + half, row.n
        )
    return table


def _interval_of(diagnosis: Diagnosis, name: str) -> tuple[float, float] | None:
    return next((each.interval for each in diagnosis.spans if each.name == name), None)


def findings_table(findings: Sequence[Finding], notes: Mapping[str, str] | None = None) -> RenderableType:
    """Status word, code and sentence of each finding, gravest first; skipped ones last, dim, one line a reason.

    `notes` are said after the sentence, by the finding's code; empty ones are not.
    """
    table = _table("status", "code", "finding")
    # Chinese has no spaces to break at; folding keeps every character.
    table.columns[2].ratio, table.columns[2].overflow = 1, "fold"
    table.expand = True
    for row in finding_rows(tuple(findings)):
        text = Sentence(row.summary)
        if row.advice:
            # A Chinese full stop brings its own space.
            text.append(row.advice if row.summary.endswith("。") else f" {row.advice}", style="dim")
        if note := (notes or {}).get(row.code):
            text.append(f"\n{note}")
        table.add_row(Text(row.word, style=STATUSES[row.status]), row.code, text)
    for codes, sentence in skipped(findings):
        word = Text(tr("report.status.skipped"), style="dim")
        table.add_row(word, codes[0] if len(codes) == 1 else "", Sentence(sentence, style="dim"))
    return table


class RunsTable:
    """One line a run: name, verdict, step to keep, gain left, steps and evaluations, and a note."""

    def __init__(self, found: Sequence[tuple[Run, Diagnosis]]) -> None:
        self.names = labels([run for run, _ in found])
        self.rows = [
            (
                Text(tr(f"report.verdict.{diagnosis.verdict.value}"), style=VERDICTS[diagnosis.verdict.value]),
                ABSENT if diagnosis.recommended_step is None else count(diagnosis.recommended_step),
                gain_left(diagnosis),
                looked_at(run),
            )
            for run, diagnosis in found
        ]
        self.notes = [note(run, diagnosis) for run, diagnosis in found]
        self.lines = [line(run, diagnosis) for run, diagnosis in found]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """The table; names give way in the middle, and headlines stand beside them where there is room."""
        heads = [tr(f"report.table.{name}") for name in ("run", "verdict", "keep", "gain", "looks", "note")]
        # The columns between name and note are short and stay whole; two cells stand between columns.
        inner = [max(cell_len(str(c)) for c in column) for column in zip(heads[1:5], *self.rows, strict=True)]
        room = options.max_width - sum(inner) - 2 * (len(heads) - 1)
        least = max(map(cell_len, (heads[5], *self.notes)))
        name = max(8, min(max(map(cell_len, self.names), default=0), room - min(least, 16)))
        told = self.lines if room - name >= _HEADLINE else self.notes
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
        for place, head in enumerate(heads):
            side: Literal["left", "right"] = "right" if place in (2, 3, 4) else "left"
            table.add_column(head, no_wrap=True, justify=side, overflow="ellipsis")
        for label, cells, text in zip(self.names, self.rows, told, strict=True):
            table.add_row(Text(shortened(label, name)), *cells, Text(text))
        table.columns[5].max_width = max(room - name, 4)
        yield table


def runs_table(found: Iterable[tuple[Run, Diagnosis]]) -> RenderableType:
    """One line a run: name, verdict, step to keep, gain left, steps and evaluations, and a note."""
    return RunsTable(list(found))


def checkpoint_table(view: ReportView) -> RenderableType:
    """Every checkpoint with its loss and the paired difference to the best; ± is half of a 95 % interval."""
    table = _table("step", "epoch", "tokens", in_unit(view, "loss"), in_unit(view, "diff"), "state", "role")
    for column in table.columns[:5]:
        column.justify, column.no_wrap = "right", True
    table.columns[5].min_width, table.columns[6].overflow = 7, "fold"
    for row in view.checkpoints:
        roles = [k for k, on in (("chosen", row.chosen), ("best", row.best), ("sweet", row.sweet)) if on]
        table.add_row(
            count(row.step),
            plain(row.epoch, 2),
            compact(row.tokens),
            plain(row.loss) + _half(row.interval),
            "0" if row.best else signed(row.diff) + _half(row.diff_interval),
            tr(f"report.state.{row.state}"),
            tr("report.list_comma").join(tr(f"report.role.{r}") for r in roles[:2]),
            style="bold" if row.chosen else "",
        )
    return table


def _half(interval: tuple[float, float] | None) -> str:
    return f" ± {plain((interval[1] - interval[0]) / 2)}" if interval else ""


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(tr(f"report.table.{name}"))
    return table


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column()
    table.add_column(justify="right", no_wrap=True)
    table.add_column()
    return table
