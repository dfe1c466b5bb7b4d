"""A reader of the pages: a browser's page that notes what went wrong in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.web.served import Served

PATIENCE = 180_000  # milliseconds; on a busy machine the processes that judge runs come last


class Reader:
    """One browser context with one page."""

    def __init__(self, context: Any, served: Served) -> None:
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.base = f"http://127.0.0.1:{served.port}"
        self.faults: list[str] = []
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("console", lambda line: self.faults.append(line.text) if line.type == "error" else None)

    def open(self, path: str) -> Any:
        """Go there and wait until the page's script has come."""
        self.page.goto(self.base + path, wait_until="load", timeout=PATIENCE)
        return self.page

    def drawn(self) -> None:
        """Wait until the figure is drawn."""
        self.page.wait_for_selector("#plot.drawn .main-svg .scatterlayer", state="attached")

    @property
    def overflow(self) -> int:
        """Pixels by which the page is wider than its window."""
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))


@contextmanager
def reading(browser: Any, served: Served, *, lang: str = "en", width: int = 1440, theme: str = "light",
            script: bool = True) -> Iterator[Reader]:  # fmt: skip
    """Somebody who looks at what is served."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme=theme,
        locale="zh-CN" if lang == "zh" else "en-GB",
        java_script_enabled=script,
        reduced_motion="reduce",
    )
    try:
        yield Reader(context, served)
    finally:
        context.close()
