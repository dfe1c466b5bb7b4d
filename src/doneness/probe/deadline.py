"""HTTP whose reply has to be whole by a deadline, however it comes.

The timeout of a socket counts from one byte to the next, so a server that sends a byte a minute is waited for without
an end. Here every read of the head and of the body waits no longer than is left of the whole. To connect, to shake
hands and to send are bounded by the timeout of the socket, which holds for each of them as a whole.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
import urllib.request
from typing import Any


class _Nowhere(urllib.request.HTTPRedirectHandler):
    """Follows nobody: the key was given for one address."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """No further request."""


class _Timed(io.RawIOBase):
    """The bytes of a socket, none of them after the deadline."""

    def __init__(self, sock: socket.socket, silence: float, ends: float) -> None:
        self._sock, self._silence, self._ends = sock, silence, ends
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """As many bytes as there are; waits until the deadline at most."""
        left = self._ends - time.monotonic()
        if left <= 0:
            raise TimeoutError("the reply did not end in time")
        self._sock.settimeout(min(self._silence, left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


def opener(whole: float) -> urllib.request.OpenerDirector:
    """What opens addresses, follows no redirection, and gives up a reply `whole` seconds after its connection began.

    A reply that is late ends in `TimeoutError`, from `open` or from `read`.
    """

    def replied(connection: http.client.HTTPConnection, ends: float) -> type[http.client.HTTPResponse]:
        class Reply(http.client.HTTPResponse):
            def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
                super().__init__(sock, *args, **kwargs)
                silence = connection.timeout if connection.timeout is not None else whole
                self.fp.close()
                self.fp = io.BufferedReader(_Timed(sock, silence, ends))

        return Reply

    def timed(connection: Any) -> Any:
        connection.response_class = replied(connection, time.monotonic() + whole)
        return connection

    class Plain(urllib.request.HTTPHandler):
        def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(lambda *a, **k: timed(http.client.HTTPConnection(*a, **k)), req)

    class Secure(urllib.request.HTTPSHandler):
        def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
            return self.do_open(lambda *a, **k: timed(http.client.HTTPSConnection(*a, **k)), req)

    return urllib.request.build_opener(_Nowhere, Plain, Secure)
