"""A run of more points than are read in a blink: its page is made where nobody waits for it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from doneness.web.pages_runs import _EMPTY, run_row
from doneness.web.pool import BEHIND, Pool
from doneness.web.rows import LARGE
from tests.web.served import PATIENCE, served

LINES = LARGE + 5_000


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(job, urgency) of everything that workers are asked for."""
    told: list[tuple[str, int]] = []
    real = Pool.ask

    async def ask(self: Pool, name: str, urgency: int = 0, **arguments: Any) -> Any:
        told.append((name, urgency))
        return await real(self, name, urgency, **arguments)

    monkeypatch.setattr(Pool, "ask", ask)
    return told


def test_its_page_is_there_before_it_is_asked_for(tmp_path: Path, asked: list[tuple[str, int]]) -> None:
    root = tmp_path / "runs"
    root.mkdir()
    lines = (f"{step},{2 + 1 / (1 + step / 9000):.5f}" for step in range(1, LINES + 1))
    (root / "long.csv").write_text("step,loss\n" + "\n".join(lines))
    (root / "short.csv").write_text("step,loss\n" + "\n".join(f"{step},{2 / step}" for step in range(1, 50)))
    for file in root.iterdir():
        os.utime(file, (time.time() - 86_400,) * 2)  # of yesterday: nobody trains it
    with served(root, cache=tmp_path / "cache") as server:
        long, short = server.id_of("long.csv"), server.id_of("short.csv")
        pages = {lang: server.get(f"/run/{long}?lang={lang}") for lang in ("en", "zh")}
        assert {page.status for page in pages.values()} == {200} and pages["en"].body != pages["zh"].body
        assert all(f"{LINES:,}" in page.text for page in pages.values())
        assert [name for name, _ in asked if name == "view"] == []
        # The other is read when it is asked for.
        assert server.get(f"/run/{short}").status == 200
        assert [name for name, _ in asked if name == "view"] == ["view"]
        # Kept for the next start: the list is enough, no one need open the run.
        time.sleep(3.5)
        server.rows()
    asked.clear()
    with served(root, cache=tmp_path / "cache") as server:
        server.rows()
        assert asked == [], "the list is known"
        assert server.get("/").status == 200
        until = time.monotonic() + PATIENCE
        while not asked and time.monotonic() < until:
            time.sleep(0.05)
        assert asked == [("view", BEHIND)]
        assert f"{LINES:,}" in server.get(f"/run/{long}?lang=en").text
        assert server.get("/").status == 200
        assert asked == [("view", BEHIND)], "once is enough"


def test_a_row_is_written_anew_where_it_changed_and_in_each_language(monkeypatch: pytest.MonkeyPatch) -> None:
    row = dict(_EMPTY) | {"id": "a", "name": "<one>", "step": 5}
    first = run_row(row)
    assert run_row(dict(row)) is first and "&lt;one&gt;" in first
    assert run_row(row | {"step": 6}) != first
    monkeypatch.setenv("LANG", "zh_CN.UTF-8")
    assert run_row(row) != first
