"""One run shown three ways: smoothed and from zero, zoomed in, and on a logarithmic axis.

The first two are how a figure misleads, and are here to be recognised; `figure` draws neither.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from doneness.core import tr
from doneness.report import layers, panels
from doneness.report.curve import Curve, EvalPoint
from doneness.report.frame import Frame, number_margin, y_limits
from doneness.report.numbers import general
from doneness.report.palette import fill, stroke
from doneness.report.sheet import Panel, panel_width, sheet
from doneness.report.svg import Svg, element
from doneness.report.ticks import Scale
from doneness.runs.run import Floats

_HEAVY = 0.98  # the share of the old value that a smoothed one keeps, as trackers' sliders offer it
_LEAST = 330.0
_TALL = 220.0


def three_ways(data: Curve, axis: str, width: float, title: str = "") -> str:
    """The three panels as one stand-alone SVG.

    Args:
        data: a run with training losses and at least two evaluations.
        axis: one of `data.axes`.
        width: of the sheet, in pixels.
        title: above all.
    """
    each = panel_width(width, 3, _LEAST)
    smooth = smoothed(data.raw.value, _HEAVY)
    high = max(float(smooth.max()), max(e.loss for e in data.evals))
    late = [e.loss for e in data.evals[len(data.evals) // 4 :]]
    low, top = min(late), max(late)
    room = 0.08 * (top - low) or 0.01
    drawings: list[tuple[str, Scale, Callable[[Svg, Frame, Curve], None]]] = [
        ("smooth", Scale(0.0, 1.1 * high, 0, 0), lambda s, f, c: _curves(s, f, c, smooth, smoothed_evals(c.evals))),
        ("zoomed", Scale(low - room, top + room, 0, 0), _points),
        ("log", Scale(*y_limits(data, log=True), 0, 0, log=True), _points),
    ]
    made = []
    for name, limits, draw in drawings:
        numbers = {"low": general(limits.low), "high": general(limits.high), "share": f"{_HEAVY:g}"}
        said = (tr(f"report.three_ways.{name}_axis", **numbers), tr(f"report.three_ways.{name}_says", **numbers))
        made.append(Panel(_panel(data, axis, each, limits, draw), tr(f"report.three_ways.{name}"), said))
    return sheet(made, width, title)


def smoothed(values: Floats, keep: float) -> Floats:
    """The exponential mean that trackers draw, with their correction for the start."""
    out, mean = np.empty(values.size), 0.0
    for i, value in enumerate(values.tolist()):
        mean = keep * mean + (1 - keep) * value
        out[i] = mean / (1 - keep ** (i + 1))
    return out


def smoothed_evals(evals: Sequence[EvalPoint]) -> Floats:
    """Evaluations under the same slider; there are fewer, so it forgets more slowly still."""
    return smoothed(np.array([e.loss for e in evals]), 0.8)


def _panel(data: Curve, axis: str, width: float, limits: Scale, draw: Callable[[Svg, Frame, Curve], None]) -> str:
    left = max(48.0, number_margin(limits.low, limits.high, limits.log, 12.0))
    right, top = width - 58.0, 12.0
    bottom = top + _TALL
    x = Scale(0.0, data.place(axis, [data.last])[0], left, right)
    y = Scale(limits.low, limits.high, bottom, top, limits.log)
    frame = Frame(axis, 12.0, width, bottom + 48, left, right, (), (), top, bottom, None, bottom, x, y)
    svg = Svg(width, frame.height)
    layers.grid(svg, frame)
    draw(svg, frame, data)
    panels.x_axis(svg, frame)
    return svg.done(element("title", tr("report.figure.title")))


def _curves(svg: Svg, f: Frame, data: Curve, train: Floats, evals: Floats) -> None:
    for role, steps, values in (
        ("train", data.raw.step.tolist(), train),
        ("eval", [e.step for e in data.evals], evals),
    ):
        xs = data.place(f.axis, steps)
        svg.line([(f.x(x), f.y(v)) for x, v in zip(xs, values.tolist(), strict=True)], **stroke(role, 2.2))
    _names(svg, f, float(train[-1]), float(evals[-1]))


def _points(svg: Svg, f: Frame, data: Curve) -> None:
    inside = (data.raw.value >= f.y.low) & (data.raw.value <= f.y.high)
    xs = data.place(f.axis, data.raw.step[inside])
    dots = [(f.x(x), f.y(v)) for x, v in zip(xs, data.raw.value[inside].tolist(), strict=True)]
    svg.dots(dots, opacity="0.5", **stroke("train", 3))
    shown = [e for e in data.evals if f.y.low <= e.loss <= f.y.high]
    points = [(f.x(x), f.y(e.loss)) for x, e in zip(data.place(f.axis, [e.step for e in shown]), shown, strict=True)]
    svg.line(points, opacity="0.7", **stroke("eval", 1.2))
    for px, py in points:
        svg.add("circle", cx=px, cy=py, r=2.8, **fill("eval"))
    last = float(data.raw.value[-1])
    _names(svg, f, last if f.y.low <= last <= f.y.high else None, shown[-1].loss if shown else None)


def _names(svg: Svg, f: Frame, train: float | None, evals: float | None) -> None:
    named = [(f.y(v), role) for v, role in ((train, "train"), (evals, "eval")) if v is not None]
    named.sort()
    places = layers.apart([y for y, _ in named], f.size + 3, f.y.stop + 4, f.y.start - 2)
    for (_, role), y in zip(named, places, strict=True):
        text = tr(f"report.figure.{role}")
        svg.add("text", text, x=f.right + 8, y=y + 4, font_size=f.size, font_weight="600", **fill(f"{role}-ink"))
