"""What stands around every page: head, the way back, language and theme, and the words that script speaks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from doneness.core import language, tr
from doneness.core.catalogue import entries
from doneness.core.text import printable
from doneness.web.page_state import PageState
from doneness.web.pages_assets import PLOTLY, address

_MODULES = {
    "runs": ("runs.js",),
    "run": ("run.js",),
    "answers": ("answers.js",),
    "review": ("review.js",),
    "compare": ("compare.js",),
    "login": (),
    "fault": (),
}
_DRAWS = ("run", "compare")
# What the modules of a page load in turn: told beforehand, they come together and not one after another.
_INNER = {
    "run": ("control.js", "curve.js", "decided.js", "figure.js", "marks.js", "places.js", "swap.js"),
    "compare": ("figure.js", "marks.js", "places.js", "swap.js"),
    "answers": ("swap.js",),
}
_WIDE = ("runs", "answers", "review")
_OTHER = {"en": ("zh", "中文", "zh-CN"), "zh": ("en", "English", "en")}


def t(key: str, **args: Any) -> str:
    """A sentence of the pages, escaped."""
    return escape(tr(f"pages.{key}", **args))


def shell(page: str, state: PageState, body: str) -> str:
    """The page around `body`, which is markup already."""
    lang = "zh-CN" if state.lang == "zh" else "en"
    theme = f' data-theme="{state.theme}"' if state.theme in ("light", "dark") else ""
    scripts = "".join(f'<script type="module" src="{address(m)}"></script>' for m in ("common.js", *_MODULES[page]))
    scripts += "".join(f'<link rel="modulepreload" href="{address(m)}">' for m in _INNER.get(page, ()))
    if page in _DRAWS:
        scripts += f'<script defer src="{address(PLOTLY)}"></script>'
    wide = ' class="broad"' if page in _WIDE else ""
    html = (
        f'<!DOCTYPE html>\n<html lang="{lang}"{theme}>\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<meta name="csrf" content="{escape(state.csrf)}">\n<meta name="referrer" content="same-origin">\n'
        f"<title>{escape(_title(page, state))}</title>\n"
        f'<link rel="icon" href="{address("icon.svg")}" type="image/svg+xml">\n'
        f'<link rel="stylesheet" href="{address("app.css")}">\n{scripts}\n</head>\n<body>\n'
        f'<a class="skip" href="#main">{t("skip")}</a>\n{_bar(page, state)}'
        f'<main id="main" tabindex="-1"{wide}>\n{body}\n</main>\n'
        f'<div id="told" role="status" aria-live="polite"></div>\n'
        f"{data_block('words', _words())}\n</body>\n</html>\n"
    )
    # Names and notes from outside may hold controls, or half a surrogate pair that no answer can.
    return printable(html)


def data_block(name: str, value: Any) -> str:
    """Values for script, as data that no browser runs; `<` is written so that no text can end the block."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{text}</script>'


def options(pairs: Iterable[tuple[str, str]], chosen: str = "") -> str:
    """The options of a select, as (value, text) pairs."""
    return "".join(
        f'<option value="{escape(value)}"{" selected" if value == chosen else ""}>{escape(text)}</option>'
        for value, text in pairs
    )


def tabs(row: Mapping[str, Any], here: str, answers: bool = True, reviewable: bool = True) -> str:
    """The ways between the pages of one run; a page that has nothing to show is not offered."""
    shown = [
        ("run", ""),
        *([("answers", "/answers")] if answers else []),
        *([("review", "/review")] if reviewable else []),
    ]
    if len(shown) < 2:
        return ""
    links = "".join(
        f'<li><a href="/run/{escape(str(row["id"]))}{tail}"{" aria-current=page" if name == here else ""}>'
        f"{t(f'tab.{name}')}</a></li>"
        for name, tail in shown
    )
    return f'<nav class="tabs" aria-label="{t("tab.label")}"><ul>{links}</ul></nav>'


def run_title(row: Mapping[str, Any], state: PageState, here: str) -> str:
    """The line over the other pages of a run: its name leads back to it."""
    name = escape(str(row["name"]))
    back = f'<p class="run"><a href="/run/{escape(str(row["id"]))}"><strong>{name}</strong></a></p>'
    return f"{back}<h1>{t(f'{here}.title')}</h1>"


def _bar(page: str, state: PageState) -> str:
    code, name, tag = _OTHER[state.lang]
    home = "" if page == "login" else f'<a href="/">{t("home")}</a>'
    logout = ""
    if state.logout and page != "login":
        logout = (
            f'<form method="post" action="/logout"><input type="hidden" name="csrf" value="{escape(state.csrf)}">'
            f'<button class="plain">{t("logout")}</button></form>'
        )
    readonly = f'<span class="note">{t("readonly")}</span>' if state.readonly else ""
    return (
        f'<header class="bar"><p class="brand"><a href="/">doneness</a><span lang="zh">火候</span></p>{home}{readonly}'
        f'<span class="room"></span><span id="live" class="live" hidden></span>'
        f'<a href="{escape(_in_language(state.path, code))}" lang="{tag}" hreflang="{tag}" rel="alternate">{name}</a>'
        f'<button id="theme" type="button" class="plain script"></button>{logout}</header>\n'
    )


def _in_language(path: str, code: str) -> str:
    """The same address in the other language; never one that leads elsewhere."""
    parts = urlsplit(path)
    query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "lang"]
    inner = "/" + parts.path.lstrip("/\\")
    return f"{inner}?{urlencode([*query, ('lang', code)])}"


def _title(page: str, state: PageState) -> str:
    row = state.data.get("row")
    name = str(row["name"]) if isinstance(row, Mapping) else state.root
    what = tr(f"pages.{page}.title") if page != "run" else ""
    return " · ".join(part for part in (what, name, "doneness") if part)


def _words() -> dict[str, str]:
    """The sentences that script speaks, as they stand in the catalogue: it fills in the numbers itself."""
    found = entries(language())
    return {key.removeprefix("pages.js."): text for key, text in found.items() if key.startswith("pages.js.")}
