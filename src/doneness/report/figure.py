"""The figure: loss, checkpoints and learning rate over one x-axis, as a static SVG."""

from __future__ import annotations

from doneness.core import Diagnosis, tr
from doneness.report import layers, panels
from doneness.report.curve import AXES, Curve, curve
from doneness.report.frame import WIDE, Frame, frame, y_limits, zero_said
from doneness.report.numbers import axis_end, count, general
from doneness.report.palette import css, fill
from doneness.report.span_rows import span_title
from doneness.report.svg import Svg, element
from doneness.report.thin import thin
from doneness.runs import Run


def figure(
    run: Run,
    diagnosis: Diagnosis,
    x: str = "step",
    *,
    log: bool = False,
    width: int = WIDE,
    chosen: int | None = None,
) -> str:
    """One run as a stand-alone SVG, light or dark with the system.

    Args:
        run: the run; may be empty, crashed or foreign.
        diagnosis: what was found; its sweet spot, recommended step and forecast are drawn.
        x: "step", "tokens", "targets", "epoch" or "time".
        log: logarithmic loss axis.
        width: in pixels; under 600 the small-screen layout is drawn.
        chosen: the kept checkpoint's step, where it is not the diagnosis's.

    Raises:
        ValueError: the run has no data for that axis.
    """
    kept = diagnosis.recommended_step if chosen is None else chosen
    return draw(curve(run, diagnosis, kept), x, log=log, width=width)


def draw(data: Curve, x: str = "step", *, log: bool = False, width: int = WIDE, standalone: bool = True) -> str:
    """Draw a collected curve; inside a page (`standalone` false) the page's CSS gives the colours."""
    if x not in data.axes:
        offered = ", ".join(data.axes)
        raise ValueError(f"the run has no {x!r} axis (known: {', '.join(AXES)}); it has: {offered}")
    layout = frame(data, x, log, width, notes(data, log, width))
    svg = Svg(layout.width, layout.height)
    panels.head(svg, layout, data)
    layers.grid(svg, layout)
    panels.background(svg, layout, data)
    if data.raw.step.size or data.evals:
        layers.train(svg, layout, data)
        layers.forecast(svg, layout, data)
        layers.evaluations(svg, layout, data)
        layers.labels(svg, layout, data)
    else:
        middle = (layout.y.start + layout.y.stop) / 2
        text = tr("report.figure.empty")
        svg.add("text", text, x=layout.left + 12, y=middle, font_size=layout.size, **fill("muted"))
    panels.lane(svg, layout, data)
    panels.rate(svg, layout, data)
    panels.x_axis(svg, layout)
    return svg.done(_head(data, standalone), role="img", aria_label=alternative(data), **_look(layout))


def notes(data: Curve, log: bool, width: float) -> list[str]:
    """What stands above the panels: the axis in words, and what was not drawn as logged."""
    low, high = y_limits(data, log)
    scale = tr("report.figure.log" if log else "report.figure.linear")
    said = [
        tr("report.figure.y_title" if data.per_token else "report.figure.y_logged"),
        tr(f"report.figure.{zero_said(low)}", scale=scale, low=axis_end(low), high=axis_end(high)),
    ]
    if data.span and data.evals:
        said.append(tr("report.figure.span", span=span_title(data.span)))
    if data.trend is not None and data.window is not None:
        # In steps, whatever the axis: the window is the same wherever one looks and however long the run is.
        said.append(tr("report.figure.window", steps=general(data.window.width), rows=data.window.rows))
    kept = thin(data.raw.step, data.raw.value, layers.dot_limit(width))[0].size
    if kept < data.raw.step.size:
        said.append(tr("report.figure.thinned", kept=count(kept), all=count(data.raw.step.size)))
    above = int((data.raw.value > high).sum())
    below = int((data.raw.value < low).sum())
    if above + below:
        said.append(tr("report.figure.outside", n=above + below))
    if data.broken:
        said.append(tr("report.figure.broken", n=len(data.broken)))
    if data.evals and not any(e.low is not None for e in data.evals):
        said.append(tr("report.figure.no_intervals"))
    return said


def alternative(data: Curve) -> str:
    """The figure in one or two sentences, for those who cannot see it."""
    parts = []
    if data.raw.step.size:
        # Too few points have no trend.
        drawn = data.raw if data.trend is None else data.trend
        first, last = drawn.value[0], drawn.value[-1]
        parts.append(tr("report.figure.alt_train", first=general(first), last=general(last), n=data.raw.step.size))
    if data.evals:
        best = min(data.evals, key=lambda e: e.loss)
        parts.append(
            tr(
                "report.figure.alt_eval",
                n=len(data.evals),
                first=general(data.evals[0].loss),
                best=general(best.loss),
                step=best.step,
                last=general(data.evals[-1].loss),
            )
        )
    if data.sweet:
        parts.append(tr("report.figure.alt_sweet", first=data.sweet[0], last=data.sweet[1]))
    if data.chosen is not None:
        parts.append(tr("report.figure.alt_chosen", step=data.chosen))
    return tr("report.figure.alt_join").join(parts) if parts else tr("report.figure.empty")


def _head(data: Curve, standalone: bool) -> str:
    head = element("title", tr("report.figure.title"))
    if standalone:
        face = 'svg{background:var(--paper)}text{font-family:system-ui,"Noto Sans CJK SC",sans-serif}'
        head += element("desc", alternative(data)) + f"<style>{css()}{face}</style>"
    return head


def _look(layout: Frame) -> dict[str, object]:
    return {"cls": "figure", "width": layout.width, "font_family": "system-ui, sans-serif"}
