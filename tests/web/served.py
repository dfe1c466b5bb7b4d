"""A real server on a free port, and folders with runs to serve."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from doneness.runs import Recorder
from doneness.runs.probes import Answer, Behaviour, ProbeTable, Question, save_answers, save_table
from doneness.web.server import prepared
from doneness.web.site import Settings
from doneness.workflows.serve import Workflows

PATIENCE = 60.0


@dataclass
class Answered:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Served:
    """A server that runs in a thread of this process."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._csrf = ""

    @property
    def port(self) -> int:
        return self.settings.port

    def get(self, target: str, headers: Mapping[str, str] | None = None, method: str = "GET", body: bytes = b"",
            port: int = 0) -> Answered:  # fmt: skip
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=PATIENCE)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            given = {"Host": f"127.0.0.1:{self.port}", **(headers or {})}
            if body or method == "POST":
                given.setdefault("Content-Length", str(len(body)))
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders(body or None)
            found = connection.getresponse()
            return Answered(found.status, {k.lower(): v for k, v in found.getheaders()}, found.read())
        finally:
            connection.close()

    @property
    def csrf(self) -> str:
        if not self._csrf:
            page = self.get("/login" if self.settings.token else "/").text
            self._csrf = re.findall(r'name="csrf" (?:content|value)="([0-9a-f]+)"', page)[0]
        return self._csrf

    def post(self, target: str, told: Any, headers: Mapping[str, str] | None = None) -> Answered:
        given = {
            "Content-Type": "application/json",
            "Origin": f"http://127.0.0.1:{self.port}",
            "X-Doneness-CSRF": self.csrf,
            **(headers or {}),
        }
        return self.get(target, given, "POST", told if isinstance(told, bytes) else json.dumps(told).encode())

    def raw(self, request: bytes) -> Answered:
        """Send bytes as they are; what came back, status 0 for nothing."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE) as line:
            line.sendall(request)
            line.shutdown(socket.SHUT_WR)
            told = b""
            while part := line.recv(65536):
                told += part
        head, _, body = told.partition(b"\r\n\r\n")
        first, *rest = head.decode("latin-1").split("\r\n")
        headers = {(part := line.partition(": "))[0].lower(): part[2] for line in rest}
        return Answered(int(first.split()[1]) if first else 0, headers, body)

    def rows(self, lang: str = "en") -> dict[str, dict[str, Any]]:
        """The list by place, once everything in it was judged."""
        return {row["place"]: row for row in self.listed(lang)["runs"]}

    def listed(self, lang: str = "en") -> dict[str, Any]:
        until = time.monotonic() + PATIENCE
        while True:
            found = self.get(f"/api/runs?lang={lang}").data
            if not found["scanning"] and all(row["verdict"] for row in found["runs"]):
                return found  # type: ignore[no-any-return]
            assert time.monotonic() < until, "still scanning"
            time.sleep(0.05)

    def id_of(self, place: str) -> str:
        return str(self.rows()[place]["id"])

    @contextmanager
    def events(self, target: str, last: str = "") -> Iterator[Iterator[tuple[str, Any, str]]]:
        """(event, data, id) as they come; comments are passed over."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        more = {"Last-Event-ID": last} if last else {}
        connection.request("GET", target, headers={"Host": f"127.0.0.1:{self.port}", **more})
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        try:
            yield _events(answer)
        finally:
            answer.close()
            connection.close()


def _events(answer: Any) -> Iterator[tuple[str, Any, str]]:
    told: dict[str, str] = {}
    until = time.monotonic() + PATIENCE
    while line := answer.readline():
        assert time.monotonic() < until, "no such event"
        text = line.decode().rstrip("\n")
        if not text:
            if "event" in told:
                yield told["event"], json.loads(told["data"]), told.get("id", "")
            told = {}
        elif not text.startswith(":"):
            name, _, value = text.partition(": ")
            told[name] = value


@contextmanager
def served(root: Path, **changes: Any) -> Iterator[Served]:
    """Serve a folder."""
    settings = Settings(root.resolve(), port=0, **{"every": 0.2, **changes})
    ready = threading.Event()
    found = Served(settings)

    def told(listening: Settings) -> None:
        found.settings = listening
        ready.set()

    server, listening = prepared(settings, Workflows(), told)
    thread = threading.Thread(target=lambda: server.run([listening]), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield found
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        listening.close()
        assert not thread.is_alive()


def write_run(folder: Path, steps: int = 40, *, every: int = 4, end: bool = True, name: str = "") -> Path:
    """A run of ours that learns: rows, evaluations, a checkpoint in the middle, and its end."""
    chance = np.random.default_rng(len(str(folder.name)))
    recorder = Recorder(folder)
    meta: dict[str, Any] = {"planned_steps": 2 * steps, "recipe": {"optimizer": {"learning_rate": 1e-4 * steps}}}
    recorder.write("start", 0, meta=meta | ({"name": name} if name else {}))
    for step in range(1, steps + 1):
        loss = 1.5 + 2.0 * step**-0.5 + float(chance.normal(0, 0.02))
        place = {"epoch": step / 10, "tokens": 100 * step, "targets": 40 * step, "time": 0.5 * step}
        recorder.write("train", step, loss=loss, learning_rate=1e-4, grad_norm=1.0, **place)
        if step % every == 0:
            recorder.write("eval", step, name="eval", loss=loss + 0.05, examples=20, **place)
    (folder / f"checkpoint-{steps // 2}").mkdir(parents=True, exist_ok=True)
    recorder.write("checkpoint", steps // 2, path=f"checkpoint-{steps // 2}")
    if end:
        recorder.write("end", steps, reason="finished")
    recorder.close()
    return folder


def hold(folder: Path) -> None:
    """Say that this process trains there."""
    (folder / "journal.lock").write_text(f"{os.getpid()}\n")


def write_probed(folder: Path, questions: int = 12, steps: tuple[int, ...] = (0, 20, 40), text: Any = None) -> Path:
    """A run that was asked questions at some steps."""
    write_run(folder)
    asked = tuple(
        Question(f"q{q}", "knowledge" if q % 2 else "invented", f"What is number {q}?", f"reference {q}")
        for q in range(questions)
    )
    save_table(folder, ProbeTable(steps, (Behaviour("knowledge", "higher", "share", 0.05, True),), (), asked, {}))
    for step in steps:
        said = [text(step, q) if text else f"answer {q} of {step}" for q in range(questions)]
        save_answers(folder, step, [Answer(f"q{q}", step, said[q], 3, 0.5, False) for q in range(questions)], {})
    return folder
