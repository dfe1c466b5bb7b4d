"""The page of all runs: one row each, with verdict, progress and a sparkline; script sorts, filters, updates."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import msgspec

from doneness.core import language, tr
from doneness.report.numbers import ABSENT, between, count, duration
from doneness.report.svg import number
from doneness.web.page_state import PageState
from doneness.web.pages_shell import options, t

Row = Mapping[str, Any]
SORTS = ("activity", "name", "verdict", "progress", "left", "gain", "keep")
STATES = ("live", "ended", "crashed", "silent")
VERDICTS = ("broken", "diverged", "learning", "converged", "overfitting", "memorising", "undecided")
_HEADS = (("name", ""), ("verdict", ""), ("loss", ""), ("progress", ""), ("sweet", "n"), ("keep", "n"), ("gain", "n"))
_SORTED_BY = {"name": "name", "verdict": "verdict", "progress": "progress", "keep": "keep", "gain": "gain"}
_ENDINGS = (".json", ".jsonl", ".csv", ".log", ".txt")
_WIDE, _HIGH = 116.0, 30.0
_MOST_WRITTEN = 10_000
_written: dict[tuple[str, bytes], str] = {}
_EMPTY: Row = {"id": "", "name": "", "place": "", "tool": "", "state": "ended", "verdict": "undecided", "word": "",
               "sweet": None, "keep": None, "step": 0, "total": None, "seconds_left": None, "gain": None,
               "gain_text": "", "spark": [], "updated": 0, "fields": {}}  # fmt: skip


def runs(state: PageState) -> str:
    """The list; `state.data` is what /api/runs says."""
    rows = sorted(state.data.get("rows", state.data.get("runs", ())), key=_order)
    lost = state.data.get("unreadable", ())
    scanning = (
        f'<p id="scanning" class="note"{"" if state.data.get("scanning") else " hidden"}>{t("runs.scanning")}</p>'
    )
    title = _heading(len(rows), state.root)
    head = f'<header><h1 id="heading" data-root="{escape(state.root)}">{title}</h1>{scanning}</header>'
    body = "".join(run_row(row) for row in rows)
    empty = f'<p id="none" class="lead"{" hidden" if rows else ""}>{t("runs.none", root=state.root)}</p>'
    return (
        f'{head}<form action="/compare" id="runs">{_tools(rows)}{empty}'
        f'<table role="table" class="listing" aria-labelledby="heading"{"" if rows else " hidden"}>{_head()}'
        f'<tbody role="rowgroup" id="rows">{body}</tbody></table>'
        f'<p id="nomatch" class="lead" hidden>{t("runs.nomatch")}</p></form>'
        f'<template id="row">{run_row(_EMPTY)}</template>{_unreadable(lost)}'
    )


def run_row(row: Row) -> str:
    """One run as a row; script fills a copy of an empty one in the same way."""
    # Of a thousand runs few change between two openings of the list, and writing them all takes a third of a second.
    mark = (language(), msgspec.json.encode(row))
    html = _written.get(mark)
    if html is None:
        if len(_written) >= _MOST_WRITTEN:
            _written.clear()
        html = _written[mark] = _row(row)
    return html


def _row(row: Row) -> str:
    place = " · ".join(part for part in (str(row["tool"]), _folder(str(row["place"]), str(row["name"]))) if part)
    word = escape(str(row["word"]))
    keys = {
        name: row.get(name) for name in ("updated", "verdict", "state", "step", "total", "seconds_left", "gain", "keep")
    }
    return (
        f'<tr role="row" data-id="{escape(str(row["id"]))}" data-keys="{escape(json.dumps(keys))}">'
        f'<th role="rowheader" scope="row"><input type="checkbox" name="run" value="{escape(str(row["id"]))}" '
        f'aria-label="{t("runs.choose", name=row["name"])}">'
        f'<span><a href="/run/{escape(str(row["id"]))}">{escape(str(row["name"]))}</a>'
        f"<small>{escape(place)}</small></span></th>"
        f'<td role="cell"><span class="word v-{escape(str(row["verdict"]))}">{word}</span>'
        f'<small class="state s-{escape(str(row["state"]))}">{t("state." + str(row["state"]))}</small></td>'
        f'<td role="cell" class="spark">{spark(row.get("spark") or ())}</td>'
        f'<td role="cell" class="progress">{_progress(row)}</td>'
        f"{_cell('sweet', _sweet(row))}{_cell('keep', count(row['keep']) if row.get('keep') is not None else ABSENT)}"
        f"{_cell('gain', str(row.get('gain_text') or ABSENT))}</tr>"
    )


def _folder(place: str, name: str) -> str:
    """The place, without an end that only says the name again."""
    folder, _, last = place.rpartition("/")
    return folder if last in (name, *(name + ending for ending in _ENDINGS)) else place


def spark(points: Sequence[Sequence[float]]) -> str:
    """The loss in a hundred pixels, its last point marked; the row says its numbers, so it is hidden from readers."""
    seen = [(float(x), float(y)) for x, y in points if x is not None and y is not None]
    path = dot = ""
    if len(seen) > 1:
        left, right = seen[0][0], max(seen[-1][0], seen[0][0] + 1e-9)
        low, high = min(y for _, y in seen), max(y for _, y in seen)
        span = (high - low) or 1.0
        placed = [
            (2 + (x - left) / (right - left) * (_WIDE - 8), _HIGH - 4 - (y - low) / span * (_HIGH - 8)) for x, y in seen
        ]
        path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in placed)
        dot = f'<circle cx="{number(placed[-1][0])}" cy="{number(placed[-1][1])}" r="2.4" class="f-train"/>'
    return (
        f'<svg aria-hidden="true" viewBox="0 0 {_WIDE:g} {_HIGH:g}"><path d="{path}" fill="none" class="s-train" '
        f'stroke-width="1.6" stroke-linejoin="round"/>{dot}</svg>'
    )


def _order(row: Row) -> tuple[bool, float]:
    return row["state"] != "live", -float(row.get("updated") or 0)


def _heading(n: int, root: str) -> str:
    return t("runs.heading" if n != 1 else "runs.heading_one", n=count(n), root=root)


def _head() -> str:
    cells = ""
    for name, look in _HEADS:
        text = t(f"runs.head.{name}")
        by = _SORTED_BY.get(name)
        inner = (
            f'<button type="button" class="plain" data-sort="{by}">{text}</button>' if by else f"<span>{text}</span>"
        )
        cells += f'<th role="columnheader" scope="col"{" class=n" if look else ""}>{inner}</th>'
    return f'<thead role="rowgroup"><tr role="row">{cells}</tr></thead>'


def _tools(rows: Sequence[Row]) -> str:
    states = options([("", tr("pages.runs.any_state")), *((s, tr(f"pages.state.{s}")) for s in STATES)])
    verdicts = options([("", tr("pages.runs.any_verdict")), *((v, tr(f"report.verdict.{v}")) for v in VERDICTS)])
    sorts = options((s, tr(f"pages.runs.sort.{s}")) for s in SORTS)
    groups = options([("", tr("pages.runs.no_group")), *((f, f) for f in grouping_fields(rows))])
    fields = (
        f'<label class="find"><span>{t("runs.find")}</span><input type="search" id="find" autocomplete="off"></label>'
        f'<label><span>{t("runs.state")}</span><select id="state">{states}</select></label>'
        f'<label><span>{t("runs.verdict")}</span><select id="verdict">{verdicts}</select></label>'
        f'<label><span>{t("runs.sorted")}</span><select id="sort">{sorts}</select></label>'
        f'<label><span>{t("runs.group")}</span><select id="group">{groups}</select></label>'
    )
    few = f'<span id="few" class="note" hidden>{t("compare.few")}</span>'
    compare = f'{few}<button id="compare">{t("runs.compare")}</button>'
    return f'<div class="tools"><div class="fields script">{fields}</div>{compare}</div>'


def grouping_fields(rows: Sequence[Row]) -> list[str]:
    """The recipe keys by which rows fall into groups: named by two runs or more, and not different in all of them."""
    values: dict[str, list[str]] = {}
    for row in rows:
        for name, value in (row.get("fields") or {}).items():
            values.setdefault(str(name), []).append(str(value))
    return sorted(
        name for name, seen in values.items() if 1 < len(set(seen)) < max(len(rows), 3) and len(set(seen)) <= 40
    )


def _progress(row: Row) -> str:
    step, total = row.get("step") or 0, row.get("total")
    share = min(step / total, 1.0) if total else None
    bar = (
        f'<span class="meter" aria-hidden="true"><span style="width:{100 * share:.1f}%"></span></span>'
        if share is not None
        else ""
    )
    said = tr("pages.runs.of", step=count(step), total=count(total)) if total else count(step)
    left = row.get("seconds_left")
    wait = tr("pages.runs.left", time=duration(left)) if left and row["state"] == "live" else ""
    return f'<span class="steps">{escape(said)}</span>{bar}<small class="left">{escape(wait)}</small>'


def _sweet(row: Row) -> str:
    spot = row.get("sweet")
    if not spot:
        return ABSENT
    return count(spot[0]) if spot[0] == spot[1] else between(count(spot[0]), count(spot[1]))


def _cell(name: str, text: str) -> str:
    """The label is shown where a narrow screen turns rows into cards."""
    return f'<td role="cell" class="n c-{name}" data-label="{t(f"runs.head.{name}")}">{escape(text)}</td>'


def _unreadable(lost: Sequence[Mapping[str, Any]]) -> str:
    items = "".join(f"<dt>{escape(str(x['place']))}</dt><dd>{escape(str(x['error']))}</dd>" for x in lost)
    if not items:
        return ""
    return (
        f'<section id="unreadable"><details><summary>{t("runs.unreadable", n=count(len(lost)))}</summary>'
        f'<dl class="pairs">{items}</dl></details></section>'
    )
