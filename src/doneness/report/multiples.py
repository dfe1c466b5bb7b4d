"""Small multiples of the checklist: one little panel a behaviour, shares all on one scale from 0 to 100 %.

What is no share has a scale of its own, and says its ends.
"""

from __future__ import annotations

import math

from doneness.core import tr
from doneness.report.numbers import axis_end, count
from doneness.report.palette import fill, stroke
from doneness.report.svg import Svg, element, text_width
from doneness.report.ticks import Scale
from doneness.report.view import CheckCell, Checklist, CheckRow

_WIDTH, _HEIGHT = 230.0, 118.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 192.0, 10.0, 94.0
_SIZE = 11.0
_ROLES = {"worse": "worse", "better": "better-ink", "promising": "better-ink", "leaning": "amber-ink"}


def multiples(table: Checklist) -> list[tuple[str, str, str]]:
    """(name, title, SVG) of each behaviour; checkpoints stand evenly, in the order of the table's columns."""
    return [(row.name, row.title, _panel(row, table)) for row in table.rows]


def _panel(row: CheckRow, table: Checklist) -> str:
    svg = Svg(_WIDTH, _HEIGHT)
    x = Scale(0, max(len(table.steps) - 1, 1), _LEFT, _RIGHT)
    shown = [(i, c) for i, c in enumerate(row.cells) if c is not None]
    y = Scale(*_ends(row, [c for _, c in shown]), _BOTTOM, _TOP)
    if table.chosen in table.steps:
        at = x(table.steps.index(table.chosen))
        svg.add("rect", x=at - 9, y=_TOP - 6, width=18, height=_BOTTOM - _TOP + 6, opacity="0.22", **fill("chosen"))
    for edge in (y.low, y.high):
        svg.line([(_LEFT - 8, y(edge)), (_RIGHT + 8, y(edge))], **stroke("grid"))
    if row.between and row.between[0] in table.steps and row.between[1] in table.steps:
        low, high = (x(table.steps.index(step) - 0.5) for step in row.between)
        svg.add(
            "rect",
            x=low - 2,
            y=_TOP - 6,
            width=high - low + 4,
            height=_BOTTOM - _TOP + 6,
            opacity="0.16",
            **fill("worse"),
        )
    if row.turning in table.steps and table.steps.index(row.turning) > 0:
        at = x(table.steps.index(row.turning) - 0.5)
        svg.line([(at, _TOP - 6), (at, _BOTTOM)], **stroke("worse", 2.5))
    svg.line([(x(i), y(c.number)) for i, c in shown], opacity="0.7", **stroke("ink", 1))
    for i, cell in shown:
        _point(svg, x(i), y, cell)
    _names(svg, (x, y), row, table, shown)
    said = tr("report.list_comma").join(f"{count(table.steps[i])}: {c.value}" for i, c in shown)
    return svg.done(element("title", row.title), role="img", aria_label=f"{row.title}: {said}", cls="small")


def _ends(row: CheckRow, cells: list[CheckCell]) -> tuple[float, float]:
    """Shares keep one scale over all panels; counts begin at 0; anything else has the range that it spans."""
    if row.unit == "share":
        return 0.0, 1.0
    ends = [v for c in cells for v in (c.number, c.low, c.high) if math.isfinite(v)]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    if row.unit == "tokens":
        low = 0.0
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _point(svg: Svg, x: float, y: Scale, cell: CheckCell) -> None:
    low, high = (y(min(max(v, y.low), y.high)) for v in (cell.low, cell.high))
    role = _ROLES.get(cell.mark, "ink")
    svg.line([(x, low), (x, high)], **stroke(role, 1.2))
    middle = y(min(max(cell.number, y.low), y.high))
    if cell.mark in ("worse", "leaning"):
        # A shape of its own, so that colour is not the only sign.
        svg.add("path", d=f"M{x - 4:.1f} {middle - 3:.1f}h8l-4 7z", **fill(role))
    else:
        svg.add("circle", cx=x, cy=middle, r=2.8, **fill(role))


def _names(
    svg: Svg, scales: tuple[Scale, Scale], row: CheckRow, table: Checklist, shown: list[tuple[int, CheckCell]]
) -> None:
    x, y = scales
    if shown:
        i, cell = shown[-1]
        middle = y(min(max(cell.number, y.low), y.high)) + 4
        svg.add("text", cell.value, x=x(i) + 8, y=middle, font_size=_SIZE, **fill("ink"))
    if row.unit != "share":
        for value, at in ((y.high, _TOP + 1), (y.low, _BOTTOM - 3)):
            svg.add("text", axis_end(value), x=_LEFT - 8, y=at, font_size=_SIZE - 2, **fill("muted"))
    free = 0.0
    for i, step in enumerate(table.steps):
        text = tr("report.table.base") if step == 0 else count(step)
        half = text_width(text, _SIZE) / 2
        if x(i) - half < free or (i < len(table.steps) - 1 and x(i) + 2 * half + 4 > _RIGHT + half and i):
            continue
        free = x(i) + half + 5
        start = max(x(i), half)
        svg.add("text", text, x=start, y=_HEIGHT - 8, text_anchor="middle", font_size=_SIZE, **fill("muted"))
