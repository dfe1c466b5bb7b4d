"""Every page in both languages, wide and narrow: nothing overflows, nothing goes wrong, all is there without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.browsing import Reader, reading
from tests.web.served import Served, hold, served, write_probed, write_run

HOSTILE = '<img src=x onerror=alert(1)>"&'


def hostile(step: int, q: int) -> str:
    return f"{HOSTILE} answer {q} of {step}" if q % 3 == 0 else "w" * 200 + f" {q} {step}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("seen")
    write_run(root / "mine")
    write_run(root / "a-name-of-many-parts-that-no-narrow-screen-has-room-for" / "other", steps=60, name=HOSTILE)
    write_probed(root / "probed", text=hostile)
    hold(write_run(root / "going", end=False))
    rows = [f"{s},{2 / s**0.5},{2.1 / s**0.5 if s % 5 == 0 else ''}" for s in range(1, 101)]
    (root / "foreign.csv").write_text("step,loss,eval_loss\n" + "\n".join(rows))
    (root / "bad").mkdir()
    (root / "bad" / "trainer_state.json").write_text('{"log_history": [')
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[Served]:
    with served(folder) as found:
        found.listed()
        yield found


@pytest.fixture(scope="module")
def places(server: Served) -> dict[str, str]:
    mine, probed, foreign = (server.id_of(place) for place in ("mine", "probed", "foreign.csv"))
    return {
        "runs": "/",
        "run": f"/run/{mine}",
        "foreign": f"/run/{foreign}",
        "answers": f"/run/{probed}/answers",
        "review": f"/run/{probed}/review",
        "compare": f"/compare?run={mine}&run={probed}",
        "fault": "/run/000000000000",
    }


def settled(reader: Reader, name: str) -> None:
    if name in ("run", "foreign", "compare"):
        reader.drawn()
    if name == "review":
        reader.page.fill("#name", "Ann")
        reader.page.click("#who button")
        reader.page.wait_for_selector("#asked:not([hidden])")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_pages_are_whole(browser: Any, server: Served, places: dict[str, str], lang: str, width: int) -> None:
    with reading(browser, server, lang=lang, width=width, theme="dark" if lang == "zh" else "light") as reader:
        for name, place in places.items():
            page = reader.open(place)
            settled(reader, name)
            assert page.locator("h1").count() == 1 and page.locator("h1").inner_text().strip(), name
            assert page.get_attribute("html", "lang") == {"en": "en", "zh": "zh-CN"}[lang], name
            said = page.locator("main").inner_text()
            assert bool(re.search(r"[\u4e00-\u9fff]", said)) == (lang == "zh"), name
            assert reader.overflow <= 0, name
            # The browser itself reports an answer of 404.
            assert [f for f in reader.faults if name != "fault" or "404" not in f] == [], name


def test_everything_paints_without_script(browser: Any, server: Served, places: dict[str, str]) -> None:
    with reading(browser, server, script=False) as reader:
        page = reader.open("/")
        assert page.locator("#rows > tr").count() == 5
        assert page.locator("#rows .word").all_inner_texts().count("") == 0
        assert page.locator("#rows .spark path[d^=M]").count() == 5
        assert "trainer_state.json" in page.locator("#unreadable").text_content()
        page = reader.open(places["run"])
        assert page.locator("svg.figure[aria-label*='Training loss']").first.is_visible()
        assert page.locator(".number .value").count() == 3 and page.locator("table.checkpoints tbody tr").count() >= 2
        assert not page.locator(".controls").count() or not page.locator(".controls").is_visible()
        page = reader.open(places["answers"] + "?step=0&step=40&find=number+7")
        assert page.locator("article.question").count() == 1 and page.locator(".beside > li").count() == 2
        page = reader.open(places["compare"])
        assert page.locator("svg.figure").first.is_visible() and page.locator("table.runs tbody tr").count() == 2


def test_text_from_outside_stays_text(browser: Any, server: Served, places: dict[str, str]) -> None:
    with reading(browser, server) as reader:
        reader.page.on("dialog", lambda dialog: reader.faults.append(f"dialog {dialog.message}"))
        page = reader.open("/")
        assert page.get_by_role("link", name=HOSTILE, exact=True).count() == 1
        page = reader.open(places["answers"] + "?step=0&step=20")
        assert page.locator("p.text", has_text=HOSTILE).count() >= 2
        page = reader.open(places["review"])
        settled(reader, "review")
        for _ in range(4):
            page.keyboard.press("t")
            page.wait_for_function("() => !document.querySelector('[data-vote]').matches('[aria-disabled=true]')")
        assert page.locator("img").count() == 0 and reader.faults == []


def test_rows_are_found_sorted_and_grouped(browser: Any, server: Served) -> None:
    with reading(browser, server) as reader:
        page = reader.open("/")
        names = page.locator("#rows tr:not(.group) a")
        page.keyboard.press("/")
        page.keyboard.type("doneness prob")
        page.wait_for_function("() => document.querySelectorAll('#rows tr').length === 1")
        assert names.all_text_contents() == ["probed"] and "1 of 5" in page.locator("h1").inner_text()
        page.fill("#find", "")
        page.wait_for_function("() => document.querySelectorAll('#rows tr').length === 5")
        page.get_by_role("button", name="Run", exact=True).click()
        up = names.all_text_contents()
        # As people sort: signs before letters.
        assert up == [HOSTILE, "foreign", "going", "mine", "probed"]
        assert page.get_attribute("thead th", "aria-sort") == "ascending"
        page.get_by_role("button", name="Run", exact=True).click()
        assert names.all_text_contents() == up[::-1]
        page.select_option("#state", "live")
        # A log of another tool that was written a moment ago may be going on, too.
        page.wait_for_function(
            """() => {
              const seen = [...document.querySelectorAll('#rows tr:not(.group) a')].map(a => a.textContent);
              return seen.includes('going') && seen.every(name => ['going', 'foreign'].includes(name));
            }"""
        )
        page.select_option("#state", "")
        page.select_option("#group", "optimizer.learning_rate")
        page.wait_for_selector("#rows tr.group")
        heads = page.locator("#rows tr.group").all_inner_texts()
        assert any("0.004 (3)" in head for head in heads) and any("(1)" in head for head in heads)


def test_a_zoom_asks_for_its_stretch_alone(browser: Any, server: Served, places: dict[str, str]) -> None:
    with reading(browser, server) as reader:
        asked: list[str] = []
        reader.page.on("request", lambda request: asked.append(request.url) if "/series?" in request.url else None)
        page = reader.open(places["run"])
        reader.drawn()
        whole = page.locator("#range").inner_text()
        assert len(asked) == 1 and "from=" not in asked[0]
        page.focus("#plot")
        with page.expect_response(lambda answer: "from=" in answer.url):
            page.keyboard.press("+")
            page.keyboard.press("+")
        page.wait_for_function("text => document.querySelector('#range').textContent !== text", arg=whole)
        # A question a key, the earlier one given up; neither asks for more than its stretch.
        assert 2 <= len(asked) <= 3 and all("from=" in each for each in asked[1:]), asked
        with page.expect_response(lambda answer: "axis=tokens" in answer.url):
            page.keyboard.press("x")
        page.keyboard.press("l")
        page.wait_for_function("() => document.querySelector('#range').textContent.includes('logarithmic')")
        page.keyboard.press("0")
        page.wait_for_function("() => !document.querySelector('#range').textContent.includes('tokens seen')")
        assert reader.faults == []


def test_a_theme_is_chosen_and_kept(browser: Any, server: Served) -> None:
    with reading(browser, server, theme="light") as reader:
        page = reader.open("/")
        paper = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(paper)
        for _ in range(2):
            page.click("#theme")
        assert page.evaluate(paper) != light and "dark" in page.locator("#theme").inner_text()
        page.reload()
        assert page.get_attribute("html", "data-theme") == "dark" and page.evaluate(paper) != light


def test_the_other_language_is_the_same_page(browser: Any, server: Served, places: dict[str, str]) -> None:
    with reading(browser, server) as reader:
        page = reader.open(places["answers"] + "?find=number+7")
        page.get_by_role("link", name="中文").click()
        page.wait_for_selector("html[lang=zh-CN]")
        assert "find=number" in page.url and page.locator("article.question").count() == 1
        page.goto(reader.base + "/")
        assert page.get_attribute("html", "lang") == "zh-CN"


def test_a_token_is_asked_for_once(browser: Any, folder: Path) -> None:
    with served(folder, token="a-token-of-some-length") as guarded, reading(browser, guarded, width=390) as reader:
        page = reader.open("/")
        assert page.locator("input[name=token]").count() == 1 and reader.overflow <= 0
        page.fill("input[name=token]", "not it")
        page.keyboard.press("Enter")
        page.wait_for_selector("#fault")
        page.fill("input[name=token]", "a-token-of-some-length")
        page.keyboard.press("Enter")
        page.wait_for_selector("#rows")
        assert page.locator("input[name=token]").count() == 0
