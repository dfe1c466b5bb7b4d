"""Answers side by side: the same question to several checkpoints, what changed marked; a plain form chooses."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any
from urllib.parse import urlencode

from doneness.core import tr
from doneness.report.answers import behaviour_title
from doneness.report.numbers import count
from doneness.web.page_state import PageState
from doneness.web.pages_shell import options, run_title, t, tabs

_TAGS = {"added": "ins", "removed": "del"}


def answers(state: PageState) -> str:
    """The page.

    `state.data` has row, asked (the query) and found (what /api/run/{id}/answers says).

    Script says when answers have come or changed since; nothing is exchanged under a reader's eyes.
    """
    row, asked, found = (state.data[name] for name in ("row", "asked", "found"))
    items = "".join(_question(item, found) for item in found["items"])
    n = int(found.get("of") or 0)
    said = t("answers.found_one" if n == 1 else "answers.found", n=count(n))
    listed = items or f'<p class="lead">{t("answers.none")}</p>'
    return (
        tabs(row, "answers", reviewable=bool(state.data.get("reviewable", True)))
        + f"<header>{run_title(row, state, 'answers')}</header>{_form(row, asked, found)}"
        + f'<p id="newer" class="note" role="status" hidden><a href="">{t("answers.newer")}</a></p>'
        + f'<div id="listed"><p class="note" role="status">{said}</p>{listed}{_pages(row, asked, found)}</div>'
    )


def _form(row: Mapping[str, Any], asked: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    shown = {int(s) for s in found["steps"]}
    steps = "".join(
        f'<label class="tick"><input type="checkbox" name="step" value="{s}"{" checked" if int(s) in shown else ""}>'
        f"<span>{escape(_name(int(s)))}</span></label>"
        for s in found.get("all_steps", found["steps"])
    )
    named = [_behaviour(b) for b in found.get("behaviours", ())]
    chosen = str(asked.get("behaviour") or "")
    kinds = options([("", tr("pages.answers.any_behaviour")), *named], chosen)
    changed = " checked" if asked.get("changed") else ""
    return (
        f'<form class="tools" action="/run/{escape(str(row["id"]))}/answers" role="search">'
        f'<fieldset class="ticks"><legend>{t("answers.steps")}</legend>{steps}</fieldset><div class="fields">'
        f'<label class="find"><span>{t("answers.find")}</span>'
        f'<input type="search" name="find" value="{escape(str(asked.get("find") or ""))}"></label>'
        f'<label><span>{t("answers.behaviour")}</span><select name="behaviour">{kinds}</select></label>'
        f'<label class="tick"><input type="checkbox" name="changed" value="1"{changed}>'
        f"<span>{t('answers.changed')}</span></label>"
        f'<button class="main">{t("answers.show")}</button></div></form>'
    )


def _question(item: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    steps = [int(s) for s in found["steps"]]
    given = [_of(item["answers"], step) for step in steps]
    befores = [None, *given[:-1]]
    cells = "".join(
        _answer(step, answer, _change(before, answer), step == found.get("chosen"))
        for step, answer, before in zip(steps, given, befores, strict=True)
    )
    title = str(item.get("title") or (behaviour_title(str(item["behaviour"])) if item.get("behaviour") else ""))
    kind = f'<span class="kind">{escape(title)}</span>' if title else ""
    known = str(item.get("reference") or "")
    reference = (
        f'<p class="reference"><b>{escape(tr("report.table.reference"))}</b> {escape(known)}</p>' if known else ""
    )
    return (
        f'<article class="question">{kind}<h2 class="asked">{escape(str(item["prompt"]))}</h2>{reference}'
        f'<ol class="beside n{min(len(steps), 4)}">{cells}</ol></article>'
    )


def _answer(step: int, found: Mapping[str, Any] | None, change: str, chosen: bool) -> str:
    keep = f' <em class="keep">{escape(tr("report.answer.kept"))}</em>' if chosen else ""
    look = ' class="chosen"' if chosen else ""
    head = f"<h3>{escape(_name(step))}{keep}</h3>"
    if found is None:
        return f'<li{look}>{head}<p class="note">{escape(tr("report.mark.absent"))}</p></li>'
    score = found.get("score")
    facts = [change, tr("pages.answers.score", score=_score(score)) if score is not None else ""]
    said = f"<small>{escape(' · '.join(filter(None, facts)))}</small>" if any(facts) else ""
    return f'<li{look}>{head}{said}<p class="text">{_parts(found)}</p></li>'


def _change(before: Mapping[str, Any] | None, now: Mapping[str, Any] | None) -> str:
    """What became of the answer beside it, in a word: an answer without a mark may be the same or quite another."""
    if before is None or now is None:
        return ""
    if before.get("text") == now.get("text"):
        return tr("report.answer.same")
    marked = any(kind != "same" for _, kind in now.get("parts") or ())
    return tr("report.answer.changed" if marked else "report.answer.rewritten")


def _parts(found: Mapping[str, Any]) -> str:
    """Escaped text alone; marks end with their word, since the space after it belongs to the line."""
    parts = found.get("parts") or [[found.get("text", ""), "same"]]
    out = ""
    for text, kind in parts:
        tag = _TAGS.get(str(kind))
        word = str(text).rstrip(" ")
        out += f"<{tag}>{escape(word)}</{tag}>{str(text)[len(word) :]}" if tag and word else escape(str(text))
    return out


def _pages(row: Mapping[str, Any], asked: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    here, last = int(asked.get("page") or 0), int(found.get("pages") or 1) - 1
    if last <= 0:
        return ""
    pairs: list[tuple[str, Any]] = [("step", s) for s in asked.get("step") or ()]
    pairs += [(name, asked[name]) for name in ("behaviour", "find") if asked.get(name)]
    pairs += [("changed", 1)] if asked.get("changed") else []
    links = ""
    for name, page in (("before", here - 1), ("after", here + 1)):
        if 0 <= page <= last:
            query = escape(urlencode([*pairs, ("page", page)]))
            rel = "prev" if name == "before" else "next"
            place = f"/run/{escape(str(row['id']))}/answers?{query}"
            links += f'<a href="{place}" rel="{rel}">{t(f"answers.{name}")}</a> '
    said = t("answers.page", page=count(here + 1), pages=count(last + 1))
    return f'<nav class="pages" aria-label="{t("answers.pages")}">{links}<span class="note">{said}</span></nav>'


def _behaviour(found: Any) -> tuple[str, str]:
    if isinstance(found, Mapping):
        return str(found["name"]), str(found.get("title") or behaviour_title(str(found["name"])))
    return str(found), behaviour_title(str(found))


def _of(found: Mapping[Any, Any], step: int) -> Mapping[str, Any] | None:
    answer: Mapping[str, Any] | None = found.get(step, found.get(str(step)))
    return answer


def _name(step: int) -> str:
    return tr("report.answer.base") if step == 0 else tr("report.answer.step", step=count(step))


def _score(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
