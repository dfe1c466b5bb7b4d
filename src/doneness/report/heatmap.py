"""The heat map of LoRA's size: layers upwards, measured steps to the right, darker the larger.

One hue from the page's paper to full: lightness alone carries the value, in both themes and for every eye.
"""

from __future__ import annotations

from doneness.core import tr
from doneness.report.health_view import HeatMap
from doneness.report.numbers import ABSENT, count, percent
from doneness.report.palette import fill, stroke
from doneness.report.svg import Svg, element, text_width

WIDE, NARROW = 960.0, 380.0
_PALEST = 0.06
_SWATCHES = 5
_FEW_COLUMNS = 16  # on a phone


def heat(data: HeatMap, width: float) -> str:
    """The figure as SVG; each cell has its number as a title where there is room for them."""
    narrow = width < 600
    size = 11.5 if narrow else 13.0
    columns = _columns(len(data.steps), _FEW_COLUMNS if narrow else len(data.steps))
    left = max(text_width(name, size) for name in (*data.layers, tr("report.health.layer"))) + 12
    right, top = width - 8.0, size + 40
    tall = min(max(220.0 / len(data.layers), 5.0), 26.0)
    wide = min((right - left) / len(columns), 64.0)
    bottom = top + tall * len(data.layers)
    svg = Svg(width, bottom + 2 * size + 20)
    _legend(svg, data, left, size)
    for i, name in enumerate(data.layers):
        # Layer 0 lies at the bottom, where the tokens come in.
        y = bottom - tall * (i + 1)
        for k, column in enumerate(columns):
            value, place = data.values[i][column], {"x": left + wide * k, "y": y}
            _cell(svg, data, value, {**place, "width": max(wide - 0.6, 0.5), "height": max(tall - 0.6, 0.5)},
                  "" if narrow else _title(data, i, column))  # fmt: skip
        if _named(i, len(data.layers), tall, size):
            svg.add("text", name, x=left - 7, y=y + tall / 2 + 4, text_anchor="end", font_size=size, **fill("muted"))
    svg.add(
        "text", tr("report.health.layer"), x=left - 7, y=top - 7, text_anchor="end", font_size=size, **fill("muted")
    )
    _steps(svg, [data.steps[c] for c in columns], left, wide, bottom, size)
    words = alternative(data)
    return svg.done(element("title", words), role="img", aria_label=words, cls="figure heat")


def alternative(data: HeatMap) -> str:
    """The map in words: first and last step, smallest and largest layer at the end."""
    last = [(v, name) for row, name in zip(data.values, data.layers, strict=True) if (v := row[-1]) is not None]
    if not last:
        return tr("report.health.heat_title")
    (low, least), (high, most) = min(last), max(last)
    numbers = {"low": _share(low), "least": least, "high": _share(high), "most": most}
    return tr("report.health.heat_alt", first=count(data.steps[0]), last=count(data.steps[-1]), **numbers)


def _cell(svg: Svg, data: HeatMap, value: float | None, place: dict[str, float], title: str) -> None:
    if value is None:
        svg.add("rect", fill_opacity="0", **place, **stroke("grid", 0.6))
        return
    depth = value / data.largest if data.largest > 0 else 0.0
    look = {"fill_opacity": f"{_PALEST + (1 - _PALEST) * depth:.2f}", **fill("eval")}
    if not title:
        svg.add("rect", **place, **look)
        return
    svg.open()
    svg.add("rect", **place, **look)
    svg.add("title", title)
    svg.close()


def _title(data: HeatMap, layer: int, column: int) -> str:
    value = data.values[layer][column]
    written = ABSENT if value is None else _share(value)
    return tr("report.health.cell", layer=data.layers[layer], step=count(data.steps[column]), value=written)


def _legend(svg: Svg, data: HeatMap, left: float, size: float) -> None:
    """A ramp with the numbers of its ends, and of its middle."""
    wide = 34.0
    for k in range(_SWATCHES):
        depth = k / (_SWATCHES - 1)
        place = {"x": left + wide * k, "y": 2.0, "width": wide, "height": 11.0}
        svg.add("rect", fill_opacity=f"{_PALEST + (1 - _PALEST) * depth:.2f}", **place, **fill("eval"))
    svg.add("rect", x=left, y=2.0, width=wide * _SWATCHES, height=11.0, fill_opacity="0", **stroke("edge", 0.8))
    for share, anchor in ((0.0, "start"), (0.5, "middle"), (1.0, "end")):
        text = _share(share * data.largest)
        x = left + wide * _SWATCHES * share
        svg.add("text", text, x=x, y=size + 15, text_anchor=anchor, font_size=size - 1, **fill("muted"))


def _steps(svg: Svg, steps: list[int], left: float, wide: float, bottom: float, size: float) -> None:
    free = 0.0
    last = left + wide * (len(steps) - 0.5)
    room = text_width(count(steps[-1]), size) / 2
    for k, step in enumerate(steps):
        text, x = count(step), left + wide * (k + 0.5)
        half = text_width(text, size) / 2
        ends = k == len(steps) - 1
        if x - half < free or (not ends and x + half + 10 > last - room):
            continue
        free = x + half + 10
        svg.add("text", text, x=x, y=bottom + size + 4, text_anchor="middle", font_size=size, **fill("muted"))
    middle = left + wide * len(steps) / 2
    svg.add("text", tr("report.axis.step"), x=middle, y=bottom + 2 * size + 10, text_anchor="middle", font_size=size,
            **fill("muted"))  # fmt: skip


def _named(place: int, layers: int, tall: float, size: float) -> bool:
    """Whether a layer's name has room: every k-th has, counted from the bottom."""
    every = next(k for k in (1, 2, 4, 5, 8, 10, 16, 20, 32, 64, 128, 256) if k * tall >= size + 1 or k >= layers)
    return place % every == 0


def _columns(n: int, most: int) -> list[int]:
    if n <= most:
        return list(range(n))
    return sorted({round(k * (n - 1) / (most - 1)) for k in range(most)})


def _share(value: float) -> str:
    """A share as a percentage, with decimals for small ones."""
    return percent(value, 1 if value >= 0.1 else 2 if value >= 0.001 or value == 0 else 4)
