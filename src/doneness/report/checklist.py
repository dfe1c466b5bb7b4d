"""The checklist: behaviours × checkpoints, each cell a number with its interval and a mark."""

from __future__ import annotations

import math

from doneness.core import tr
from doneness.core.catalogue import entries
from doneness.report.answers import behaviour_title
from doneness.report.decisions import said
from doneness.report.numbers import between, count, plain, signed
from doneness.report.view import CheckCell, Checklist, CheckRow
from doneness.runs.behaviour_groups import GROUPS, group_of
from doneness.runs.probes import UNDECIDED, Behaviour, Cell, Choice, NullReading, ProbeTable, Turning

SIGNS = {
    "base": "",
    "better": "▲",
    "promising": "△",
    "same": "=",
    "leaning": "▽",
    "worse": "▼",
    "changed": "≠",
    "unsure": "?",
}
# Green, amber, red and undecided; the words come first, the colour second.
TONES = {
    "better": "good",
    "promising": "good",
    "same": "good",
    "leaning": "amber",
    "changed": "amber",
    "worse": "bad",
    "unsure": "open",
}

_CHANCE = "probe.chance"
_ERROR = 0.05  # a mark of an older table is set at this level, so one cell in twenty is marked by chance


def checklist(table: ProbeTable, chosen: int | None, choice: Choice | None = None) -> Checklist:
    """Write out the probe table; steps ascend, so base comes first, and groups stand in their order."""
    steps = tuple(sorted(table.steps))
    vetoed = {step: said(reason) for step, reason in ((choice.vetoed if choice else None) or {}).items()}
    ordered = sorted(table.behaviours, key=lambda b: GROUPS.index(group_of(b)))
    rows = tuple(_row(table, b, steps) for b in ordered)
    corrected = any(c.p_table is not None for c in table.cells)
    return Checklist(steps, rows, chosen, vetoed, corrected)


def legend(shown: Checklist) -> str:
    """What the signs mean, and how far chance may have set them."""
    marks = {cell.mark for row in shown.rows for cell in row.cells if cell}
    text = tr("report.check.legend")
    for mark in ("promising", "leaning"):
        if mark in marks:
            text += " " + tr(f"report.check.legend_{mark}")
    cells = [cell for row in shown.rows for cell in row.cells if cell]
    if any(cell.needs for cell in cells):
        text += " " + tr("report.check.legend_needs")
    if any(cell.null for cell in cells):
        text += " " + tr("report.check.legend_null")
    if shown.corrected:
        return text + " " + tr("report.check.corrected")
    marked = sum(cell.mark != "base" for cell in cells)
    if marked and _CHANCE in entries("en"):
        text += " " + tr(_CHANCE, cells=marked, expected=round(marked * _ERROR, 1))
    return text


def turned(shown: Checklist) -> list[str]:
    """What went off from where on: one sentence for all behaviours of which it is the same."""
    sentences = dict.fromkeys(row.turned for row in shown.rows if row.turned)
    comma = tr("report.list_comma")
    return [
        tr("report.check.turned_by", behaviours=comma.join(r.title for r in shown.rows if r.turned == text), text=text)
        for text in sentences
    ]


def tally(shown: Checklist, column: int) -> str:
    """The marks of a column counted: "▲ 3  = 9  ▼ 2  ? 5"."""
    found = shown.counted(column)
    return "  ".join(f"{SIGNS[mark]}\u00a0{found[mark]}" for mark in SIGNS if mark in found)


def _row(table: ProbeTable, behaviour: Behaviour, steps: tuple[int, ...]) -> CheckRow:
    nulls = {n.step: n for n in table.nulls if n.behaviour == behaviour.name}
    cells = ((table.cell(behaviour.name, step), nulls.get(step)) for step in steps)
    turning = table.turning.get(behaviour.name)
    unit = f"report.check.unit.{behaviour.unit}"
    return CheckRow(
        name=behaviour.name,
        title=behaviour_title(behaviour.name),
        better=tr(f"report.check.{behaviour.better}") + (tr(unit) if unit in entries("en") else ""),
        unit=behaviour.unit,
        guard=behaviour.guard,
        cells=tuple(_cell(behaviour, c, null) if c else None for c, null in cells),
        turning=turning.step if turning else None,
        between=_between(turning),
        turned=_turned(turning) if turning else "",
        turns=_turns(turning) if turning else "",
        group=tr(f"report.check.group.{group_of(behaviour)}"),
    )


def _between(turning: Turning | None) -> tuple[int, int] | None:
    if turning is None or turning.low is None or turning.high is None:
        return None
    return turning.low, turning.high


def _turned(turning: Turning) -> str:
    if turning.low is None or turning.high is None:
        return tr("report.check.turns", step=count(turning.step))
    where = {"step": count(turning.step), "between": _where(turning.low, turning.high)}
    if turning.loss_fell:  # by how much is left to the reader: what of it is noise is said with the choice
        return tr("report.check.turns_loss", **where, before=turning.loss_best, after=turning.loss_here)
    return tr("report.check.turns_between", **where)


def _turns(turning: Turning) -> str:
    if turning.low is None or turning.high is None or turning.low == turning.high:
        return tr("report.check.turns", step=count(turning.step))
    return tr("report.check.turns_short", step=count(turning.step), between=_where(turning.low, turning.high))


def _where(low: int, high: int) -> str:
    return count(low) if low == high else between(count(low), count(high))


def _cell(behaviour: Behaviour, cell: Cell, null: NullReading | None) -> CheckCell:
    diff = change = ""
    if cell.diff is not None:
        diff = change = _amount(behaviour, cell.diff, sign=True)
        if cell.diff_interval is not None:
            low, high = (_bare(behaviour, v, sign=True) for v in cell.diff_interval)
            diff = tr("report.check.diff", diff=diff, interval=between(low, high))
    # A mark this version does not know reads as "cannot tell", never as good.
    mark = cell.mark if cell.mark in SIGNS else "unsure"
    return CheckCell(
        step=cell.step,
        number=cell.value,
        low=cell.interval[0],
        high=cell.interval[1],
        value=_amount(behaviour, cell.value),
        interval=between(*(_bare(behaviour, v) for v in cell.interval)),
        mark=mark,
        n=cell.n,
        diff=diff,
        needs=tr("report.check.needs", n=count(cell.needs)) if cell.needs and mark in UNDECIDED else "",
        null=_null(null) if null else "",
        change=change,
    )


_FAR = 20.0  # standard deviations


def _null(reading: NullReading) -> str:
    if reading.beyond and abs(reading.z) > _FAR:  # a few adapters know no more exactly than this
        return tr(
            "report.check.null_above" if reading.z > 0 else "report.check.null_below",
            z=signed(math.copysign(_FAR, reading.z), 0),
        )
    return tr("report.check.null" if reading.beyond else "report.check.null_within", z=signed(reading.z, 1))


def _amount(behaviour: Behaviour, value: float, sign: bool = False) -> str:
    text = _bare(behaviour, value, sign)
    if behaviour.unit != "share":
        return text
    return tr("report.unit.points" if sign else "report.unit.percent", value=text)


def _bare(behaviour: Behaviour, value: float, sign: bool = False) -> str:
    scaled, digits = (100 * value, 0) if behaviour.unit == "share" else (value, _digits(behaviour.unit, value))
    return signed(scaled, digits) if sign else plain(scaled, digits)


def _digits(unit: str, value: float) -> int:
    """Decimals: nats and ratios are near 1 and told apart by hundredths, tokens are many."""
    if unit in ("nats", "ratio"):
        return 2 if abs(value) < 10 else 1
    return 0 if abs(value) >= 10 else 1
