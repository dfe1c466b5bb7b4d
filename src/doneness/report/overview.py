"""Many runs as one HTML page: a table that leads to a section for each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from doneness.core import speaking, tr
from doneness.report.figure import alternative, draw
from doneness.report.frame import NARROW, WIDE
from doneness.report.html import LIMIT, shell
from doneness.report.prose import prose
from doneness.report.view import ReportView

_SPARE = 20_000


@dataclass(frozen=True)
class Overview:
    """What the page shows of one run: its view, and the texts of its line in the table.

    Attributes:
        label: a name that tells it apart from the others.
        keep, gain, looks, note: as in the terminal's table.
    """

    view: ReportView
    label: str
    keep: str
    gain: str
    looks: str
    note: str


def render_overview(
    rows: Sequence[Overview], unreadable: Sequence[tuple[str, str]], lang: str, limit: int = LIMIT
) -> str:
    """The whole page.

    Args:
        rows: one for each run, in the order to show.
        unreadable: paths that gave no run, each with the line that says why.
        lang: "en" or "zh".
        limit: bytes of UTF-8 that the page stays under as far as its curves go: they give way from the
            last run on, and the section says so.
    """
    with speaking(lang):
        title = tr("report.many.title", n=len(rows))
        top = _table(title, rows) + _lost(unreadable)
        plain = [_section(i, row, "") for i, row in enumerate(rows)]
        room = limit - _SPARE - len(shell(lang, title, top + "".join(plain)).encode())
        body = ""
        for i, row in enumerate(rows):
            curve = _curve(row)
            size = len(curve.encode())
            if size > room:
                curve = f'<p class="lead">{escape(tr("report.many.no_curve"))}</p>'
                size = len(curve.encode())
            room -= size
            body += _section(i, row, curve)
        return shell(lang, title, top + body)


def _table(title: str, rows: Sequence[Overview]) -> str:
    names = ("run", "verdict", "keep", "gain", "looks", "note")
    head = "".join(f'<th scope="col"{_number(n)}>{escape(tr(f"report.table.{n}"))}</th>' for n in names)
    body = ""
    for i, row in enumerate(rows):
        # The label is shown where a narrow screen turns rows into cards.
        numbers = "".join(
            f'<td class="n" data-label="{escape(tr(f"report.table.{name}"))}">{escape(value)}</td>'
            for name, value in (("keep", row.keep), ("gain", row.gain), ("looks", row.looks))
        )
        body += (
            f'<tr><th scope="row"><a href="#run-{i}">{escape(row.label)}</a></th>'
            f'<td><span class="word v-{row.view.verdict}">{escape(row.view.verdict_word)}</span></td>'
            f'{numbers}<td class="note">{prose(row.note)}</td></tr>'
        )
    return (
        f"<header><h1>{escape(title)}</h1></header>"
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}"><table class="runs">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>\n"
    )


def _section(index: int, row: Overview, curve: str) -> str:
    view = row.view
    numbers = "".join(
        f'<div class="number"><dt>{escape(n.label)}</dt><dd class="value">{escape(n.value)}</dd>'
        f'<dd class="detail">{escape(n.detail)}</dd></div>'
        for n in view.key_numbers
    )
    findings = "".join(
        f'<li><span class="status st-{f.status}">{escape(f.word)}</span> <code>{escape(f.code)}</code> '
        f"{prose(f.summary)}</li>"
        for f in view.findings
    )
    more = escape(tr("report.head.evidence"))
    return (
        f'<section id="run-{index}"><h2>{escape(row.label)}</h2><p class="run">{escape(view.source)}</p>'
        f"<p>{_pill(view)}</p><p>{prose(view.headline)}</p>"
        f'<dl class="numbers">{numbers}</dl>{curve}'
        f"{f'<p>{prose(view.advice)}</p>' if view.advice else ''}"
        f"{f'<details><summary>{more}</summary><ul>{findings}</ul></details>' if findings else ''}</section>\n"
    )


def _curve(row: Overview) -> str:
    """Loss over steps; a wide and a narrow drawing, of which the page's CSS shows one."""
    data = row.view.curve
    wide, narrow = (draw(data, width=width, standalone=False) for width in (WIDE, NARROW))
    pair = f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div>'
    return (
        f'<figure class="curve"><div class="plot">{pair}</div>'
        f'<figcaption class="unseen">{escape(alternative(data))}</figcaption></figure>'
    )


def _lost(unreadable: Sequence[tuple[str, str]]) -> str:
    if not unreadable:
        return ""
    items = "".join(f"<li>{escape(error)}</li>" for _, error in unreadable)
    return f'<section id="unreadable"><h2>{escape(tr("report.many.unreadable"))}</h2><ul>{items}</ul></section>\n'


def _pill(view: ReportView) -> str:
    return f'<span class="verdict v-{view.verdict}">{escape(view.verdict_word)}</span>'


def _number(name: str) -> str:
    return ' class="n"' if name in ("keep", "gain", "looks") else ""
