"""Events to many: in order, once each; who does not listen fast enough is let go and told to begin anew."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from doneness.web.hub import Hub, Stream


def told(events: list[bytes]) -> list[tuple[str, Any]]:
    lines = [dict(line.split(": ", 1) for line in e.decode().strip().split("\n")) for e in events]
    return [(line["event"], json.loads(line["data"])) for line in lines]


def waiting(listener: Any) -> list[bytes]:
    found = []
    while not listener.queue.empty():
        found.append(listener.queue.get_nowait())
    return found


def test_all_who_listen_are_told_the_same() -> None:
    hub = Hub()
    hub.publish("runs", "run", {"n": 0})
    one, two = hub.subscribe("runs"), hub.subscribe("runs")
    for n in range(3):
        hub.publish("runs", "run", {"n": n})
    first = waiting(one)
    assert first == waiting(two) and told(first) == [("run", {"n": n}) for n in range(3)]
    assert hub.open == 2 and hub.listens("runs") and not hub.listens("others")


def test_who_comes_back_gets_what_came_meanwhile() -> None:
    hub = Hub()
    one = hub.subscribe("runs")
    hub.publish("runs", "run", {"n": 1})
    last = waiting(one)[0].split(b"\n")[0].removeprefix(b"id: ").decode()
    hub.leave("runs", one)
    for n in (2, 3):
        hub.publish("runs", "run", {"n": n})
    assert told(waiting(hub.subscribe("runs", last))) == [("run", {"n": 2}), ("run", {"n": 3})]
    for n in range(400):
        hub.publish("runs", "run", {"n": n})
    assert told(waiting(hub.subscribe("runs", last))) == [("reset", {})]
    for strange in ("x-1", last + "0" * 20, "-", "é"):
        assert told(waiting(hub.subscribe("runs", strange))) == [("reset", {})]


def test_who_was_away_for_long_is_told_to_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("doneness.web.hub.time.monotonic", lambda: now)
    hub = Hub()
    one = hub.subscribe("runs")
    hub.publish("runs", "run", {"n": 1})
    last = waiting(one)[0].split(b"\n")[0].removeprefix(b"id: ").decode()
    hub.leave("runs", one)
    now += 1000.0
    hub.publish("runs", "run", {"n": 2})  # nobody is expected back: it is kept nowhere
    again = hub.subscribe("runs", last)
    assert told(waiting(again)) == [("reset", {})]
    # Whoever was there all the time has missed nothing.
    last = hub.now.decode()
    hub.publish("runs", "run", {"n": 3})
    assert told(waiting(hub.subscribe("runs", last))) == [("run", {"n": 3})]


def test_a_quiet_stream_says_since_when_it_was_listened_to() -> None:
    async def begun(hub: Hub, last: str) -> bytes:
        sent = list[bytes]()

        async def receive() -> dict[str, Any]:
            while not sent:
                await asyncio.sleep(0)
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            if message.get("body"):
                sent.append(message["body"])

        await Stream(hub, "runs", last, [])({}, receive, send)
        return sent[0]

    hub = Hub()
    first = asyncio.run(begun(hub, ""))
    last = first.split(b"id: ")[1].split(b"\n")[0].decode()
    hub.publish("runs", "run", {"n": 1})
    assert told(waiting(hub.subscribe("runs", last))) == [("run", {"n": 1})]
    # Who says since when is not put forward to now before it has heard what it missed.
    assert b"id:" not in asyncio.run(begun(hub, last))


def test_a_slow_listener_is_dropped_and_costs_the_others_nothing() -> None:
    hub = Hub()
    slow, quick = hub.subscribe("runs"), hub.subscribe("runs")
    seen = 0
    for n in range(1000):
        hub.publish("runs", "run", {"n": n})
        seen += len(waiting(quick))
    assert slow.dropped and not quick.dropped and seen == 1000
    assert hub.open == 1 and slow.queue.qsize() <= 64 and waiting(slow)[-1] is None


def test_a_stream_ends_when_either_side_does() -> None:
    async def streamed(close: bool) -> list[dict[str, Any]]:
        hub, sent, gone = Hub(), list[dict[str, Any]](), asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        task = asyncio.create_task(Stream(hub, "runs", "", [])({}, receive, send))
        while not hub.listens("runs"):
            await asyncio.sleep(0)
        hub.publish("runs", "run", {"n": 1})
        await asyncio.sleep(0.01)
        hub.close() if close else gone.set()
        await asyncio.wait_for(task, 5)
        assert hub.open == 0
        return sent

    for close in (True, False):
        sent = asyncio.run(streamed(close))
        assert sent[0]["status"] == 200 and any(b'"n":1' in each.get("body", b"") for each in sent)
        assert (sent[-1].get("more_body") is False) is close
