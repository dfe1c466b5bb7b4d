"""The checklist: behaviours × checkpoints, each cell a number with its interval and a mark."""

from __future__ import annotations

from doneness.core import tr
from doneness.core.catalogue import entries
from doneness.report.answers import behaviour_title
from doneness.report.decisions import said
from doneness.report.numbers import between, plain, signed
from doneness.report.view import CheckCell, Checklist, CheckRow
from doneness.runs.probes import Behaviour, Cell, Choice, ProbeTable

SIGNS = {"base": "", "better": "▲", "same": "=", "worse": "▼", "changed": "≠", "unsure": "?"}

_CHANCE = "probe.chance"
_ERROR = 0.05  # a mark is set at this level, so one cell in twenty is marked by chance


def checklist(table: ProbeTable, chosen: int | None, choice: Choice | None = None) -> Checklist:
    """Write out the probe table; steps ascend, so base comes first."""
    steps = tuple(sorted(table.steps))
    vetoed = {step: said(reason) for step, reason in ((choice.vetoed if choice else None) or {}).items()}
    return Checklist(steps, tuple(_row(table, b, steps) for b in table.behaviours), chosen, vetoed)


def legend(shown: Checklist) -> str:
    """What the signs mean, and how many of them chance alone would set."""
    text = tr("report.check.legend")
    cells = sum(cell is not None and cell.mark != "base" for row in shown.rows for cell in row.cells)
    if cells and _CHANCE in entries("en"):
        text += " " + tr(_CHANCE, cells=cells, expected=round(cells * _ERROR, 1))
    return text


def _row(table: ProbeTable, behaviour: Behaviour, steps: tuple[int, ...]) -> CheckRow:
    cells = (table.cell(behaviour.name, step) for step in steps)
    return CheckRow(
        name=behaviour.name,
        title=behaviour_title(behaviour.name),
        better=tr(f"report.check.{behaviour.better}")
        + (tr("report.check.tokens") if behaviour.unit == "tokens" else ""),
        unit=behaviour.unit,
        guard=behaviour.guard,
        cells=tuple(_cell(behaviour, c) if c else None for c in cells),
        turning=table.turning.get(behaviour.name),
    )


def _cell(behaviour: Behaviour, cell: Cell) -> CheckCell:
    diff = ""
    if cell.diff is not None:
        diff = _amount(behaviour, cell.diff, sign=True)
        if cell.diff_interval is not None:
            low, high = (_bare(behaviour, v, sign=True) for v in cell.diff_interval)
            diff = tr("report.check.diff", diff=diff, interval=between(low, high))
    return CheckCell(
        step=cell.step,
        number=cell.value,
        low=cell.interval[0],
        high=cell.interval[1],
        value=_amount(behaviour, cell.value),
        interval=between(*(_bare(behaviour, v) for v in cell.interval)),
        # A mark this version does not know reads as "cannot tell", never as good.
        mark=cell.mark if cell.mark in SIGNS else "unsure",
        n=cell.n,
        diff=diff,
    )


def _amount(behaviour: Behaviour, value: float, sign: bool = False) -> str:
    text = _bare(behaviour, value, sign)
    if behaviour.unit != "share":
        return text
    return tr("report.unit.points" if sign else "report.unit.percent", value=text)


def _bare(behaviour: Behaviour, value: float, sign: bool = False) -> str:
    scaled, digits = (100 * value, 0) if behaviour.unit == "share" else (value, 0 if abs(value) >= 10 else 1)
    return signed(scaled, digits) if sign else plain(scaled, digits)
