"""The report's section on health: little panels by kind of module, the map of LoRA's size, spikes, pace, memory."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.report.health_view import HealthLine, HealthView, SpikeRow
from doneness.report.heatmap import NARROW, WIDE, heat
from doneness.report.numbers import ABSENT, count, general, two_digits
from doneness.report.palette import fill, stroke
from doneness.report.prose import prose
from doneness.report.svg import Svg, element, text_width
from doneness.report.thin import thin
from doneness.report.ticks import Scale
from doneness.report.view import ReportView

_WIDTH, _HEIGHT = 230.0, 108.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 14.0, 176.0, 10.0, 82.0
_SIZE = 11.0
_POINTS = 150
_SHOWN = 8  # rows of a spike's batch before the fold


def health(view: ReportView) -> str:
    """The section; empty for a log without any of it."""
    data = view.health
    if data is None:
        return ""
    parts = [f'<section id="health"><h2>{_t("head.health")}</h2>']
    parts.append(_spikes(data))
    if data.noise:
        parts.append(f"<h3>{_t('health.noise_head')}</h3><p>{prose(data.noise)}</p>")
    parts.append(_panels(data.grad, "grad", "grad_clipped" if data.clipped else "grad_lead"))
    parts.append(_panels(data.update, "update", "update_sampled" if data.sampled else "update_lead"))
    parts.append(_heat(data))
    if data.facts:
        rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in data.facts)
        parts.append(f'<h3>{_t("health.facts_head")}</h3><dl class="pairs">{rows}</dl>')
    return "".join(parts) + "</section>\n"


def _spikes(data: HealthView) -> str:
    head = f"<h3>{_t('health.spikes_head')}</h3>"
    if not data.spikes:
        return f"{head}<p>{_t('health.no_spikes')}</p>"
    names = ("step", "loss", "expected", "deviations", "rows")
    heads = "".join(f'<th scope="col">{_t(f"health.table.{name}")}</th>' for name in names)
    body = "".join(_spike(row) for row in data.spikes)
    return (
        f'{head}<p class="lead">{_t("health.spikes_lead")}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_t("health.spikes_head")}">'
        f'<table class="spikes"><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def _spike(row: SpikeRow) -> str:
    comma = escape(tr("report.list_comma"))
    shown = comma.join(f"<code>{escape(name)}</code>" for name in row.rows[:_SHOWN]) or ABSENT
    more = row.rows[_SHOWN:]
    if more:
        rest = comma.join(f"<code>{escape(name)}</code>" for name in more)
        left = row.count - len(row.rows)
        tail = f" {escape(tr('report.health.unrecorded', n=count(left)))}" if left > 0 else ""
        summary = escape(tr("report.health.more_rows", n=count(row.count - _SHOWN)))
        shown += f"<details><summary>{summary}</summary>{rest}{tail}</details>"
    numbers = (("loss", row.loss), ("expected", row.expected), ("deviations", row.deviations))
    cells = "".join(f'<td class="n" data-label="{_t(f"health.table.{n}")}">{escape(v)}</td>' for n, v in numbers)
    step = f'<th scope="row" class="n" data-label="{_t("health.table.step")}">{escape(row.steps)}</th>'
    return f'<tr>{step}{cells}<td class="text" data-label="{_t("health.table.rows")}">{shown}</td></tr>'


def _panels(lines: tuple[HealthLine, ...], what: str, lead: str) -> str:
    if not lines:
        return ""
    y = _scale(lines)
    small = "".join(
        f"<figure>{_panel(line, y)}<figcaption>{escape(line.title)}</figcaption></figure>" for line in lines
    )
    ends = escape(tr("report.health.scale", low=two_digits(y.low), high=two_digits(y.high)))
    return (
        f'<h3>{_t(f"health.{what}_head")}</h3><p class="lead">{_t(f"health.{lead}")} {ends}</p>'
        f'<div class="multiples">{small}</div>'
    )


def _scale(lines: tuple[HealthLine, ...]) -> Scale:
    """One logarithmic scale for all panels of a group; what is zero stands at its lower edge."""
    values = [v for line in lines for _, v in line.points if 0 < v < 1e15]
    low, high = (min(values), max(values)) if values else (0.1, 1.0)
    low = max(low, high * 1e-6)
    return Scale(low / 1.1, high * 1.1, _BOTTOM, _TOP, log=True)


def _panel(line: HealthLine, y: Scale) -> str:
    svg = Svg(_WIDTH, _HEIGHT)
    points = line.points
    first, last = points[0][0], points[-1][0]
    x = Scale(float(first), float(max(last, first + 1)), _LEFT, _RIGHT)
    for edge in (y.low, y.high):
        svg.line([(_LEFT - 8, y(edge)), (_RIGHT + 8, y(edge))], **stroke("grid"))
    drawn = [(x(step), y(min(max(value, y.low), y.high))) for step, value in _thinned(points)]
    svg.line(drawn, **stroke("ink", 1.3))
    if len(drawn) <= 40:
        for place in drawn:
            svg.add("circle", cx=place[0], cy=place[1], r=1.8, **fill("ink"))
    end = min(max(drawn[-1][1] + 4, _TOP + 6), _BOTTOM + 2)
    svg.add("text", two_digits(points[-1][1]), x=drawn[-1][0] + 9, y=end, font_size=_SIZE, **fill("ink"))
    for step, anchor in ((first, "start"), (last, "end")) if last > first else ((first, "start"),):
        text = count(step)
        at = x(step) - 8 if anchor == "start" else max(x(step) + 8, text_width(text, _SIZE))
        svg.add("text", text, x=at, y=_HEIGHT - 10, text_anchor=anchor, font_size=_SIZE, **fill("muted"))
    told = ", ".join(f"{count(step)}: {general(value)}" for step, value in dict.fromkeys((points[0], points[-1])))
    words = f"{line.title}: {told}"
    return svg.done(element("title", words), role="img", aria_label=words, cls="small")


def _thinned(points: tuple[tuple[int, float], ...]) -> list[tuple[int, float]]:
    if len(points) <= _POINTS:
        return list(points)
    import numpy as np

    steps, values = thin(np.array([s for s, _ in points]), np.array([v for _, v in points]), _POINTS)
    return list(zip(steps.tolist(), values.tolist(), strict=True))


def _heat(data: HealthView) -> str:
    if data.heat is None:
        return ""
    drawn = len(data.heat.steps)
    part = tr("report.health.heat_part", drawn=drawn, all=data.heat.measured) if drawn < data.heat.measured else ""
    return (
        f'<h3>{_t("health.heat_head")}</h3><p class="lead">{_t("health.heat_lead")} {escape(part)}</p>'
        f'<figure class="heatmap"><div class="wide">{heat(data.heat, WIDE)}</div>'
        f'<div class="narrow">{heat(data.heat, NARROW)}</div></figure>'
    )


def _t(key: str) -> str:
    return escape(tr(f"report.{key}"))
