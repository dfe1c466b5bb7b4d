"""axe finds no violation on any page, light or dark, wide or narrow, nor in what opens on them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.browsing import Reader, reading
from tests.web.served import Served, hold, served, write_probed, write_run


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    root: Path = tmp_path_factory.mktemp("axe")
    write_run(root / "mine", steps=60)
    write_probed(root / "probed")
    hold(write_run(root / "going", end=False))
    with served(root) as found:
        found.listed()
        yield found


def violations(reader: Reader, axe: str) -> list[str]:
    """What axe objects to, with the element; a page on which it checked nothing would pass nothing."""
    # The page's own policy keeps scripts from outside out; the browser's tools may put them in.
    reader.page.evaluate(axe)
    found = reader.page.evaluate("axe.run(document, {resultTypes: ['violations', 'passes']})")
    assert len(found["passes"]) >= 10
    return [f"{v['id']}: {n['html'][:160]} {n['failureSummary']}" for v in found["violations"] for n in v["nodes"]]


@pytest.mark.parametrize(("theme", "width", "lang"), [("light", 1440, "en"), ("dark", 390, "zh"), ("dark", 1440, "en")])
def test_axe_has_nothing_against_a_page(
    browser: Any, axe: str, server: Served, theme: str, width: int, lang: str
) -> None:
    mine, probed, going = (server.id_of(place) for place in ("mine", "probed", "going"))
    with reading(browser, server, theme=theme, width=width, lang=lang) as reader:
        reader.open("/")
        assert violations(reader, axe) == []
        reader.open(f"/run/{mine}")
        reader.drawn()
        reader.page.click("#numbers summary")
        assert violations(reader, axe) == []
        page = reader.open(f"/run/{going}")
        page.click("[data-action=stop]")
        page.wait_for_selector("dialog[open]")
        assert violations(reader, axe) == []
        reader.open(f"/run/{probed}/answers")
        assert violations(reader, axe) == []
        reader.open(f"/compare?run={mine}&run={probed}")
        reader.drawn()
        assert violations(reader, axe) == []
        reader.open("/run/000000000000")
        assert violations(reader, axe) == []
        page = reader.open(f"/run/{probed}/review")
        assert violations(reader, axe) == []
        page.fill("#name", "Ann")
        page.click("#who button")
        page.wait_for_selector("#asked:not([hidden])")
        page.click("#better summary")
        page.click("#stand summary")
        page.wait_for_selector("#stood table")
        assert violations(reader, axe) == []


def test_axe_has_nothing_against_the_page_that_asks_for_a_token(browser: Any, axe: str, tmp_path: Path) -> None:
    with served(tmp_path, token="a-token-of-some-length") as guarded:
        for theme in ("light", "dark"):
            with reading(browser, guarded, theme=theme) as reader:
                page = reader.open("/")
                page.fill("input[name=token]", "not it")
                page.keyboard.press("Enter")
                page.wait_for_selector("#fault")
                assert violations(reader, axe) == []
