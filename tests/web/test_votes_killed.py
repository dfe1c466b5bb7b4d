"""kill -9 in the middle of a thousand votes by two reviewers: every vote that was answered is there."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from doneness.review import read_book
from doneness.web.entries import id_of
from tests.web.served import PATIENCE, write_probed

VOTES, KILLS = 1000, 3


class Reviewer(threading.Thread):
    """Votes as fast as it is answered; goes on where it was when the server comes back."""

    def __init__(self, name: str, share: int) -> None:
        super().__init__(daemon=True)
        self.reviewer, self.share = name, share
        self.acknowledged: dict[str, str] = {}
        self.address: tuple[int, str] | None = None
        self.faults: list[str] = []

    def run(self) -> None:
        while len(self.acknowledged) < self.share and not self.faults:
            address = self.address
            if address is None:
                time.sleep(0.01)
                continue
            # The server may be killed at any line of this.
            with suppress(OSError, http.client.HTTPException):
                self._sit(*address)

    def _sit(self, port: int, csrf: str) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        try:
            shown = self._ask(line, port, csrf, "next", {})
            while shown is not None and "token" in shown and len(self.acknowledged) < self.share:
                token, vote = shown["token"], ("1", "2", "tie", "bad")[len(self.acknowledged) % 4]
                shown = self._ask(line, port, csrf, "vote", {"token": token, "vote": vote})
                if shown is not None:
                    self.acknowledged[token] = vote
        finally:
            line.close()

    def _ask(self, line: http.client.HTTPConnection, port: int, csrf: str, what: str, told: Any) -> Any:
        headers = {"Content-Type": "application/json", "X-Doneness-CSRF": csrf, "Origin": f"http://127.0.0.1:{port}"}
        body = json.dumps({**told, "reviewer": self.reviewer})
        line.request("POST", f"/api/run/{id_of('run', '')}/review/{what}", body, headers)
        found = line.getresponse()
        data = json.loads(found.read())
        if found.status != 200:
            self.faults.append(f"{found.status} {data}")
            return None
        return data


def start(folder: Path) -> tuple[subprocess.Popen[str], int, str]:
    """A server in a process of its own, its port, and what its pages carry."""
    command = [sys.executable, "-m", "doneness", "serve", str(folder), "--port", "0", "--no-cache"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "300"})
    assert process.stdout is not None
    port = int(re.findall(r":(\d+)/", process.stdout.readline())[0])
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    until = time.monotonic() + PATIENCE
    while True:
        line.request("GET", "/api/runs")
        rows = json.loads(line.getresponse().read())["runs"]
        if rows and all(row["verdict"] for row in rows):
            break
        assert time.monotonic() < until
        time.sleep(0.1)
    line.request("GET", "/")
    page = line.getresponse().read().decode()
    line.close()
    return process, port, re.findall(r'name="csrf" content="([0-9a-f]+)"', page)[0]


def test_every_acknowledged_vote_outlives_the_server(tmp_path: Path) -> None:
    steps = (0, 10, 20, 30, 40)
    write_probed(tmp_path / "run", questions=150, steps=steps, text=lambda step, q: f"answer {q} of {step} " * 3)
    people = [Reviewer("Ann", VOTES // 2), Reviewer("Bo", VOTES // 2)]
    for each in people:
        each.start()
    for kill in range(KILLS + 1):
        process, port, csrf = start(tmp_path)
        try:
            for each in people:
                each.address = (port, csrf)
            goal = VOTES * (kill + 1) // (KILLS + 1)
            until = time.monotonic() + 5 * PATIENCE
            while sum(len(each.acknowledged) for each in people) < goal and not any(each.faults for each in people):
                assert time.monotonic() < until, [len(each.acknowledged) for each in people]
                time.sleep(0.01)
        finally:
            for each in people:
                each.address = None
            process.send_signal(signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
        # At once, while what was not answered is still under way nowhere.
        acknowledged = {token: vote for each in people for token, vote in dict(each.acknowledged).items()}
        assert_all_there(tmp_path / "run", acknowledged)
    for each in people:
        each.join(PATIENCE)
        assert not each.faults and len(each.acknowledged) == each.share
    assert len(acknowledged) >= VOTES


def assert_all_there(run: Path, acknowledged: dict[str, str]) -> None:
    with read_book(run) as book:
        assert book is not None
        held = {vote.showing.token: vote.verdict for vote in book.votes()}
    lost = {token for token in acknowledged if held.get(token) != acknowledged[token]}
    assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged votes are gone"
