"""Listens, and ends as it is asked to: streams are closed, votes are down, nothing is left behind."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType
from typing import Any

from doneness.core import DonenessError, tr
from doneness.core.extras import optional
from doneness.web.site import Settings, Site

INTERRUPTED = 130
_HEAD = 16 << 10  # bytes of a request's line and headers
_CONNECTIONS = 1000
_PATIENCE = 3  # seconds for requests under way when the server is to end
_HOW: dict[str, Any] = {
    "log_config": None,
    "access_log": False,
    "server_header": False,
    "date_header": False,
    "proxy_headers": False,
    "http": "h11",
    "ws": "none",
    "lifespan": "on",
    "h11_max_incomplete_event_size": _HEAD,
    "limit_concurrency": _CONNECTIONS,
    "timeout_keep_alive": 30,
    "timeout_graceful_shutdown": _PATIENCE,
}  # for uvicorn


def serve(settings: Settings, site: Site, told: Callable[[Settings], None]) -> int:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        settings: what to serve, and where.
        site: the workflows.
        told: called with the settings, the true port in them, once it listens.

    Returns:
        0, or 130 after Ctrl-C.

    Raises:
        DonenessError: the address cannot be listened on, or the extra is not installed.
    """
    server, listening = prepared(settings, site, told)
    with listening:
        server.run([listening])
    return INTERRUPTED if signal.SIGINT in server.heard else 0


def prepared(settings: Settings, site: Site, told: Callable[[Settings], None]) -> tuple[Any, socket.socket]:
    """A server that is yet to run, and the socket that it listens on; as `serve`."""
    uvicorn = optional("uvicorn", "web")
    for module in ("starlette", "tsdownsample", "plotly"):
        _need(module)
    listening = listen(settings)
    settings = replace(settings, port=listening.getsockname()[1])
    from doneness.web.app import build

    # Whoever sends half a request, or goes away in the middle of one, is no news.
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL)
    gate = build(settings, site)
    config = uvicorn.Config(gate, **_HOW)

    class Server(uvicorn.Server):  # type: ignore[name-defined, misc]
        """Closes its streams first, which it would wait for; `heard` are the signals that it got."""

        def __init__(self) -> None:
            super().__init__(config)
            self.heard: list[int] = []

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
            try:
                yield
            finally:
                for each, handler in before.items():
                    signal.signal(each, handler)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            self.heard.append(sig)
            self.force_exit = len(self.heard) > 1 and sig == signal.SIGINT
            self.should_exit = True

        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            told(settings)

        async def shutdown(self, sockets: Any = None) -> None:
            gate.hub.close()
            await super().shutdown(sockets)

    return Server(), listening


def listen(settings: Settings) -> socket.socket:
    """A socket that listens where it is asked to.

    Raises:
        DonenessError: it cannot.
    """
    host = settings.host.strip("[]")
    try:
        family = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM)[0][0]
        found = socket.socket(family, socket.SOCK_STREAM)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, settings.port))
            found.listen(512)
        except BaseException:
            found.close()
            raise
    except OSError as error:
        key = "web.port_taken" if error.errno == errno.EADDRINUSE else "web.no_address"
        reason = error.strerror or str(error)
        raise DonenessError(tr(key, host=settings.host, port=settings.port, reason=reason)) from error
    found.set_inheritable(False)
    return found


def _need(module: str) -> None:
    """Say which extra brings it, without importing what takes long."""
    from importlib.util import find_spec

    if find_spec(module) is None:
        optional(module, "web")
