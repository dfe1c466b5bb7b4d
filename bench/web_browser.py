"""What a reader sees, and when: in Chromium, on the same machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from urllib.parse import urljoin

_PATIENCE = 300_000  # milliseconds, on a machine that does other work
_PAINTED = "() => performance.getEntriesByName('first-contentful-paint').length"
_PAINT = """() => Object.fromEntries(performance.getEntriesByType('paint').map(e => [e.name, e.startTime]))"""
_LISTED = """(n) => document.querySelectorAll('[data-id]').length >= n && performance.now()"""
_SEEN = """() => [...document.querySelectorAll('.still svg')].some(s => s.getBoundingClientRect().width > 0)
  && performance.now()"""
_DRAWN = """(least) => {
  const box = document.querySelector('.js-plotly-plot');
  if (!box || !box.data || !box.querySelector('.scatterlayer .trace')) return false;
  if ((box.querySelector('path.dots')?.getAttribute('d').split('M').length ?? 0) <= 0.9 * least) return false;
  return Math.max(...box.data.map(t => t.x ? t.x.length : 0)) >= least && performance.now();
}"""
_ALONE = """(source) => new Promise((done) => {
  const began = performance.now(), script = document.createElement('script');
  script.src = source;
  script.onload = () => done(performance.now() - began);
  document.head.append(script);
})"""
_ZOOM = """([low, high, least]) => new Promise((done) => {
  const box = document.querySelector('.js-plotly-plot'), began = performance.now();
  const look = () => {
    const inside = Math.max(...box.data.map(t => t.x ? Array.from(t.x).filter(x => x >= low && x <= high).length : 0));
    if (inside >= least && box.layout.xaxis.range && Math.abs(box.layout.xaxis.range[0] - low) < 1)
      requestAnimationFrame(() => requestAnimationFrame(() => done([performance.now() - began, inside])));
    else if (performance.now() - began > 30000) done([NaN, inside]);
    else requestAnimationFrame(look);
  };
  window.Plotly.relayout(box, {'xaxis.range[0]': low, 'xaxis.range[1]': high});
  look();
})"""


@contextmanager
def browser(path: str) -> Iterator[Any]:
    """Chromium, without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=path or None, args=["--no-sandbox"])
        try:
            yield found
        finally:
            found.close()


def opened(found: Any, address: str, repeat: int, wait: str = "", argument: Any = None) -> dict[str, float]:
    """Seconds until first contentful paint, and until `wait` is true; medians over fresh profiles."""
    paints, waits = [], []
    for _ in range(repeat):
        with _page(found) as page:
            page.goto(address, wait_until="commit", timeout=_PATIENCE)
            if wait:
                waits.append(page.wait_for_function(wait, arg=argument, timeout=_PATIENCE).json_value() / 1e3)
            page.wait_for_function(_PAINTED, timeout=_PATIENCE)
            paints.append(page.evaluate(_PAINT)["first-contentful-paint"] / 1e3)
    return {"paint": median(paints), **({"done": median(waits)} if waits else {})}


def listed(found: Any, address: str, count: int, repeat: int) -> dict[str, float]:
    """The list with `count` rows in it."""
    return opened(found, address, repeat, _LISTED, count)


def drawn(found: Any, address: str, points: int, repeat: int) -> dict[str, float]:
    """A long run: its curve as the server drew it, as the script did, and again after a zoom into a hundredth."""
    least = min(1000, points // 100)
    seen = opened(found, address, repeat, _SEEN)["done"]
    first = opened(found, address, repeat, _DRAWN, least)
    zooms, inside = [], 0
    with _page(found) as page:
        page.goto(address, timeout=_PATIENCE)
        page.wait_for_function(_DRAWN, arg=least, timeout=_PATIENCE)
        for k in range(max(repeat, 3)):
            low = points * (0.2 + 0.1 * (k % 7))
            seconds, inside = page.evaluate(_ZOOM, [low, low + points / 100, least])
            zooms.append(seconds / 1e3)
    return {**first, "seen": seen, "plotly": _alone(found, address, repeat), "zoomed": median(zooms), "inside": inside}


def _alone(found: Any, address: str, repeat: int) -> float:
    """Seconds that plotly.js takes to be loaded and to begin, with nothing to draw."""
    times = []
    for _ in range(repeat):
        with _page(found) as page:
            page.goto(address, timeout=_PATIENCE)
            source = page.locator("script[src*=plotly]").get_attribute("src")
        with _page(found) as page:
            page.goto(urljoin(address, "/api/runs"), timeout=_PATIENCE)
            times.append(page.evaluate(_ALONE, source) / 1e3)
    return median(times)


@contextmanager
def _page(found: Any) -> Iterator[Any]:
    context = found.new_context(viewport={"width": 1440, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()
