"""The report as one HTML file: no network, no script needed to read it, under two megabytes."""

from __future__ import annotations

from html import escape
from importlib import resources

from doneness.core import speaking, tr
from doneness.core.text import printable
from doneness.report import html_answers, html_checklist, html_groups, html_health, html_spans, html_top, tables
from doneness.report.palette import css
from doneness.report.view import ReportView

LIMIT = 2_000_000
_SPARE = 20_000


def render(view: ReportView, limit: int = LIMIT) -> str:
    """The whole page, in the view's language.

    Args:
        view: what to show.
        limit: bytes of UTF-8 that the page must stay under; answers give way first, and the page
            says how many it left out.
    """
    with speaking(view.lang):
        before = html_top.verdict(view) + html_top.curves(view) + html_spans.spans(view)
        before += html_groups.groups(view)
        before += tables.checkpoints(view) + html_checklist.checklist(view)
        after = tables.timeline(view) + html_health.health(view) + tables.evidence(view) + tables.recipe(view)
        title = tr("report.title", run=view.run)
        room = limit - len(shell(view.lang, title, before + after).encode()) - _SPARE
        return shell(view.lang, title, before + html_answers.answers(view, room) + after)


def shell(lang: str, title: str, body: str) -> str:
    """The page around `body`, which is markup already."""
    lang = "zh-CN" if lang == "zh" else "en"
    title = escape(title)
    page = (
        f'<!DOCTYPE html>\n<html lang="{lang}">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # The page may run only what it carries; answers of a model are shown, never loaded.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "script-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{css()}\n{asset('report.css')}</style>\n</head>\n<body>\n<main>\n{body}\n"
        f"</main>\n<script>{asset('report.js')}</script>\n</body>\n</html>\n"
    )
    # Recipes, cards and names from outside may hold controls, or half a surrogate pair that no file can.
    return printable(page)


def asset(name: str) -> str:
    """A file of the assets folder."""
    return (resources.files("doneness.report") / "assets" / name).read_text(encoding="utf-8")
