"""The measurements of the live page as a page of Markdown."""

from __future__ import annotations

from typing import Any


def page(found: dict[str, Any]) -> str:
    """Tables of what was measured, with what was asked of it."""
    limits, machine = found["limits"], found["machine"]
    text = ["# The live page", "", "`python -m bench web`; what is measured, and how, stands in bench/web.py.", ""]
    rows: list[tuple[str, str, str]] = []
    if "list" in found:
        it = found["list"]
        n, seen = f"{it['runs']:,}", it["browser"]
        rows += [
            _row(f"{n} runs listed, known folder (JSON)", it["warm_listed"], limits["listed"]),
            _row(f"{n} runs listed, first start ever (JSON)", it["cold_listed"], limits["listed"]),
            _row(f"{n} runs in the browser, from request to the last row", seen["done"], limits["listed"]),
            _row("the list's first paint", seen["paint"], limits["paint"]),
            ("the list again (JSON; HTML)", f"{_s(it['again'])}; {_s(it['page'])}", ""),
            (f"{n} runs judged in the background, first start", _s(it["cold_judged"]), ""),
            ("from the command to listening (first start; later)",
             f"{_s(it['cold_listening'])}; {_s(it['warm_listening'])}", ""),
        ]  # fmt: skip
    if "long" in found:
        it = found["long"]
        n, seen = f"{it['points']:,}", it["browser"]
        rows += [
            (f"{n} points drawn, from request to the server's drawing on the screen", _s(seen["seen"]),
             _held(seen["seen"], limits["drawn"])),
            ("the same, until the figure that can be zoomed stands in its place", _s(seen["done"]),
             _held(seen["done"], limits["drawn"])),
            ("of that plotly.js alone, on an empty page", _s(seen["plotly"]), ""),
            (f"zoomed into a hundredth of them ({seen['inside']:,} points shown)", _s(seen["zoomed"]),
             _held(seen["zoomed"], limits["zoomed"])),
            ("that run's first paint", _s(seen["paint"]), _held(seen["paint"], limits["paint"])),
            ("its columns thinned: whole; a hundredth (JSON)", f"{_s(it['series'])}; {_s(it['series_zoomed'])}", ""),
            ("its page the first time; again (HTML)", f"{_s(it['first_page'])}; {_s(it['page'])}", ""),
            ("read and judged, once, in the background", _s(it["judged"]), ""),
            ("memory, server and workers", f"{it['memory_mb']:.0f} MB", ""),
        ]  # fmt: skip
    if "viewers" in found:
        it = found["viewers"]
        rows += [
            (f"{it['viewers']} viewers of one live run: share of one core", f"{100 * it['core']:.1f} %",
             _held(it["core"], limits["core"])),
            ("of that the server itself; its workers, judging",
             f"{100 * it['server']:.1f} %; {100 * it['workers']:.1f} %", ""),
            ("memory at most, server and workers", f"{it['memory_mb']:.0f} MB",
             _held(it["memory_mb"], limits["memory_mb"])),
            (f"viewers that saw all of {it['rows_each']} rows written meanwhile",
             f"{it['complete']} of {it['viewers']}", _held(it["viewers"], it["complete"])),
            ("the live run's first paint", _s(it["browser"]["paint"]), _held(it["browser"]["paint"], limits["paint"])),
        ]  # fmt: skip
    text += ["| | measured | asked |", "|---|---|---|", *(f"| {a} | {b} | {c} |" for a, b, c in rows), ""]
    if "rivals" in found:
        it = found["rivals"]["tensorboard"]
        text += [
            f"TensorBoard {it['version']} on the same losses as event files: {_s(it['listening'])} until it listens, "
            f"{_s(it['handed_out'])} from its start until its interface hands out the run to its end ({it['points']:,} "
            f"points), {_s(it['again'])} when asked again, first paint {_s(it['browser']['paint'])}, "
            f"{it['memory_mb']:.0f} MB. It judges nothing.",
            "",
        ]
    told = ", ".join(
        f"{name} {machine[name]}" for name in ("python", "doneness", "starlette", "uvicorn", "tsdownsample")
    )
    text += [f"Measured on {machine['cores']} cores with a load of {machine['load'][0]} at the end; {told}.", ""]
    return "\n".join(text)


def _row(what: str, seconds: float, limit: float) -> tuple[str, str, str]:
    return what, _s(seconds), _held(seconds, limit)


def _s(seconds: float) -> str:
    return f"{1e3 * seconds:,.0f} ms" if seconds < 1.0 else f"{seconds:,.2f} s"


def _held(value: float, limit: float) -> str:
    """Whether it is below what was asked."""
    return f"{'held' if value <= limit else 'missed'} ({limit:g})"
