"""The figure of several runs: evaluations over pale training trends, and under them what each verdict rests on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from doneness.core import tr
from doneness.report import layers, panels
from doneness.report.comparison import Compared, Comparison
from doneness.report.frame import WIDE, Frame, number_margin, wrapped, zero_said
from doneness.report.many import shortened
from doneness.report.numbers import axis_end, general, plain
from doneness.report.palette import css, fill, stroke
from doneness.report.sheet import FACE
from doneness.report.svg import Svg, element, fitted, number
from doneness.report.ticks import Scale

# (mark, text) of each run; a seventh run takes the first colour again, dashed.
ROLES = (
    ("eval", "eval-ink"),
    ("worse", "worse-ink"),
    ("better-ink", "better-ink"),
    ("chosen", "chosen-ink"),
    ("train", "train-ink"),
    ("ink", "ink"),
)
_LANE = 22.0


def roles(index: int) -> tuple[str, str, str | None]:
    """The colours of the run at `index`, and its dashes."""
    mark, ink = ROLES[index % len(ROLES)]
    return mark, ink, "6 3" if index >= len(ROLES) else None


def letter(index: int) -> str:
    """The run's mark: A, B and so on, after Z comes A2."""
    return chr(65 + index % 26) + (str(index // 26 + 1) if index >= 26 else "")


def draw_comparison(
    found: Comparison, axis: str, *, log: bool = False, width: float = WIDE, standalone: bool = True
) -> str:
    """All runs over one axis as an SVG; inside a page the page's CSS gives the colours.

    Losses of several kinds stand in panels of their own, one under the other, over the same stretch of the axis.
    """
    several = [(_frame(found, shown, axis, log, width), shown) for shown in found.by_kind.values()]
    svg = Svg(width, sum(frame.height for frame, _ in several))
    top = 0.0
    for frame, shown in several:
        svg.open(transform=f"translate(0 {number(top)})")
        _panel(svg, frame, found, shown)
        svg.close()
        top += frame.height
    head = element("title", tr("compare.title", n=len(found.runs)))
    if standalone:
        head += element("desc", alternative(found)) + f"<style>{css()}{FACE}</style>"
    look = {"cls": "figure", "width": width, "font_family": "system-ui, sans-serif"}
    return svg.done(head, role="img", aria_label=alternative(found), **look)


def _panel(svg: Svg, frame: Frame, found: Comparison, shown: Sequence[int]) -> None:
    """The runs at the places `shown`, whose losses are of one kind."""
    for i, line in enumerate(frame.notes):
        svg.add("text", line, x=2, y=(i + 1) * (frame.size + 5) - 4, font_size=frame.size, **fill("muted"))
    layers.grid(svg, frame)
    if found.place is not None and frame.axis == found.axis:
        _place(svg, frame, found.place)
    for i in shown:
        _trend(svg, frame, found.runs[i], i)
    for i in shown:
        _evaluations(svg, frame, found.runs[i], i)
    _labels(svg, frame, found, shown)
    for lane, i in enumerate(shown):
        _lane(svg, frame, found.runs[i], i, lane)
    panels.x_axis(svg, frame)


def alternative(found: Comparison) -> str:
    """The figure in a sentence a run, for those who cannot see it."""
    said = []
    for i, (each, row) in enumerate(zip(found.runs, found.standings, strict=True)):
        verdict = tr(f"report.verdict.{each.diagnosis.verdict.value}")
        if row.best is None:
            said.append(tr("compare.alt_none", letter=letter(i), run=each.label, verdict=verdict))
        else:
            loss, step = general(row.best.loss), row.best.step
            said.append(tr("compare.alt", letter=letter(i), run=each.label, verdict=verdict, best=loss, step=step))
    return tr("report.figure.alt_join").join(said)


def _frame(found: Comparison, shown: Sequence[int], axis: str, log: bool, width: float) -> Frame:
    runs = [found.runs[i] for i in shown]
    narrow = width < 600
    size = 11.5 if narrow else 13.0
    left, right = (40.0, width - 84.0) if narrow else (56.0, width - 150.0)
    low, high = limits(runs, log)
    left = max(left, number_margin(low, high, log, size))
    scale = tr("report.figure.log" if log else "report.figure.linear")
    said = [
        _y_title(found, shown),
        tr(f"report.figure.{zero_said(low)}", scale=scale, low=axis_end(low), high=axis_end(high)),
        *_windows(found, shown),
    ]
    if any(((t.value < low) | (t.value > high)).any() for e in runs if (t := e.curve.trend) is not None):
        said.append(tr("compare.outside"))
    lines = wrapped(said, size, width - 4)
    top = (size + 5) * len(lines) + 14
    tall = top + (230 if narrow else 320)
    bottom = tall + 10 + _LANE * len(shown)
    end = max(each.curve.place(axis, [each.curve.last])[0] for each in found.runs)
    x = Scale(0.0, end if end > 0 else 1.0, left, right)
    y = Scale(low, high, tall, top, log)
    return Frame(axis, size, width, bottom + 2 * (size + 5) + 10, left, right, lines, (), top, tall, None, bottom, x, y)


def _y_title(found: Comparison, shown: Sequence[int]) -> str:
    if found.kinds:
        letters = tr("report.list_comma").join(map(letter, shown))
        return tr("compare.own_axis", kind=found.kinds[shown[0]], runs=letters)
    per_token = all(each.curve.per_token for each in found.runs)
    return tr("report.figure.y_title" if per_token else "report.figure.y_logged")


def limits(runs: Sequence[Compared], log: bool) -> tuple[float, float]:
    """A range that holds every evaluation, and of the training trends all but their wildest fiftieths."""
    values = [e.loss for each in runs for e in each.curve.evals]
    for each in runs:
        line = each.curve.trend or each.curve.raw
        values += np.quantile(line.value, (0.02, 0.98)).tolist() if line.value.size else []
    values = [v for v in values if v > 0] if log else values
    if not values:
        return (0.1, 1.0) if log else (0.0, 1.0)
    low, high = min(values), max(values)
    if log:
        low = max(low, high * 1e-15)
        margin = max((high / low) ** 0.05, 1.02)
        return low / margin, high * margin
    room = 0.05 * (high - low) or 0.05 * abs(high) or 0.1
    return (max(low - room, 0.0) if low >= 0 else low - room), high + room


def _windows(found: Comparison, shown: Sequence[int]) -> list[str]:
    windows = [(letter(i), found.runs[i].curve.window) for i in shown]
    known = [(name, window) for name, window in windows if window is not None]
    if not known:
        return []
    if len({window.width for _, window in known}) == 1:
        return [tr("compare.windows_same", steps=general(known[0][1].width))]
    each = tr("report.list_comma").join(f"{name} {general(window.width)}" for name, window in known)
    return [tr("compare.windows", each=each)]


def _place(svg: Svg, f: Frame, place: float) -> None:
    x = f.x(place)
    svg.line([(x, f.y.stop), (x, f.y.start)], stroke_dasharray="2 4", **stroke("muted", 1.2))
    end = x > (f.left + f.right) / 2
    look = {"text_anchor": "end" if end else "start", "font_size": f.size - 1, **fill("muted")}
    svg.add("text", tr("compare.here"), x=x - 5 if end else x + 5, y=f.y.stop + f.size - 2, **look)


def _trend(svg: Svg, f: Frame, each: Compared, index: int) -> None:
    mark, _, dash = roles(index)
    line = each.curve.trend
    if line is None:
        return
    xs = [f.x(x) for x in each.curve.place(f.axis, line.step)]
    for piece in each.curve.pieces:
        points = [(x, _held(f, v)) for x, v in zip(xs[piece], line.value[piece].tolist(), strict=True)]
        svg.line(points, opacity="0.4", stroke_dasharray=dash, **stroke(mark, 2.4))


def _evaluations(svg: Svg, f: Frame, each: Compared, index: int) -> None:
    mark, _, dash = roles(index)
    shown = [e for e in each.curve.evals if not f.y.log or e.loss > 0]
    xs = [f.x(x) for x in each.curve.place(f.axis, [e.step for e in shown])]
    points = [(x, _held(f, e.loss)) for x, e in zip(xs, shown, strict=True)]
    svg.line(points, stroke_dasharray=dash, **stroke(mark, 1.3))
    for (x, y), e in zip(points, shown, strict=True):
        svg.open()
        if e.step == each.curve.chosen:
            svg.add("circle", cx=x, cy=y, r=8, fill_opacity="0", **stroke(mark, 1.6))
        svg.add("circle", cx=x, cy=y, r=5 if e.step == each.curve.chosen else 3, **fill(mark))
        svg.add("title", tr("compare.point", letter=letter(index), step=e.step, loss=plain(e.loss, 4)))
        svg.close()


def _labels(svg: Svg, f: Frame, found: Comparison, shown: Sequence[int]) -> None:
    ends = []
    for i in shown:
        each = found.runs[i]
        step, value = _end(each)
        if step is not None:
            ends.append((_held(f, value), f.x(each.curve.place(f.axis, [step])[0]), i))
    ends.sort()
    places = layers.apart([y for y, _, _ in ends], f.size + 3, f.y.stop + 4, f.y.start - 2)
    for (y, x, i), place in zip(ends, places, strict=True):
        mark, ink, _ = roles(i)
        svg.line([(x + 6, y), (f.right + 2, y), (f.right + 9, place)], opacity="0.6", **stroke(mark, 0.8))
        # A name cut short on a small screen tells runs apart less well than its letter, which the table explains.
        cells = int((f.width - f.right - 14) / (0.7 * f.size)) - 2  # capitals are wide
        text = letter(i) if f.narrow else f"{letter(i)} {shortened(found.runs[i].label, cells)}"
        svg.add("text", text, x=f.right + 12, y=place + 4, font_size=f.size, font_weight="600", **fill(ink))


def _end(each: Compared) -> tuple[float | None, float]:
    if each.curve.evals:
        return each.curve.evals[-1].step, each.curve.evals[-1].loss
    line = each.curve.trend or each.curve.raw
    return (float(line.step[-1]), float(line.value[-1])) if line.step.size else (None, 0.0)


def _lane(svg: Svg, f: Frame, each: Compared, index: int, row: int) -> None:
    """The run's own line under the panel: how far it went, its sweet spot, the step to keep, its verdict."""
    mark, ink, _ = roles(index)
    y = f.lane + 10 + _LANE * (row + 0.5)
    data = each.curve
    svg.line([(f.left, y), (f.x(data.place(f.axis, [data.last])[0]), y)], **stroke(mark, 1))
    if data.sweet is not None:
        first, last = (f.x(x) for x in data.place(f.axis, data.sweet))
        first, last = min(first, (first + last) / 2 - 3), max(last, (first + last) / 2 + 3)
        svg.add("rect", x=first, y=y - 5, width=last - first, height=10, opacity="0.45", **fill(mark))
    if data.chosen is not None:
        svg.add("circle", cx=f.x(data.place(f.axis, [data.chosen])[0]), cy=y, r=5, **fill(mark))
    svg.add("text", letter(index), x=f.left - 8, y=y + 4, text_anchor="end", font_size=f.size, **fill(ink))
    verdict = fitted(tr(f"report.verdict.{each.diagnosis.verdict.value}"), f.size, f.width - f.right - 14)
    svg.add("text", verdict, x=f.right + 12, y=y + 4, font_size=f.size, **fill(ink))


def _held(f: Frame, value: float) -> float:
    return f.y(min(max(value, f.y.low), f.y.high))
