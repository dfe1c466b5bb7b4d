"""Several figures on one sheet, each with a title above and a few words below."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from doneness.report.frame import wrapped
from doneness.report.palette import css, fill
from doneness.report.svg import Svg, element, text_width

_GAP = 28.0
_SIZE = 14.0
_LINE = 20.0
FACE = 'svg{background:var(--paper)}text{font-family:system-ui,"Noto Sans CJK SC",sans-serif}'


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure: its SVG (not stand-alone), a title, and the sentences under it, the first of them bold."""

    svg: str
    title: str = ""
    under: tuple[str, ...] = ()


def panel_width(width: float, count: int, least: float) -> float:
    """How wide each of `count` panels is on a sheet: side by side where each gets `least`, else stacked."""
    return float(math.floor((width - _GAP * (count - 1)) / count)) if width >= least * count else width


def sheet(panels: Sequence[Panel], width: float, title: str = "") -> str:
    """All panels as one stand-alone SVG, light or dark with the system.

    Args:
        panels: drawn with the width that `panel_width` gave.
        width: of the sheet, in pixels.
        title: above everything.
    """
    sizes = [_size(panel.svg) for panel in panels]
    columns = max(1, int((width + _GAP) // (sizes[0][0] + _GAP)))
    body: list[str] = []
    top = 34.0 if title else 0.0
    for first in range(0, len(panels), columns):
        row = list(zip(panels, sizes, strict=True))[first : first + columns]
        head = _LINE + 8 if any(p.title for p, _ in row) else 0.0
        tall = max(size[1] for _, size in row)
        lines = [_under(p, size[0]) for p, size in row]
        for place, ((panel, size), under) in enumerate(zip(row, lines, strict=True)):
            left = place * (size[0] + _GAP)
            body.append(_title(panel.title, left + 2, top + _LINE - 4, size[0] + _GAP - 8))
            body.append(_placed(panel.svg, left, top + head))
            for i, (line, bold) in enumerate(under):
                body.append(
                    _text(line, left + 2, top + head + tall + (i + 1) * _LINE, "ink" if bold else "muted", bold)
                )
        top += head + tall + max(map(len, lines)) * _LINE + _GAP
    svg = Svg(width, top - _GAP + 10)
    text = f'<text x="2" y="22" font-size="17" font-weight="700" class="f-ink" fill="#1b1f24">{_escaped(title)}</text>'
    words = element("title", title or panels[0].title) + f"<style>{css()}{FACE}</style>"
    head_of = words + (text if title else "") + "".join(body)
    return svg.done(head_of, role="img", cls="figure", width=width, font_family="system-ui, sans-serif")


def _under(panel: Panel, width: float) -> list[tuple[str, bool]]:
    return [(line, i == 0) for i, said in enumerate(panel.under) for line in wrapped([said], _SIZE, width - 8)]


def _size(svg: str) -> tuple[float, float]:
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if box is None:
        raise ValueError("a figure has a viewBox")
    return float(box[1]), float(box[2])


def _placed(svg: str, x: float, y: float) -> str:
    inner = svg[svg.index(">") + 1 : svg.rindex("</svg>")]
    return f'<g transform="translate({x:g} {y:g})">{inner}</g>'


def _text(text: str, x: float, y: float, role: str, bold: bool = False) -> str:
    weight = "600" if bold else None
    return element("text", text, x=x, y=y, font_size=_SIZE, font_weight=weight, **fill(role)) if text else ""


def _title(text: str, x: float, y: float, room: float) -> str:
    """In letters small enough not to run into the next figure's title."""
    if not text:
        return ""
    small = min(_SIZE, math.floor(_SIZE * room / text_width(text, _SIZE)))
    return element("text", text, x=x, y=y, font_size=small, font_weight="600", **fill("ink"))


def _escaped(text: str) -> str:
    return element("t", text).removeprefix("<t>").removesuffix("</t>")
