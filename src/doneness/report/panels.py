"""What stands around the loss panel: notes, flags, epochs, checkpoints, learning rate, x-axis."""

from __future__ import annotations

from doneness.core import tr
from doneness.report.curve import Curve
from doneness.report.frame import Frame
from doneness.report.numbers import compact
from doneness.report.palette import fill, stroke
from doneness.report.svg import Svg, text_width
from doneness.report.thin import thin
from doneness.report.ticks import Scale, label, linear_ticks

_ROW = 19


def head(svg: Svg, f: Frame, data: Curve) -> None:
    """The notes, and the flags of decisions with their poles down to the x-axis."""
    for i, line in enumerate(f.notes):
        svg.add("text", line, x=2, y=(i + 1) * (f.size + 5) - 4, font_size=f.size, **fill("muted"))
    for placed in f.flags:
        base = f.strip - f.size - 6 - placed.row * _ROW
        svg.open()
        svg.line([(placed.x, base - 10), (placed.x, f.bottom)], stroke_dasharray="1 3", **stroke("ink", 1))
        side = -1 if placed.left else 1
        flag = f"M{placed.x:.1f} {base - 11:.1f}l{8 * side} 4.5l{-8 * side} 4.5z"
        svg.add("path", d=flag, **fill("ink"))
        svg.add(
            "text",
            placed.flag.text,
            x=placed.x + 11 * side,
            y=base - 2,
            text_anchor="end" if placed.left else "start",
            font_size=f.size,
            **fill("ink"),
        )
        svg.add("title", placed.flag.reason)
        svg.close()


def background(svg: Svg, f: Frame, data: Curve) -> None:
    """The sweet spot's shade and the epochs' hairlines."""
    if data.sweet is not None:
        first, last = (f.x(x) for x in data.place(f.axis, data.sweet))
        # One tied checkpoint alone is a point; it still needs a visible width.
        first, last = min(first, (first + last) / 2 - 3), max(last, (first + last) / 2 + 3)
        height = f.lane + 16 - f.y.stop
        svg.add("rect", x=first, y=f.y.stop, width=last - first, height=height, opacity="0.2", **fill("chosen"))
    edges = [(k, f.x(data.place(f.axis, [step])[0])) for k, step in data.epochs]
    every = 1
    least = 14
    while every < len(edges) and every * (edges[-1][1] - f.left) / len(edges) < least:
        every *= 2
        # Where not every epoch can have a line, a few that can be named do more than a fence.
        least = 64
    before = f.left
    for i, (k, x) in enumerate(edges, start=1):
        if i % every:
            continue
        if x < f.right - 1:
            svg.line([(x, f.strip - f.size), (x, f.bottom)], **stroke("edge", 1))
        text = tr("report.figure.epoch", n=k)
        if text_width(text, f.size) > x - before - 6:
            text = str(k)
        if text_width(text, f.size) <= x - before - 4:
            # A line that stands for many epochs is named at the line: the stretch before it is not that epoch.
            place, anchor = ((x + before) / 2, "middle") if every == 1 and k == i else (x - 4, "end")
            svg.add("text", text, x=place, y=f.strip, text_anchor=anchor, font_size=f.size, **fill("muted"))
        before = x


def lane(svg: Svg, f: Frame, data: Curve) -> None:
    """Every checkpoint a tick, hollow where it was rotated away; under them the sweet spot in words."""
    y = f.lane + 8
    if data.checkpoints:
        svg.line([(f.left, y), (f.right, y)], **stroke("grid", 1))
    for step, exists in data.checkpoints.items():
        x = f.x(data.place(f.axis, [step])[0])
        if step == data.chosen:
            continue
        look = fill("ink") if exists else {**stroke("muted", 1), "fill_opacity": "0"}
        svg.add("rect", x=x - 1.6, y=y - 5, width=3.2, height=10, **look)
    if data.chosen is not None:
        _kept(svg, f, data, y)
    if data.checkpoints:
        short = "_short" if f.narrow else ""
        svg.add(
            "text", tr(f"report.figure.checkpoints{short}"), x=f.right + 12, y=y + 4, font_size=f.size, **fill("muted")
        )
        if not all(data.checkpoints.values()):
            gone = tr(f"report.figure.gone{short}")
            svg.add("text", gone, x=f.right + 12, y=y + 5 + f.size, font_size=f.size - 1, **fill("muted"))
    parts = []
    if data.sweet is not None:
        key = "sweet" if data.sweet[0] != data.sweet[1] else "sweet_one"
        parts.append(tr(f"report.figure.{key}", first=data.sweet[0], last=data.sweet[1]))
    if data.chosen is not None:
        parts.append(tr("report.figure.keep", step=data.chosen))
    if parts:
        text = tr("report.figure.join").join(parts)
        middle = sum(data.place(f.axis, data.sweet or (data.chosen or 0,) * 2)) / 2
        half = text_width(text, f.size) / 2
        x = min(max(f.x(middle), f.left + half), f.right - half)
        look = {"text_anchor": "middle", "font_size": f.size, "font_weight": "600", **fill("chosen-ink")}
        svg.add("text", text, x=x, y=y + 12 + f.size, **look)


def rate(svg: Svg, f: Frame, data: Curve) -> None:
    """The learning rate in its own slim panel, from zero to its peak."""
    if f.rate is None or data.rate is None:
        return
    top, bottom = f.rate
    peak = float(data.rate.value.max())
    scale = Scale(0.0, peak if peak > 0 else 1.0, bottom, top + 4)
    steps, values = thin(data.rate.step, data.rate.value, 400)
    xs = [f.x(x) for x in data.place(f.axis, steps)]
    points = [(x, scale(max(v, 0.0))) for x, v in zip(xs, values.tolist(), strict=True)]
    svg.line([(f.left, bottom), (f.right, bottom)], **stroke("edge", 1))
    svg.area(points, [(x, bottom) for x, _ in points], opacity="0.6", **fill("grid"))
    svg.line(points, **stroke("muted", 1.4))
    for value, y in ((0.0, bottom), (peak, scale(peak))):
        text = _short(value)
        # On a narrow figure the number is wider than the margin: it starts at the edge and ends at the panel.
        beside = text_width(text, f.size - 1) <= f.left - 8
        place = {"x": f.left - 7, "text_anchor": "end"} if beside else {"x": 1, "text_anchor": "start"}
        svg.add("text", text, y=y + 4, font_size=f.size - 1, **place, **fill("muted"))
    name = tr("report.figure.rate_short" if f.narrow else "report.figure.rate")
    middle = (top + bottom) / 2 + 4
    svg.add("text", name, x=f.right + 12, y=middle, font_size=f.size, font_weight="600", **fill("muted"))


def x_axis(svg: Svg, f: Frame) -> None:
    """The ticks under the lowest panel, and what they count."""
    value_scale, unit = _unit(f)
    ticks = linear_ticks(f.x.low * value_scale, f.x.high * value_scale, 5 if f.narrow else 8)
    svg.line([(f.left, f.bottom), (f.right, f.bottom)], **stroke("edge", 1))
    y = f.bottom + f.size + 6
    for value in ticks:
        x = f.x(value / value_scale)
        text = label(value, ticks)
        if f.axis in ("tokens", "targets", "step") and ticks[-1] >= 10_000:
            text = compact(value)
        svg.line([(x, f.bottom), (x, f.bottom + 4)], **stroke("edge", 1))
        svg.add("text", text, x=x, y=y, text_anchor="middle", font_size=f.size, **fill("muted"))
    title = tr(f"report.axis.{f.axis}") + (f" ({unit})" if unit else "")
    svg.add(
        "text",
        title,
        x=(f.left + f.right) / 2,
        y=y + f.size + 5,
        text_anchor="middle",
        font_size=f.size,
        **fill("muted"),
    )


def _kept(svg: Svg, f: Frame, data: Curve, y: float) -> None:
    x = f.x(data.place(f.axis, [data.chosen or 0])[0])
    loss = next((e.loss for e in data.evals if e.step == data.chosen), None)
    if loss is not None and (loss > 0 or not f.y.log):
        svg.line([(x, f.y(loss) + 9), (x, y - 6)], **stroke("chosen", 1.2))
    gone = data.checkpoints.get(data.chosen or 0) is False
    look = {**stroke("chosen", 2), "fill_opacity": "0"} if gone else fill("chosen")
    svg.add("circle", cx=x, cy=y, r=6, **look)


def _unit(f: Frame) -> tuple[float, str]:
    if f.axis != "time":
        return 1.0, ""
    if f.x.high >= 2 * 3600:
        return 1 / 3600, tr("report.axis.hours")
    return (1 / 60, tr("report.axis.minutes")) if f.x.high >= 120 else (1.0, tr("report.axis.seconds"))


def _short(value: float) -> str:
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "\u2212")
