"""What a run was asked is listed, whenever it was asked; and of a long run the page carries no more than it shows."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doneness.runs import Recorder
from doneness.runs.control import ask
from doneness.web.requests import requests
from tests.web.served import Served, hold, served, write_run

PATIENCE = 120.0  # seconds


def listed(server: Served, run: str, lang: str = "en") -> dict[str, tuple[str, str]]:
    """Of every request on a run's page its state and its sentence, by id."""
    page = server.get(f"/run/{run}?lang={lang}").text
    found = re.findall(r'<li data-id="(\w+)" data-state="(\w+)">(.*?)</li>', page)
    return {number: (state, text) for number, state, text in found}


def test_requests_made_before_the_page_was_opened_are_listed(tmp_path: Path) -> None:
    hold(write_run(tmp_path / "going", end=False))
    with served(tmp_path) as server:
        run = server.id_of("going")
        waits = ask(tmp_path / "going", "stop", "Ann <b>")
        assert listed(server, run) == {
            waits: ("asked", "Ann &lt;b&gt; asked for a stop; the run ends after its next step, with a checkpoint.")
        }
        recorder = Recorder(tmp_path / "going")
        recorder.write("request", 40, request="stop", who="Ann <b>", id=waits)
        recorder.close()
        until = time.monotonic() + PATIENCE
        while listed(server, run)[waits][0] == "asked" and time.monotonic() < until:
            time.sleep(0.3)
        assert listed(server, run) == {waits: ("done", "Stopped at step 40, as Ann &lt;b&gt; asked.")}


def test_a_request_that_came_too_late_says_so(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "over")
    number = ask(folder, "cooldown", "Ann")
    with served(tmp_path) as server:
        run = server.id_of("over")
        assert listed(server, run)[number][0] == "late"
        assert "训练在收到之前已经结束" in listed(server, run, "zh")[number][1]


def test_requests_of_other_versions_harm_nothing(tmp_path: Path) -> None:
    taken: list[Mapping[str, Any]] = [
        {"request": "keep", "id": "a", "who": "Ann\nBob", "keep": "twenty", "step": 3},
        {"request": "stop", "id": "b", "who": "Ann", "step": 4, "refused": True},
    ]
    found = requests(taken, tmp_path, over=False, lang="en")
    assert [(each["id"], each["state"], each["who"]) for each in found] == [
        ("a", "done", "Ann Bob"),
        ("b", "refused", "Ann"),
    ]
    assert found[0]["text"] == "" and "could not be carried out at step 4" in found[1]["text"]


def test_a_long_run_is_sent_in_parts(tmp_path: Path) -> None:
    """400 evaluations: the page has the telling ones, the interface the others, and a link every row."""
    folder = write_run(tmp_path / "long", steps=1600, end=False)
    recorder = Recorder(folder)
    for step in range(4, 1601, 4):
        recorder.write("checkpoint", step, path=f"checkpoint-{step}")
    recorder.write("end", 1600, reason="finished")
    recorder.close()
    with served(tmp_path) as server:
        run = server.id_of("long")
        page = server.get(f"/run/{run}").text
        block = re.search(r'<script type="application/json" id="figure">(.*?)</script>', page)
        assert block is not None
        figure = json.loads(block[1])
        held = {each[0] for each in figure["evals"]}
        assert figure["evals_all"] == 400 and 100 < len(held) <= 310 and {4, 1600} <= held
        part = server.get(f"/api/run/{run}/series?name=judged&from=400&to=800").data["judged"]
        assert [each[0] for each in part] == list(range(400, 801, 4))
        by_tokens = server.get(f"/api/run/{run}/series?name=judged&axis=tokens&from=40000&to=80000").data["judged"]
        assert by_tokens == part

        def rows(text: str) -> int:
            return text.partition('<section id="checkpoints"')[2].partition("</section>")[0].count("<tr")

        some, every = rows(page), rows(server.get(f"/run/{run}?rows=all").text)
        assert every >= 400 and 40 <= some <= 80
        assert '<a href="?rows=all#checkpoints">Show all of them</a>' in page
