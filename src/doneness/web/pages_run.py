"""The page of one run: the report, live; script draws the curve and asks for detail."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from threading import Lock
from typing import Any

from doneness.core import tr
from doneness.report import html_checklist, html_groups, html_health, html_spans, html_top, tables
from doneness.report.curve import AXES
from doneness.report.figure import alternative, draw
from doneness.report.frame import NARROW, WIDE
from doneness.report.numbers import count, duration
from doneness.report.prose import prose
from doneness.report.view import CheckpointRow, ReportView
from doneness.web.page_state import PageState
from doneness.web.pages_figure import as_table, decision_data, figure_data, still
from doneness.web.pages_plot import plot
from doneness.web.pages_shell import data_block, t, tabs

ACTIONS = ("stop", "cooldown", "keep")
_MOST_ROWS, _SPREAD = 100, 40  # checkpoints in the table; of a longer one so many evenly between
_KEPT = 32  # bodies in memory: runs that are being looked at, in two languages
_bodies: OrderedDict[tuple[Any, ...], tuple[str, str]] = OrderedDict()
_lock = Lock()


def run(state: PageState) -> str:
    """The page.

    `state.data` has row, view, can, answers, reviewable, version; requests where there are any; every_row where the
    reader wants all rows of a long table.
    """
    data, row = state.data, state.data["row"]
    view: ReportView = data["view"]
    can = {action: bool(data.get("can", {}).get(action)) and not state.readonly for action in ACTIONS}
    every = bool(data.get("every_row"))
    key = (row["id"], data.get("version"), state.lang, can["keep"], every)
    top, body = _cached(key, view, can["keep"], every)
    return (
        tabs(row, "run", bool(data.get("answers")), bool(data.get("reviewable")))
        + f'<div id="now">{_pace(row)}{_controls(can)}</div>{_requests(data.get("requests", ()))}'
        + f'<div id="top" data-live>{top}</div>{body}'
        + (_dialog() if any(can.values()) else "")
    )


def _cached(key: tuple[Any, ...], view: ReportView, keep: bool, every: bool) -> tuple[str, str]:
    """What rests on the run's content alone, rendered once for all who look; without a version nothing is kept."""
    with _lock:
        if key[1] is not None and key in _bodies:
            _bodies.move_to_end(key)
            return _bodies[key]
    made = html_top.verdict(view), _body(view, keep, every)
    with _lock:
        _bodies[key] = made
        while len(_bodies) > _KEPT:
            _bodies.popitem(last=False)
    return made


def _body(view: ReportView, keep: bool, every: bool) -> str:
    button = _keep_button if keep else None
    rows, note = (view, "") if every else _some(view)
    sections = (
        ("spans", html_spans.spans(view)),
        ("groups", html_groups.groups(view)),
        ("checkpoints", tables.checkpoints(rows, button) + note),
        ("checklist", html_checklist.checklist(view)),
        ("timeline", tables.timeline(view)),
        ("health", html_health.health(view)),
        ("evidence", tables.evidence(view)),
        ("recipe", tables.recipe(view, tr("pages.run.recipe"))),
    )
    # Empty ones stand too: a section that a later evaluation brings has its place.
    return _curve(view) + "".join(f'<div id="at-{name}" data-live>{markup}</div>' for name, markup in sections)


def _some(view: ReportView) -> tuple[ReportView, str]:
    """The rows of a table of a thousand checkpoints that are asked for first, and where the others are."""
    rows = view.checkpoints
    if len(rows) <= _MOST_ROWS:
        return view, ""
    spread = {round(k * (len(rows) - 1) / (_SPREAD - 1)) for k in range(_SPREAD)} | set(
        range(len(rows) - 10, len(rows))
    )
    sweet = [i for i, row in enumerate(rows) if row.sweet]
    spread |= {sweet[0], sweet[-1]} if sweet else set()
    shown = [row for i, row in enumerate(rows) if i in spread or row.chosen or row.best]
    note = (
        f'<p class="note">{t("run.some_rows", n=count(len(shown)), all=count(len(rows)))} '
        f'<a href="?rows=all#checkpoints">{t("run.every_row")}</a></p>'
    )
    return replace(view, checkpoints=tuple(shown)), note


def _curve(view: ReportView) -> str:
    c = view.curve
    head = f"<h2>{escape(tr('report.head.curve'))}</h2>"
    if not (c.raw.step.size or c.evals):
        return f'<section id="curve" class="empty">{head}<p class="lead">{t("run.waiting")}</p></section>'
    seen = still(c)
    stills = tuple(draw(seen, width=width, standalone=False) for width in (WIDE, NARROW))
    data = data_block("figure", figure_data(view)) + data_block("decided", decision_data(view))
    drawn = plot(stills, [a for a in AXES if a in c.axes], alternative(c), html_top.caption(view))
    return (
        f'<section id="curve">{head}{drawn}'
        f'<div id="flags" data-live>{_flags(view)}</div>{_why(view)}'
        f'<div id="alternative" data-live>{as_table(view)}</div>'
        f'<div id="data" data-live hidden>{data}</div></section>\n'
    )


def _flags(view: ReportView) -> str:
    """The decisions as buttons over one line that says the reason of the one in focus."""
    if not view.timeline:
        return ""
    items = ""
    for i, s in enumerate(view.timeline):
        first, last = count(s.first), count(s.last)
        when = first if s.first == s.last else tr("report.unit.range", low=first, high=last)
        items += (
            f'<li><button type="button" class="flag a-{s.action_key}" data-step="{s.first}" data-last="{s.last}" '
            f'aria-describedby="reason-{i}"><b>{escape(when)}</b> {escape(s.action)}</button>'
            f'<p id="reason-{i}" class="reason" hidden>{prose(s.reason)}</p></li>'
        )
    return (
        f'<div class="script"><h3>{t("run.flags")}</h3><ol class="flags">{items}</ol>'
        f'<p id="reason" class="said">{t("run.flags_lead")}</p></div>'
    )


def _why(view: ReportView) -> str:
    if not view.timeline:
        return '<div id="at-why"></div>'
    last = view.timeline[-1].last
    return (
        f'<div id="at-why"><form id="why" class="why script"><label for="why-step">{t("run.why")}</label>'
        f'<input id="why-step" type="number" inputmode="numeric" min="0" max="{max(last, 1)}" required>'
        f'<button>{t("run.why_ask")}</button><output id="why-said" for="why-step"></output></form></div>'
    )


def _pace(row: Mapping[str, Any]) -> str:
    step, total = row.get("step") or 0, row.get("total")
    share = f"{100 * min(step / total, 1.0):.1f}%" if total else "0"
    said = tr("pages.runs.of", step=count(step), total=count(total)) if total else tr("pages.run.at", step=count(step))
    left = row.get("seconds_left")
    wait = tr("pages.runs.left", time=duration(left)) if left and row["state"] == "live" else ""
    told = {name: row.get(name) for name in ("name", "step", "total")}
    return (
        f'<div id="pace"><span class="state s-{escape(str(row["state"]))}">{t("state." + str(row["state"]))}</span>'
        f'<span class="steps">{escape(said)}</span><span class="meter" aria-hidden="true"{"" if total else " hidden"}>'
        f'<span style="width:{share}"></span></span><span class="left">{escape(wait)}</span></div>'
        + data_block("row", told)
    )


def _controls(can: Mapping[str, bool]) -> str:
    shown = [action for action in ("cooldown", "stop") if can[action]]
    if not shown:
        return ""
    buttons = "".join(f'<button type="button" data-action="{a}">{t(f"control.{a}")}</button>' for a in shown)
    return f'<div class="controls script" role="group" aria-label="{t("control.label")}">{buttons}</div>'


def _requests(made: Sequence[Mapping[str, Any]]) -> str:
    items = "".join(
        f'<li data-id="{escape(str(r["id"]))}" data-state="{escape(str(r["state"]))}">{prose(str(r["text"]))}</li>'
        for r in made
    )
    return f'<ol id="requests" aria-label="{t("control.requests")}"{"" if items else " hidden"}>{items}</ol>'


def _keep_button(row: CheckpointRow) -> str:
    if row.state != "kept":
        return ""
    label = escape(tr("pages.control.keep_step", step=count(row.step)))
    return (
        f'<button type="button" class="small script" data-action="keep" data-step="{row.step}" aria-label="{label}">'
        f"{t('control.keep')}</button>"
    )


def _dialog() -> str:
    """Asked twice: the first question takes a name, the second says once more what will happen."""
    return (
        '<dialog id="control" aria-labelledby="ask-title"><form method="dialog"><h2 id="ask-title"></h2>'
        f'<p id="ask-text"></p><label id="ask-who"><span>{t("control.who")}</span>'
        '<input id="who" maxlength="80" autocomplete="name" required></label>'
        f'<p id="ask-fault" class="warning" role="alert" hidden></p><div class="buttons">'
        f'<button type="button" id="ask-no">{t("control.no")}</button>'
        f'<button type="submit" id="ask-yes" class="main"></button></div></form></dialog>'
    )
