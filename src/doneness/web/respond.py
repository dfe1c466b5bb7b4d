"""Answers in JSON and HTML, and how a fault is said."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from doneness.core import LANGUAGES, tr
from doneness.web.guard import MOST_BODY, Refusal
from doneness.web.page_state import PageState

LANGUAGE, THEME = "doneness_lang", "doneness_theme"
_NO_STORE = {"cache-control": "no-store"}


def as_json(data: Any, status: int = 200) -> Response:
    """Plain data; no number that JSON does not know."""
    return Response(msgspec.json.encode(data), status, _NO_STORE, "application/json")


def as_html(text: str, status: int = 200) -> Response:
    """A page."""
    return Response(text, status, _NO_STORE, "text/html; charset=utf-8")


def language_of(request: Request) -> str:
    """The reader's: asked for in the address, chosen before, or what the browser prefers."""
    for told in (request.query_params.get("lang"), request.cookies.get(LANGUAGE)):
        if told in LANGUAGES:
            return str(told)
    best, weight = "en", 0.0
    for part in request.headers.get("accept-language", "")[:200].split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            wanted = float(quality) if quality else 1.0
        except ValueError:
            continue
        lang = name[:2].lower()
        if lang in LANGUAGES and wanted > weight:
            best, weight = lang, wanted
    return best


def said(refusal: Refusal, lang: str) -> str:
    """The sentence of a refusal."""
    return tr(f"web.refused.{refusal.key}", lang)


async def body_of(request: Request) -> bytes:
    """What was sent, up to a limit.

    Raises:
        Refusal: more than that, or it was cut.
    """
    found = bytearray()
    try:
        async for part in request.stream():
            found += part
            if len(found) > MOST_BODY:
                raise Refusal(413, "body")
    except ClientDisconnect as error:
        raise Refusal(400, "cut") from error
    return bytes(found)


async def object_of(request: Request) -> dict[str, Any]:
    """The JSON object that was sent.

    Raises:
        Refusal: it is none.
    """
    try:
        told = json.loads(await body_of(request))
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "json") from error
    if not isinstance(told, dict):
        raise Refusal(400, "json")
    return told


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a plain form.

    Raises:
        Refusal: it is none.
    """
    try:
        text = (await body_of(request)).decode("utf-8")
        return {name: values[-1] for name, values in parse_qs(text, max_num_fields=20).items()}
    except ValueError as error:
        raise Refusal(400, "form") from error


def text_in(told: dict[str, Any], name: str, most: int, needed: bool = True) -> str:
    """A text of what was sent.

    Raises:
        Refusal: it is no text, or too long.
    """
    value = told.get(name, "")
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or len(value) > most or (needed and not value.strip()):
        raise Refusal(400, "field")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Refusal(400, "field") from error
    return value


def page_state(request: Request, data: dict[str, Any]) -> PageState:
    """What a page needs to know of the request."""
    context = request.app.state.context
    query = f"?{request.url.query}" if request.url.query else ""
    theme = request.cookies.get(THEME, "")
    return PageState(
        lang=language_of(request),
        csrf=context.guard.csrf,
        path=request.url.path + query,
        theme=theme if theme in ("light", "dark") else "",
        readonly=context.settings.readonly,
        root=context.settings.root.name,
        logout=bool(context.settings.token),
        data=data,
    )
