"""Many tabs of one browser, which has six connections for them all, and pages whose run changes behind their back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

from doneness.runs import Recorder
from tests.web.browsing import PATIENCE, reading
from tests.web.served import hold, served, write_run

SEEN = """(seen) => {
  Object.defineProperty(document, 'visibilityState', {value: seen ? 'visible' : 'hidden', configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


def test_more_tabs_than_a_browser_has_connections(browser: Any, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "going", end=False)
    hold(folder)
    with served(tmp_path) as server, reading(browser, server) as reader:
        context = reader.page.context
        tabs = []
        for path in (f"/run/{server.id_of('going')}", *["/"] * 7):
            tab = context.new_page()
            tab.goto(reader.base + path, timeout=PATIENCE)
            tab.wait_for_selector("#live:not([hidden])", timeout=PATIENCE)
            tab.evaluate(SEEN, False)
            tabs.append(tab)
        run, listing, *_ = tabs
        assert listing.locator("#rows tr").count() == 1
        recorder = Recorder(folder)
        recorder.write("train", 41, loss=1.5)
        recorder.write("end", 41, reason="finished")
        recorder.close()
        (folder / "journal.lock").unlink()
        write_run(tmp_path / "later")
        until = time.monotonic() + PATIENCE / 1000
        while {place: row["state"] for place, row in server.rows().items()} != {"going": "ended", "later": "ended"}:
            assert time.monotonic() < until
        # Seen again, they show what they missed.
        for tab in (run, listing):
            tab.evaluate(SEEN, True)
        listing.wait_for_selector("#rows a:text-is('later')", timeout=PATIENCE)
        run.wait_for_selector("#pace .state.s-ended", timeout=PATIENCE)
        run.wait_for_selector("#pace .steps:has-text('41')", timeout=PATIENCE)


def test_a_run_that_goes_away_under_the_readers_eyes_is_said_to_be_gone(browser: Any, tmp_path: Path) -> None:
    folder = write_run(tmp_path / "runs" / "going", end=False)
    hold(folder)
    with served(tmp_path / "runs") as server:
        run = server.id_of("going")
        for lang, word in (("en", "gone"), ("zh", "已不在")):
            with reading(browser, server, lang=lang) as reader:
                page = reader.open(f"/run/{run}")
                page.wait_for_selector(".controls", timeout=PATIENCE)
                page.wait_for_selector("#live:not([hidden])", timeout=PATIENCE)
                shutil.copytree(folder, tmp_path / "kept", dirs_exist_ok=True)
                shutil.rmtree(folder)
                page.wait_for_selector(f"#pace .state:has-text('{word}')", timeout=PATIENCE)
                assert page.locator(".controls").is_hidden()
                shutil.move(tmp_path / "kept", folder)
                page.wait_for_selector("#pace .state.s-live", timeout=PATIENCE)
                assert page.locator(".controls").is_visible() and not reader.faults
            server.rows()
