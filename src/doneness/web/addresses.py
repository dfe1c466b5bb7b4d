"""The pages by address: what each is rendered from."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from doneness.core import DonenessError
from doneness.web.api import asked_answers, chosen, found
from doneness.web.context import Context
from doneness.web.entries import ENDED
from doneness.web.guard import Refusal
from doneness.web.pages import render
from doneness.web.pages_assets import find_asset
from doneness.web.requests import requests
from doneness.web.respond import LANGUAGE, as_html, form_of, language_of, page_state, said

_SAFE = re.compile(r"/[A-Za-z0-9_\-/.?=&%]*")
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}


async def runs(request: Request) -> Response:
    """Every run."""
    context, lang = _context(request), language_of(request)
    context.ahead(lang)
    return await _page(request, "runs", await context.keeper.listed(lang))


async def run(request: Request) -> Response:
    """One run."""
    context, entry = _context(request), await found(request)
    lang = language_of(request)
    seen = await context.seen(entry, lang)
    probed = len(entry.raw.probed) if entry.raw else 0
    can = context.can(entry)
    home = context.folder(entry) if entry.raw is not None and entry.raw.home is not None else None
    over = context.keeper.state(entry) == ENDED
    asked = await asyncio.to_thread(requests, seen.requests, home, over, lang)
    return await _page(
        request,
        "run",
        {
            "row": context.keeper.row(entry, lang),
            "view": seen.view,
            "can": can,
            "reviewable": probed >= 2 and entry.raw is not None and entry.raw.home is not None,
            "answers": probed >= 1,
            "version": f"{seen.version}-{context.keeper.state(entry)}-{sum(can.values())}",
            "requests": asked,
            "every_row": request.query_params.get("rows") == "all",
        },
    )


async def answers(request: Request) -> Response:
    """Answers side by side."""
    context, entry = _context(request), await found(request)
    query = request.query_params
    told = await asked_answers(context, entry, request)
    steps = [int(each) for each in query.getlist("step")[:6] if each.isdecimal()]
    asked = {
        "step": steps,
        "behaviour": query.get("behaviour", "")[:200],
        "find": query.get("find", "")[:200],
        "changed": query.get("changed", "") in ("1", "true", "on"),
        "page": int(page) if (page := query.get("page", "")).isdecimal() else 0,
    }
    row = context.keeper.row(entry, language_of(request))
    return await _page(request, "answers", {"row": row, "asked": asked, "found": told})


async def review(request: Request) -> Response:
    """Blind review."""
    context, entry = _context(request), await found(request)
    context.folder(entry)
    return await _page(request, "review", {"row": context.keeper.row(entry, language_of(request)), "over": ""})


async def compare(request: Request) -> Response:
    """Runs over each other."""
    context, lang = _context(request), language_of(request)
    entries = chosen(request)
    listed = await context.keeper.listed(lang)
    told: dict[str, Any] = {"rows": listed["runs"], "chosen": [e.id for e in entries], "found": None, "fault": ""}
    if len(entries) >= 2:
        axis = request.query_params.get("axis") or None
        asked = [(context.keeper.where(entry.unit), entry.key) for entry in entries]
        try:
            made = await context.pool.ask("comparison", runs=asked, axis=axis, lang=lang)
            told["found"] = made["found"]
        except DonenessError as error:
            told["fault"] = str(error)
    return await _page(request, "compare", told)


async def login(request: Request) -> Response:
    """Where the token is asked for."""
    context = _context(request)
    if not context.settings.token:
        return _to("/")
    onward = _onward(request.query_params.get("next", "/"))
    return await _page(request, "login", {"next": onward, "fault": ""})


async def enter(request: Request) -> Response:
    """The token was given."""
    context = _context(request)
    told = await form_of(request)
    onward = _onward(told.get("next", "/"))
    if context.guard.forged(told.get("csrf", "")):
        raise Refusal(403, "csrf")
    if not context.settings.token:
        return _to(onward)
    if not context.guard.right(told.get("token", ""), request.client.host if request.client else ""):
        fault = said(Refusal(403, "token"), language_of(request))
        return await _page(request, "login", {"next": onward, "fault": fault}, 403)
    response = _to(onward)
    response.headers.append("set-cookie", context.guard.cookie)
    return response


async def leave(request: Request) -> Response:
    """The token is to be forgotten by this browser."""
    context = _context(request)
    if context.guard.forged((await form_of(request)).get("csrf", "")):
        raise Refusal(403, "csrf")
    response = _to("/login")
    response.headers.append("set-cookie", context.guard.no_cookie)
    return response


async def static(request: Request) -> Response:
    """A file that pages load; there are no others than those shipped."""
    asset = find_asset(request.path_params["name"])
    if asset is None:
        raise Refusal(404, "no_page")
    return Response(asset.body, 200, _FOR_EVER, asset.media)


def routes() -> list[Route]:
    """The addresses of pages."""
    return [
        Route("/", runs),
        Route("/run/{id}", run),
        Route("/run/{id}/answers", answers),
        Route("/run/{id}/review", review),
        Route("/compare", compare),
        Route("/login", login, methods=["GET"]),
        Route("/login", enter, methods=["POST"]),
        Route("/logout", leave, methods=["POST"]),
        Route("/static/{version}/{name}", static),
    ]


async def fault_page(request: Request, refusal: Refusal, text: str) -> Response:
    """A page that says what is wrong."""
    return await _page(request, "fault", {"status": refusal.status, "text": text}, refusal.status)


async def _page(request: Request, name: str, data: dict[str, Any], status: int = 200) -> Response:
    state = page_state(request, data)
    # A long list takes a while to be written out, and others are waiting.
    response = as_html(await asyncio.to_thread(render, name, state), status)
    asked = request.query_params.get("lang", "")
    if asked in ("en", "zh"):
        response.set_cookie(LANGUAGE, asked, max_age=31536000, httponly=True, samesite="strict")
    return response


def _to(address: str) -> Response:
    return Response("", 303, {"location": quote(address, safe="/?=&%"), "cache-control": "no-store"})


def _onward(address: str) -> str:
    """An address of ours to go on to; anything else is the beginning."""
    known = _SAFE.fullmatch(address) and not address.startswith("//") and ".." not in address
    return address if known and len(address) < 500 else "/"


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context
