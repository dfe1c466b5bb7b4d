"""Two reviewers vote at once, each in a browser of their own, by keyboard; every vote is in votes.sqlite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.web.browsing import Reader, reading
from tests.web.served import Served, served, write_probed

VOTES = 8
QUIET = "() => !document.querySelector('[data-vote]').matches('[aria-disabled=true]')"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_probed(tmp_path / "probed", questions=12)
    return tmp_path


@pytest.fixture
def server(folder: Path) -> Iterator[Served]:
    with served(folder) as found:
        found.listed()
        yield found


def begun(reader: Reader, server: Served, name: str) -> Any:
    page = reader.open(f"/run/{server.id_of('probed')}/review")
    page.fill("#name", name)
    page.keyboard.press("Enter")
    page.wait_for_selector("#asked:not([hidden])")
    return page


def votes(folder: Path) -> list[dict[str, Any]]:
    """Every vote that counts, as the database has it."""
    with closing(sqlite3.connect(folder / "probed" / "votes.sqlite")) as book:
        book.row_factory = sqlite3.Row
        return [dict(row) for row in book.execute("select * from vote order by id")]


def pressed(page: Any, key: str) -> None:
    """A key, and the answer to it."""
    with page.expect_response(lambda answer: "/review/" in answer.url):
        page.keyboard.press(key)
    page.wait_for_function(QUIET)


def test_two_reviewers_at_once_lose_nothing(browser: Any, server: Served, folder: Path) -> None:
    with reading(browser, server) as ann, reading(browser, server, lang="zh", width=390) as bob:
        pages = [begun(ann, server, "Ann"), begun(bob, server, "Bob")]
        for turn in range(VOTES):
            # Both are on their way before either is answered.
            with pages[0].expect_response(lambda a: a.url.endswith("/vote")) as first:
                pages[0].keyboard.press("12tb"[turn % 4])
                with pages[1].expect_response(lambda a: a.url.endswith("/vote")) as second:
                    pages[1].keyboard.press("21bt"[turn % 4])
            assert first.value.status == 200 and second.value.status == 200
            for page in pages:
                page.wait_for_function(QUIET)
                assert str(turn + 1) in page.locator("#count").inner_text()
        assert ann.faults == [] and bob.faults == []
    told = server.get(f"/api/run/{server.id_of('probed')}/review/export?as=jsonl").text
    cast = [json.loads(line) for line in told.splitlines()]
    assert len(votes(folder)) == len(cast) == 2 * VOTES
    by_name = {name: [v["verdict"] for v in cast if v["reviewer"] == name] for name in ("Ann", "Bob")}
    assert by_name["Ann"] == ["1", "2", "tie", "bad"] * 2 and by_name["Bob"] == ["2", "1", "bad", "tie"] * 2


def test_tags_a_rewrite_and_a_vote_taken_back(browser: Any, server: Served) -> None:
    with reading(browser, server) as reader:
        page = begun(reader, server, "Ann")
        before = [page.locator(f"#{part}").inner_text() for part in ("prompt", "left", "right")]
        for key in ("i", "Shift+L", "o", "o"):
            page.keyboard.press(key)
        page.keyboard.press("r")
        page.keyboard.type("Nothing is known of it; 1 and 2 are no votes here.")
        page.keyboard.press("Escape")
        pressed(page, "2")
        assert page.locator("#rewrite").input_value() == "" and page.locator("[data-tag]:checked").count() == 0
        cast = json.loads(server.get(f"/api/run/{server.id_of('probed')}/review/export?as=jsonl").text.splitlines()[0])
        assert cast["verdict"] == "2" and cast["rewrite"].startswith("Nothing is known")
        assert cast["left_tags"] == ["invented"] and cast["right_tags"] == ["too_long"]
        pressed(page, "u")
        assert [page.locator(f"#{part}").inner_text() for part in ("prompt", "left", "right")] == before
        assert "0" in page.locator("#count").inner_text()


def test_keys_can_be_turned_off_and_buttons_vote_too(browser: Any, server: Served, folder: Path) -> None:
    with reading(browser, server) as reader:
        page = begun(reader, server, "Ann")
        page.uncheck("#keys")
        page.keyboard.press("1")
        page.wait_for_timeout(300)
        assert votes(folder) == []
        with page.expect_response(lambda answer: answer.url.endswith("/vote")):
            page.get_by_role("button", name="Both bad").click()
        assert len(votes(folder)) == 1


def test_nothing_says_whose_an_answer_is(browser: Any, folder: Path) -> None:
    def same_length(step: int, q: int) -> str:
        return f"one of the answers to {q}: {'abc'[step // 20]}"

    write_probed(folder / "probed", text=same_length)
    with served(folder) as server, reading(browser, server) as reader:
        seen: list[str] = []
        reader.page.on("response", lambda answer: seen.append(answer.url))
        bodies: list[str] = []
        reader.page.on("response", lambda a: bodies.append(a.text()) if a.url.endswith(("/next", "/vote")) else None)
        page = begun(reader, server, "Ann")
        for _ in range(5):
            pressed(page, "1")
            assert page.locator("#asked").inner_html().count("checkpoint-") == 0
        known = {"token", "prompt", "reference", "left", "right", "voted"}
        known |= {"settled", "headline", "needed", "units", "pairs", "votes"}
        told = [json.loads(body) for body in bodies]
        assert len(told) >= 6 and all(set(each) <= known for each in told)
        # Shares that move with one's own vote would say whose answer it was.
        assert all(each["headline"] == "" for each in told if not each["settled"])
        # Addresses are the same for every pair.
        asked = {url for url in seen if "/api/run/" in url}
        assert len(asked) == 2


def test_the_ranking_is_shown_when_it_is_asked_for(browser: Any, server: Served) -> None:
    with reading(browser, server) as reader:
        asked: list[str] = []
        reader.page.on("request", lambda request: asked.append(request.url) if "/status" in request.url else None)
        page = begun(reader, server, "Ann")
        pressed(page, "1")
        assert asked == []
        page.click("#stand summary")
        page.wait_for_selector("#stood table")
        assert page.locator("#stood tbody tr").count() == 3 and len(asked) == 1
