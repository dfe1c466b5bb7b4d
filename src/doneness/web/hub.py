"""Server-sent events: written once, sent to all who listen; who cannot keep up is let go and comes back by itself."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

_KEPT = 256  # events of a channel that somebody who comes back can still be told
_WAITING = 64  # events that one listener may be behind
_BEAT = 15.0  # seconds between two signs of life
_BACK = 120.0  # seconds within which somebody who lost the connection comes back
_SEND = 20.0  # seconds that one listener may take to accept an event
MOST = 300  # listeners altogether


class Listener:
    """One open stream."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(_WAITING)
        self.dropped = False

    def tell(self, event: bytes) -> bool:
        """Hand over an event; False where too many wait already."""
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            self.dropped = True
            # Room for the end alone.
            with suppress(asyncio.QueueEmpty):
                self.queue.get_nowait()
            self.queue.put_nowait(None)
            return False
        return True


class _Channel:
    def __init__(self, born: int) -> None:
        self.born = born  # the number before its first event: what came earlier is not known here
        self.listeners: set[Listener] = set()
        self.kept: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self.left = 0.0  # monotonic time at which the last one left


class Hub:
    """Channels by name.

    Attributes:
        open: how many streams there are.
    """

    def __init__(self) -> None:
        self._boot = secrets.token_hex(4)
        self._number = 0
        self._channels: dict[str, _Channel] = {}
        self._closed = False

    @property
    def open(self) -> int:
        """How many listen."""
        return sum(len(channel.listeners) for channel in self._channels.values())

    def listens(self, channel: str) -> bool:
        """Whether anybody listens there."""
        found = self._channels.get(channel)
        return found is not None and bool(found.listeners)

    def heeds(self, channel: str) -> bool:
        """Whether somebody listens there, or did a moment ago and may come back."""
        found = self._channels.get(channel)
        if found is None:
            return False
        if not found.listeners and time.monotonic() - found.left > _BACK:
            del self._channels[channel]
            # Whoever comes back after all has missed something, and must find out.
            self._number += 1
            return False
        return True

    def publish(self, channel: str, event: str, data: Mapping[str, Any]) -> None:
        """Tell everybody on a channel; where nobody listens, do nothing."""
        if self._closed or not self.heeds(channel):
            return
        found = self._channels[channel]
        self._number += 1
        body = msgspec.json.encode(data)
        told = b"id: %s-%d\nevent: %s\ndata: %s\n\n" % (self._boot.encode(), self._number, event.encode(), body)
        found.kept.append((self._number, told))
        found.listeners = {each for each in found.listeners if each.tell(told)}

    def subscribe(self, channel: str, last: str = "") -> Listener:
        """Listen; what came after the event `last` is told first, or "reset" where that is not known any more."""
        found = self._channels.setdefault(channel, _Channel(self._number))
        listener = Listener()
        if last:
            for event in self._missed(found, last):
                listener.tell(event)
        found.listeners.add(listener)
        return listener

    def leave(self, channel: str, listener: Listener) -> None:
        """Listen no more."""
        found = self._channels.get(channel)
        if found is not None:
            found.listeners.discard(listener)
            found.left = time.monotonic()

    @property
    def now(self) -> bytes:
        """An id of this moment, for who has been told of nothing yet."""
        return b"%s-%d" % (self._boot.encode(), self._number)

    def close(self) -> None:
        """End all streams."""
        self._closed = True
        for channel in self._channels.values():
            for listener in channel.listeners:
                with suppress(asyncio.QueueFull):
                    listener.queue.put_nowait(None)
                if listener.queue.full():
                    listener.tell(b"")
            channel.listeners.clear()

    def _missed(self, channel: _Channel, last: str) -> list[bytes]:
        boot, _, number = last.partition("-")
        at = int(number) if number.isdecimal() and len(number) < 16 else -1
        known = channel.kept[0][0] - 1 if len(channel.kept) == _KEPT else channel.born
        if boot != self._boot or not known <= at <= self._number:
            return [b"event: reset\ndata: {}\n\n"]
        missed = [told for n, told in channel.kept if n > at]
        return missed if len(missed) < _WAITING else [b"event: reset\ndata: {}\n\n"]


class Stream:
    """The answer to a request for events: an ASGI application."""

    def __init__(self, hub: Hub, channel: str, last: str, headers: list[tuple[bytes, bytes]]) -> None:
        self._hub, self._channel, self._last, self._headers = hub, channel, last, headers
        self._first = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send until either side ends."""
        # Without an id of its own a browser that loses a quiet stream could not say since when.
        self._first = b"retry: 3000\n" + (b"" if self._last else b"id: %s\n" % self._hub.now) + b"\n"
        listener = self._hub.subscribe(self._channel, self._last)
        gone = asyncio.create_task(_gone(receive))
        sending = asyncio.create_task(self._send(listener, send))
        try:
            await asyncio.wait({gone, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(self._channel, listener)
            for task in (gone, sending):
                task.cancel()
            await asyncio.gather(gone, sending, return_exceptions=True)

    async def _send(self, listener: Listener, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._first, "more_body": True})
        while True:
            try:
                async with asyncio.timeout(_BEAT):
                    event = await listener.queue.get()
            except TimeoutError:
                event = b": still here\n\n"
            if event is None:
                break
            # Whoever does not read what was sent is let go: the connection is closed where this returns early.
            async with asyncio.timeout(_SEND):
                await send({"type": "http.response.body", "body": event, "more_body": True})
        if not listener.dropped:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
