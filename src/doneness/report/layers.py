"""The layers of the loss panel, from the grid up to the direct labels."""

from __future__ import annotations

from doneness.core import tr
from doneness.report.curve import Curve, EvalPoint
from doneness.report.frame import Frame
from doneness.report.numbers import plain
from doneness.report.palette import fill, stroke
from doneness.report.svg import Point, Svg
from doneness.report.thin import LIMIT, thin
from doneness.report.ticks import labelled


def dot_limit(width: float) -> int:
    """How many raw points a figure of this width draws."""
    return LIMIT if width >= 600 else LIMIT // 3


def grid(svg: Svg, f: Frame) -> None:
    """Horizontal hairlines and their numbers."""
    for value, text in labelled(f.y.low, f.y.high, f.y.log):
        y = f.y(value)
        svg.line([(f.left, y), (f.right, y)], **stroke("grid"))
        svg.add("text", text, x=f.left - 7, y=y + 4, text_anchor="end", font_size=f.size, **fill("muted"))


def train(svg: Svg, f: Frame, data: Curve) -> None:
    """Raw training losses, pale; the trend over them with its band; arrows where a point is out of range."""
    steps, values = thin(data.raw.step, data.raw.value, dot_limit(f.width))
    points = list(zip(data.place(f.axis, steps), values.tolist(), strict=True))
    inside = [(f.x(x), f.y(v)) for x, v in points if f.y.low <= v <= f.y.high]
    dense = len(inside) > 400
    svg.dots(inside, opacity="0.32" if dense else "0.5", **stroke("train", 2.6 if dense else 3.6))
    for x, v in points:
        if not f.y.low <= v <= f.y.high:
            _arrow(svg, f.x(x), f.y.stop if v > f.y.high else f.y.start, up=v > f.y.high)
    for x in data.place(f.axis, data.broken):
        svg.add("text", "×", x=f.x(x), y=f.y.stop + 11, text_anchor="middle", font_size=14, **fill("worse-ink"))
    line = data.trend
    if line is None:
        return
    xs = [f.x(x) for x in data.place(f.axis, line.step)]
    for piece in data.pieces:
        if line.low is not None and line.high is not None:
            upper = [(x, _held(f, v)) for x, v in zip(xs[piece], line.high[piece].tolist(), strict=True)]
            lower = [(x, _held(f, v)) for x, v in zip(xs[piece], line.low[piece].tolist(), strict=True)]
            svg.area(upper, lower, opacity="0.22", **fill("train"))
        svg.line([(x, _held(f, v)) for x, v in zip(xs[piece], line.value[piece].tolist(), strict=True)],
                 **stroke("train", 2.2))  # fmt: skip


def forecast(svg: Svg, f: Frame, data: Curve) -> None:
    """The fan, dashed, to the planned end."""
    fan = data.forecast
    if fan is None or fan.low is None or fan.high is None:
        return
    xs = [f.x(x) for x in data.place(f.axis, fan.step)]
    low, mid, high = (
        [(x, _held(f, v)) for x, v in zip(xs, column.tolist(), strict=True)]
        for column in (fan.low, fan.value, fan.high)
    )
    svg.area(high, low, opacity="0.12", **fill("eval"))
    for edge in (low, high):
        svg.line(edge, stroke_dasharray="2 4", **stroke("eval", 1))
    svg.line(mid, stroke_dasharray="6 4", **stroke("eval", 1.6))


def evaluations(svg: Svg, f: Frame, data: Curve) -> None:
    """Evaluations with their 95 % intervals, joined thinly; the kept checkpoint's point filled and ringed."""
    shown = [e for e in data.evals if not f.y.log or e.loss > 0]
    xs = [f.x(x) for x in data.place(f.axis, [e.step for e in shown])]
    points: list[Point] = [(x, _held(f, e.loss)) for x, e in zip(xs, shown, strict=True)]
    svg.line(points, opacity="0.7", **stroke("eval", 1.2))
    for x, e in zip(xs, shown, strict=True):
        if e.low is not None and e.high is not None:
            svg.line([(x, _held(f, e.low)), (x, _held(f, e.high))], **stroke("eval", 1.4))
    for (x, y), e in zip(points, shown, strict=True):
        _point(svg, f, x, y, e, kept=e.step == data.chosen)


def labels(svg: Svg, f: Frame, data: Curve) -> None:
    """Names at the ends of the lines, moved apart where they would touch."""
    ends: list[tuple[float, float, str, str]] = []
    if data.raw.step.size:
        line = data.trend or data.raw
        ends.append((_x(f, data, line.step[-1]), _held(f, float(line.value[-1])), tr("report.figure.train"), "train"))
    if data.evals:
        last = data.evals[-1]
        ends.append((_x(f, data, last.step), _held(f, last.loss), tr("report.figure.eval"), "eval"))
    if data.forecast is not None:
        fan = data.forecast
        ends.append((f.right, _held(f, float(fan.value[-1])), tr("report.figure.forecast"), "eval"))
    gap = f.size + 3
    ends.sort(key=lambda e: e[1])
    places = apart([e[1] for e in ends], gap, f.y.stop + 4, f.y.start - 2)
    for (x, y, text, role), place in zip(ends, places, strict=True):
        svg.line([(x + 6, y), (f.right + 2, y), (f.right + 9, place)], opacity="0.6", **stroke(role, 0.8))
        svg.add("text", text, x=f.right + 12, y=place + 4, font_size=f.size, font_weight="600", **fill(f"{role}-ink"))


def apart(wanted: list[float], gap: float, low: float, high: float) -> list[float]:
    """Places at least `gap` apart, in the given ascending order, near `wanted` and inside [low, high]."""
    placed: list[float] = []
    for y in wanted:
        placed.append(max(y, placed[-1] + gap if placed else low))
    ceiling = high
    for i in range(len(placed) - 1, -1, -1):
        placed[i] = min(placed[i], ceiling)
        ceiling = placed[i] - gap
    return placed


def _point(svg: Svg, f: Frame, x: float, y: float, e: EvalPoint, kept: bool) -> None:
    title = tr("report.figure.point", step=e.step, loss=plain(e.loss, 4))
    svg.open()
    if kept:
        svg.add("circle", cx=x, cy=y, r=9, fill_opacity="0", **stroke("chosen", 1.6))
        svg.add("circle", cx=x, cy=y, r=5.5, **fill("chosen"))
    else:
        svg.add("circle", cx=x, cy=y, r=3.2, **fill("eval"))
    svg.add("title", title)
    svg.close()


def _arrow(svg: Svg, x: float, y: float, up: bool) -> None:
    tip = 6 if up else -6
    start = y + (1 if up else -1)
    path = f"M{x - 4:.1f} {start + tip:.1f}L{x:.1f} {start:.1f}L{x + 4:.1f} {start + tip:.1f}"
    svg.add("path", d=path, fill="none", **stroke("train", 1.4))


def _held(f: Frame, value: float) -> float:
    # Parts of a line outside the range run along the panel's edge; notes say so.
    return f.y(min(max(value, f.y.low), f.y.high))


def _x(f: Frame, data: Curve, step: float) -> float:
    return f.x(data.place(f.axis, [step])[0])
