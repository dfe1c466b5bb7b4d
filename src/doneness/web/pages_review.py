"""The page of the blind review: no pair is in its HTML, so nothing of whose answer is whose can be read off it."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.review import TAGS
from doneness.web.page_state import PageState
from doneness.web.pages_shell import run_title, t, tabs

# A small letter tags the first answer, a capital the second; u takes back, as in the terminal.
LETTERS = dict(zip("ioelsw", TAGS, strict=True))
_SIDES = (("1", "left"), ("2", "right"))
_VOTES = (("1", "1", "first"), ("t", "tie", "tie"), ("b", "bad", "bad"), ("2", "2", "second"))


def review(state: PageState) -> str:
    """The page; `state.data` has row, and `over`, a sentence where there is nothing to vote on."""
    row = state.data["row"]
    over = str(state.data.get("over") or "")
    head = tabs(row, "review") + f"<header>{run_title(row, state, 'review')}"
    if over or state.readonly:
        said = escape(over) if over else t("review.readonly")
        return head + f'<p class="lead">{said}</p></header>{_standing(str(row["id"]))}'
    return (
        f'{head}<p class="lead">{t("review.lead")}</p></header>'
        f'<noscript><p class="warning">{t("review.script")}</p></noscript>'
        f'<div id="review" data-run="{escape(str(row["id"]))}">{_who()}{_asked()}'
        f'<p id="fault" class="warning" role="alert" hidden></p></div>{_standing(str(row["id"]))}'
    )


def _who() -> str:
    return (
        f'<form id="who" class="who script"><label for="name">{t("review.name")}</label>'
        '<input id="name" maxlength="80" autocomplete="name" required>'
        f'<button class="main">{t("review.begin")}</button>'
        f'<p class="note">{t("review.name_note")}</p></form>'
    )


def _asked() -> str:
    sides = "".join(_side(number, name) for number, name in _SIDES)
    votes = "".join(
        f'<button type="button" data-vote="{vote}" aria-keyshortcuts="{key}">'
        f'<kbd aria-hidden="true">{key}</kbd> {t(f"review.vote.{name}")}</button>'
        for key, vote, name in _VOTES
    )
    return (
        '<div id="asked" hidden><p id="enough" class="enough" role="status" hidden></p>'
        '<p class="count"><span id="count"></span> '
        '<span class="meter" aria-hidden="true"><span id="share"></span></span></p>'
        f'<section class="pair-only" aria-labelledby="prompt"><h2 id="prompt" tabindex="-1" class="asked"></h2>'
        f'<details id="known" hidden><summary>{t("review.reference")}</summary>'
        '<p id="reference" class="text"></p></details>'
        f'<div class="beside n2">{sides}</div></section>'
        f'<div class="votes pair-only" role="group" aria-label="{t("review.votes")}">{votes}</div>'
        f'<details id="better" class="pair-only"><summary>{t("review.rewrite")}</summary>'
        '<textarea id="rewrite" rows="5" maxlength="20000" '
        f'aria-label="{t("review.rewrite")}"></textarea></details>'
        '<div class="below"><button type="button" id="undo" aria-keyshortcuts="u">'
        f'<kbd aria-hidden="true">u</kbd> {t("review.undo")}</button>'
        f'<label class="tick keyed"><input type="checkbox" id="keys" checked><span>{t("review.keys")}</span></label>'
        f'<button type="button" id="leave" class="plain">{t("review.leave")}</button></div>'
        f'<p class="note keyed">{t("review.keys_note")}</p></div>'
    )


def _side(number: str, name: str) -> str:
    tags = "".join(
        f'<label class="tag"><input type="checkbox" data-side="{number}" data-tag="{tag}" '
        f'aria-keyshortcuts="{_key(number, key)}"><span><kbd aria-hidden="true">'
        f"{key if number == '1' else key.upper()}</kbd> {escape(tr(f'review.tag.{tag}'))}</span></label>"
        for key, tag in LETTERS.items()
    )
    return (
        f'<section class="answer" aria-labelledby="{name}-head"><h3 id="{name}-head">{t(f"review.{name}")}</h3>'
        f'<p id="{name}" class="text"></p><fieldset class="tags"><legend>{t(f"review.tags_{name}")}</legend>'
        f"{tags}</fieldset></section>"
    )


def _key(number: str, key: str) -> str:
    return key if number == "1" else f"Shift+{key.upper()}"


def _standing(run: str) -> str:
    """Where the votes stand: asked for when it is opened, since a reviewer should not be led by it."""
    place = f"/api/run/{escape(run)}/review/export"
    return (
        f'<section id="standing" data-run="{escape(run)}" class="script"><h2>{t("review.standing")}</h2>'
        f'<details id="stand"><summary>{t("review.stand")}</summary><div id="stood" aria-live="polite"></div></details>'
        f'<p>{t("review.export")} <a href="{place}?as=csv" download>CSV</a> '
        f'<a href="{place}?as=jsonl" download>JSONL</a></p></section>'
    )
