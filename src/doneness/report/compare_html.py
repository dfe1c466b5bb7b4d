"""A comparison as one HTML page: warnings, the figure with its switches, the table, what differs."""

from __future__ import annotations

from html import escape

from doneness.core import speaking, tr
from doneness.report.compare_figure import alternative, draw_comparison, letter, roles
from doneness.report.compare_table import heads, rows, summary
from doneness.report.comparison import Comparison
from doneness.report.frame import NARROW, WIDE
from doneness.report.html import shell
from doneness.report.html_top import radios
from doneness.report.prose import prose


def render_comparison(found: Comparison, lang: str) -> str:
    """The whole page, in `lang`."""
    with speaking(lang):
        title = tr("compare.title", n=len(found.runs))
        warned = "".join(f'<p class="warning">{prose(w)}</p>' for w in found.warnings)
        head = f"<header><h1>{escape(title)}</h1>{warned}<p><strong>{prose(summary(found))}</strong></p></header>\n"
        return shell(lang, title, head + _curves(found) + table(found) + facts(found))


def _curves(found: Comparison) -> str:
    axes = [found.axis, *(a for a in found.axes if a != found.axis)]
    scales = ("linear", "log")
    plots = "".join(
        f'<div class="plot p-{axis} p-{scale}">{_pair(found, axis, scale == "log")}</div>'
        for axis in axes
        for scale in scales
    )
    bars = radios("x", "report.head.switch_x", [(a, tr(f"report.axis_short.{a}")) for a in axes])
    bars += radios("y", "report.head.switch_y", [(s, tr(f"report.head.{s}")) for s in scales])
    caption = tr("report.figure.alt_join").join((tr("compare.caption"), found.chosen))
    return (
        f'<section id="curve"><h2>{escape(tr("report.head.curve"))}</h2><div class="switches">{bars}</div>'
        f'<figure class="curve">{plots}<figcaption>{escape(caption)} '
        f'<span class="script">{escape(tr("report.lead.zoom"))}</span>'
        f'<span class="unseen">{escape(alternative(found))}</span></figcaption></figure></section>\n'
    )


def _pair(found: Comparison, axis: str, log: bool) -> str:
    wide, narrow = (draw_comparison(found, axis, log=log, width=w, standalone=False) for w in (WIDE, NARROW))
    return f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'


def table(found: Comparison) -> str:
    """The table, and what to know when reading it."""
    names = heads(found)
    head = "".join(f'<th scope="col"{_number(i)}>{escape(name)}</th>' for i, name in enumerate(names))
    body = ""
    for i, (each, cells) in enumerate(zip(found.runs, rows(found), strict=True)):
        verdict = f'<td><span class="word v-{each.diagnosis.verdict.value}">{escape(cells[1])}</span></td>'
        numbers = "".join(
            f'<td class="n" data-label="{escape(name)}">{escape(cell)}</td>'
            for name, cell in zip(names[2:], cells[2:], strict=True)
        )
        name = f'<span style="color:var(--{roles(i)[1]})">{escape(cells[0])}</span>'
        body += f'<tr><th scope="row">{name}</th>{verdict}{numbers}</tr>'
    notes = "".join(f'<p class="note">{prose(note)}</p>' for note in found.notes)
    title = escape(tr("compare.table"))
    return (
        f'<section id="table"><h2>{title}</h2><div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f'<table class="runs"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{notes}</section>\n'
    )


def facts(found: Comparison) -> str:
    """What differs between the runs, as far as the logs tell."""
    title = escape(tr("compare.differ"))
    if not found.differing:
        return f'<section id="differ"><h2>{title}</h2><p>{escape(tr("compare.same"))}</p></section>\n'
    head = "".join(f'<th scope="col">{escape(letter(i))}</th>' for i in range(len(found.runs)))
    body = "".join(
        f'<tr><th scope="row"><code>{escape(name)}</code></th>{"".join(f"<td>{escape(v)}</td>" for v in values)}</tr>'
        for name, values in found.differing
    )
    return (
        f'<section id="differ"><h2>{title}</h2><div class="scroll" tabindex="0" role="region" aria-label="{title}">'
        f'<table><thead><tr><th scope="col">{escape(tr("compare.fact"))}</th>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div></section>\n"
    )


def _number(place: int) -> str:
    return ' class="n"' if place > 1 else ""
