"""The application: its gate, its addresses, and how it begins and ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import cookies as http_cookies
from typing import Any
from urllib.parse import parse_qs, quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from doneness.core import LANGUAGES, DonenessError, tr
from doneness.web import addresses, api, api_review
from doneness.web.cache import Cache
from doneness.web.context import Context
from doneness.web.guard import CSRF_HEADER, HEADERS, Guard, Refusal
from doneness.web.hub import Hub
from doneness.web.keeper import Keeper
from doneness.web.live import Live
from doneness.web.pool import Pool
from doneness.web.respond import as_json, language_of, said
from doneness.web.site import Settings, Site

_OPEN = ("/login", "/static/")  # what is shown to those who have shown no token
_FORMS = ("/login", "/logout")
_OF_STATUS = {404: "no_page", 405: "method"}


def build(settings: Settings, site: Site) -> Gate:
    """The application that serves a folder."""
    guard, hub = Guard(settings), Hub()
    pool = Pool(site.worker())
    cache = Cache(settings.cache, settings.root)
    keeper = Keeper(settings, pool, hub, cache)
    live = Live(keeper, pool, hub, cache.folder)

    @asynccontextmanager
    async def span(app: Starlette) -> AsyncIterator[None]:
        await pool.open()
        await keeper.open()
        live.open()
        try:
            yield
        finally:
            hub.close()
            await live.close()
            await keeper.close()
            await pool.close()

    app = Starlette(
        routes=[*api.routes(), *api_review.routes(), *addresses.routes()],
        lifespan=span,
        exception_handlers={Refusal: _refused, DonenessError: _failed, HTTPException: _http, Exception: _broken},
    )
    app.router.redirect_slashes = False
    app.state.context = Context(settings, site, guard, pool, hub, keeper, live)
    return Gate(app, settings, guard, hub)


class Gate:
    """Looks at every request before the application does, and adds to every answer what keeps a browser safe.

    Attributes:
        hub: of the events, to be closed before the server waits for its connections.
    """

    def __init__(self, app: Starlette, settings: Settings, guard: Guard, hub: Hub) -> None:
        self._app, self._settings, self._guard, self.hub = app, settings, guard, hub

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def guarded(message: Any) -> None:
            if message["type"] == "http.response.start":
                told = {name for name, _ in message["headers"]}
                more = [pair for pair in HEADERS if pair[0] not in told]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        scope["app"] = self._app
        request = Request(scope, receive)
        try:
            onward = self._look(scope)
        except Refusal as refusal:
            response = await _refused(request, refusal)
            # What was not read of a refused request is no beginning of the next.
            response.headers["connection"] = "close"
            await response(scope, receive, guarded)
            return
        if onward is not None:
            await onward(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _look(self, scope: Any) -> Response | None:
        """An answer of our own, where the application is not to be asked.

        Raises:
            Refusal: the request is refused.
        """
        target = scope.get("raw_path") or scope["path"].encode()
        target = target.partition(b"?")[0] + b"?" + scope.get("query_string", b"")
        headers = self._guard.head(scope["method"], target, scope["headers"])
        path = scope["path"]
        if "\x00" in path or "\\" in path or "/../" in f"{path}/":
            raise Refusal(400, "path")
        if scope["method"] == "POST":
            self._look_at_change(path, headers)
        if path.startswith(_OPEN[1]) or path == _OPEN[0]:
            return None
        address = scope["client"][0] if scope.get("client") else ""
        bearer = headers.get(b"authorization", b"").decode("latin-1")
        shown = bearer[7:] if bearer[:7].lower() == "bearer " else ""
        if self._guard.known(_cookies(headers.get(b"cookie", b"")), shown, address):
            return None
        if path.startswith("/api/") or scope["method"] != "GET":
            raise Refusal(403, "token" if bearer else "no_token")
        return Response("", 303, {"location": _login(path, scope), "cache-control": "no-store"})

    def _look_at_change(self, path: str, headers: Any) -> None:
        if path in _FORMS:
            # Their fields carry what the header carries elsewhere; a plain form can set no header.
            self._guard.change(headers, b"application/x-www-form-urlencoded")
            if b"origin" not in headers and b"sec-fetch-site" not in headers:
                raise Refusal(403, "origin")
            return
        self._guard.change(headers)
        if self._guard.forged(headers.get(CSRF_HEADER, b"").decode("latin-1")):
            raise Refusal(403, "csrf")
        if self._settings.readonly:
            raise Refusal(403, "readonly")


def _login(path: str, scope: Any) -> str:
    """Where the token is asked for, in the language that the address asked for."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("lang", [""])[0]
    return f"/login?next={quote(path)}" + (f"&lang={asked}" if asked in LANGUAGES else "")


def _cookies(header: bytes) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in http_cookies.SimpleCookie(header.decode("latin-1")).items()}
    except http_cookies.CookieError:
        return {}


async def _answer(request: Request, refusal: Refusal, text: str) -> Response:
    if request.url.path.startswith("/api/"):
        return as_json({"error": text}, refusal.status)
    return await addresses.fault_page(request, refusal, text)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return await _answer(request, error, said(error, language_of(request)))


async def _failed(request: Request, error: Exception) -> Response:
    """What a workflow says is wrong: nobody's defect, and for the reader to mend."""
    return await _answer(request, Refusal(409, ""), str(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    key = _OF_STATUS.get(error.status_code, "no_page")
    return await _refused(request, Refusal(error.status_code, key))


async def _broken(request: Request, error: Exception) -> Response:
    """A defect of ours: its kind is said, and nothing of what lies on the disk."""
    return await _answer(request, Refusal(500, ""), tr("web.defect", language_of(request), kind=type(error).__name__))
