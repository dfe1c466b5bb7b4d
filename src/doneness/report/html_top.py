"""The report's sections 1 and 2: the verdict with its numbers, and the curve with its switches."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.report.curve import AXES
from doneness.report.figure import alternative, draw
from doneness.report.frame import NARROW, WIDE
from doneness.report.prose import prose
from doneness.report.view import ReportView


def verdict(view: ReportView) -> str:
    """The verdict in one sentence, the three numbers behind it, and what to do next."""
    numbers = "".join(
        f'<div class="number"><dt>{escape(n.label)}</dt><dd class="value">{escape(n.value)}</dd>'
        f'<dd class="detail">{escape(n.detail)}</dd></div>'
        for n in view.key_numbers
    )
    reasons = "".join(f"<li>{prose(r)}</li>" for r in view.reasons)
    notice = f'<p class="notice" role="note">{prose(view.notice)}</p>\n' if view.notice else ""
    parts = [
        f'{notice}<header><p class="run"><strong>{escape(view.run)}</strong> <span>{escape(view.source)}</span></p>',
        f'<p class="verdict v-{view.verdict}">{escape(view.verdict_word)}</p>',
        f"<h1>{prose(view.headline)}</h1>",
        f'<ul class="reasons">{reasons}</ul>' if reasons else "",
        f'<dl class="numbers">{numbers}</dl>',
    ]
    if view.advice or view.command:
        parts.append(f'<div class="next"><h2>{escape(tr("report.head.next"))}</h2>')
        parts.append(f"<p>{prose(view.advice)}</p>" if view.advice else "")
        parts.append(f'<pre class="command"><code>{escape(view.command)}</code></pre>' if view.command else "")
        parts.append("</div>")
    return "".join(parts) + "</header>\n"


def curves(view: ReportView) -> str:
    """Every combination of axis and scale, drawn beforehand; radio buttons choose without a script."""
    axes = [a for a in AXES if a in view.curve.axes]
    has_loss = bool(view.curve.raw.step.size or view.curve.evals)
    scales = ["linear", "log"] if has_loss and _positive(view) else ["linear"]
    if not has_loss:
        axes = axes[:1]
    plots = "".join(
        f'<div class="plot p-{axis} p-{scale}">{_pair(view, axis, scale == "log")}</div>'
        for axis in axes
        for scale in scales
    )
    bars = radios("x", "report.head.switch_x", [(a, tr(f"report.axis_short.{a}")) for a in axes])
    bars += radios("y", "report.head.switch_y", [(s, tr(f"report.head.{s}")) for s in scales])
    return (
        f'<section id="curve"><h2>{escape(tr("report.head.curve"))}</h2>'
        f'<div class="switches">{bars}</div>'
        f'<figure class="curve">{plots}<figcaption>{escape(caption(view))} '
        f'<span class="script">{escape(tr("report.lead.zoom"))}</span>'
        f'<span class="unseen">{escape(alternative(view.curve))}</span></figcaption></figure></section>\n'
    )


def caption(view: ReportView) -> str:
    """What the figure's marks mean, those that it has."""
    data = view.curve
    there = {
        "trend": data.trend is not None,
        "evals": any(e.low is not None for e in data.evals),
        "sweet": data.sweet is not None,
        "hollow": not all(data.checkpoints.values()),
        "fan": data.forecast is not None,
    }
    return tr("report.figure.alt_join").join(tr(f"report.lead.curve_{k}") for k, shown in there.items() if shown)


def _pair(view: ReportView, axis: str, log: bool) -> str:
    # Two drawings, since text scaled down to a phone's width cannot be read; CSS shows one.
    wide = draw(view.curve, axis, log=log, width=WIDE, standalone=False)
    narrow = draw(view.curve, axis, log=log, width=NARROW, standalone=False)
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def radios(name: str, legend: str, options: list[tuple[str, str]]) -> str:
    """Buttons that choose without a script, the first chosen; nothing where there is no choice."""
    if len(options) < 2:
        return ""
    inputs = "".join(
        f'<label><input type="radio" name="{name}" value="{value}" id="{name}-{value}"{" checked" if i == 0 else ""}>'
        f"<span>{escape(text)}</span></label>"
        for i, (value, text) in enumerate(options)
    )
    return f"<fieldset><legend>{escape(tr(legend))}</legend>{inputs}</fieldset>"


def _positive(view: ReportView) -> bool:
    return any(e.loss > 0 for e in view.curve.evals) or bool((view.curve.raw.value > 0).any())
