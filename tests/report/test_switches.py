"""The pages in a real browser: switches choose one drawing, scripts raise nothing, nothing overflows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import report_samples as samples

from doneness.core import speaking
from doneness.report import build, render
from doneness.report.compare_html import render_comparison
from doneness.report.comparison import Compared, compare
from doneness.report.curve import curve

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here")
    with api.sync_playwright() as play:
        running = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        running.close()


def pages(lang: str) -> dict[str, str]:
    runs = []
    for name in ("first", "second"):
        run = replace(samples.full_run(), name=name)
        runs.append(Compared(name, run, samples.full_diagnosis(), curve(run, samples.full_diagnosis(), 32)))
    with speaking(lang):
        compared = render_comparison(compare(runs), lang)
    return {"compare": compared, "foreign": render(build(samples.foreign_run(), samples.plain_diagnosis(), lang=lang))}


SHOWN = "[...document.querySelectorAll('#curve .plot')].filter(e => getComputedStyle(e).display != 'none').length"


@pytest.mark.parametrize(("width", "lang"), [(390, "zh"), (1440, "en")])
def test_every_switch_shows_one_drawing(browser: Any, tmp_path: Path, width: int, lang: str) -> None:
    for name, text in pages(lang).items():
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme="dark")
        faults: list[str] = []
        page.on("pageerror", lambda error, seen=faults: seen.append(str(error)))
        page.on("console", lambda line, seen=faults: seen.append(line.text) if line.type == "error" else None)
        page.goto(file.as_uri())
        switches = page.query_selector_all("#curve input")
        assert len(switches) >= 4
        for switch in switches:
            switch.evaluate("e => e.click()")
            assert page.evaluate(SHOWN) == 1, (name, switch.get_attribute("id"))
        for key in "xlx":
            page.keyboard.press(key)
        assert page.evaluate(SHOWN) == 1
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name
        assert faults == []
        page.close()
