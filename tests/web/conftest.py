from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("no Chromium here")
    with api.sync_playwright() as play:
        running = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture(scope="session")
def axe() -> str:
    """The accessibility checker's script, from whichever package carries it."""
    import importlib.util

    for package in ("axe_playwright_python", "axe_core_python"):
        found = importlib.util.find_spec(package)
        for folder in found.submodule_search_locations or () if found else ():
            script = Path(folder) / "axe.min.js"
            if script.is_file():
                return script.read_text(encoding="utf-8")
    pytest.skip("no package with axe.min.js is installed")
