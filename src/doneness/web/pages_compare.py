"""Several runs over each other: which ones, the figure, the table, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import urlencode

from doneness.core import tr
from doneness.report import compare_html
from doneness.report.compare_figure import alternative, draw_comparison, letter, roles
from doneness.report.compare_table import summary
from doneness.report.comparison import Comparison
from doneness.report.frame import NARROW, WIDE
from doneness.report.prose import prose
from doneness.web.page_state import PageState
from doneness.web.pages_figure import curve_data
from doneness.web.pages_plot import plot
from doneness.web.pages_shell import data_block, options, t


def compare(state: PageState) -> str:
    """The page; `state.data` has rows (all runs), chosen (ids), found (a `Comparison` or None) and fault."""
    data = state.data
    chosen = [str(i) for i in data.get("chosen", ())]
    found: Comparison | None = data.get("found")
    rows = {str(row["id"]): row for row in data.get("rows", ())}
    fault = str(data.get("fault") or "")
    said = f'<p class="warning">{escape(fault)}</p>' if fault else ""
    picker = _picker(rows, chosen)
    if found is None:
        lead = "" if said else f'<p class="lead">{t("compare.few")}</p>'
        return f"<header><h1>{t('compare.title')}</h1></header>{said}{lead}{picker}"
    warned = "".join(f'<p class="warning">{prose(w)}</p>' for w in found.warnings)
    title = escape(tr("compare.title", n=len(found.runs)))
    return (
        f'<header id="said" data-live><h1>{title}</h1>{said}{warned}<p><strong>{prose(summary(found))}</strong></p>'
        f"</header>{picker}{_curve(found)}"
        f'<div id="at-table" data-live>{compare_html.table(found)}{compare_html.facts(found)}</div>'
        f'<div id="data" data-live hidden>{data_block("compared", _drawn(found) if not found.kinds else None)}</div>'
    )


def _curve(found: Comparison) -> str:
    stills = tuple(draw_comparison(found, found.axis, width=width, standalone=False) for width in (WIDE, NARROW))
    axes = [found.axis, *(a for a in found.axes if a != found.axis)]
    caption = tr("report.figure.alt_join").join((tr("compare.caption"), found.chosen))
    head = f"<h2>{escape(tr('report.head.curve'))}</h2>"
    if found.kinds:
        # Panels with axes of their own; script draws one panel alone, so the drawings stay.
        wide, narrow = stills
        return (
            f'<section id="curve">{head}<figure class="curve"><div id="at-panels" data-live><div class="still">'
            f'<div class="wide">{wide}</div><div class="narrow">{narrow}</div></div></div>'
            f"<figcaption><p>{escape(caption)}</p></figcaption></figure></section>"
        )
    return f'<section id="curve">{head}{plot(stills, axes, alternative(found), caption)}</section>'


def _drawn(found: Comparison) -> dict[str, Any]:
    runs = []
    for i, each in enumerate(found.runs):
        mark, ink, dash = roles(i)
        runs.append(
            {
                "letter": letter(i),
                "label": each.label,
                "role": mark,
                "ink": ink,
                "dash": bool(dash),
                "word": tr(f"report.verdict.{each.diagnosis.verdict.value}"),
                **curve_data(each.curve),
            }
        )
    return {"axis": found.axis, "place": found.place, "runs": runs}


def _picker(rows: Mapping[str, Mapping[str, Any]], chosen: Sequence[str]) -> str:
    """The runs that are compared, each with a way to take it out, and one more to put in; links and a form alone."""
    items = hidden = ""
    for i, name in enumerate(chosen):
        row = rows.get(name)
        if row is None:
            continue
        rest = escape(urlencode([("run", other) for other in chosen if other != name]))
        title = str(row["name"])
        items += (
            f'<li><b>{letter(i)}</b> <a href="/run/{escape(name)}">{escape(title)}</a> '
            f'<a class="out" href="/compare?{rest}" aria-label="{t("compare.out", name=title)}">×</a></li>'
        )
        hidden += f'<input type="hidden" name="run" value="{escape(name)}">'
    others = [(key, _named(row)) for key, row in rows.items() if key not in chosen]
    more = ""
    if others:
        more = (
            f'<form action="/compare" class="fields">{hidden}<label><span>{t("compare.add")}</span>'
            f'<select name="run">{options(others)}</select></label><button>{t("compare.put")}</button></form>'
        )
    listed = f'<ul class="chosen-runs">{items}</ul>' if items else ""
    return f'<div class="tools">{listed}{more}</div>'


def _named(row: Mapping[str, Any]) -> str:
    return " · ".join(str(part) for part in (row["name"], row.get("place"), row.get("word")) if part)
