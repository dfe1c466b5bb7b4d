"""The interface in JSON: what is known of runs, and how they are asked to do something."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from doneness.core import tr
from doneness.report.curve import AXES
from doneness.runs.control import ACTIONS, ask
from doneness.runs.records import is_whole
from doneness.web.context import Context
from doneness.web.detail import detail
from doneness.web.entries import Entry
from doneness.web.guard import HEADERS, Refusal
from doneness.web.hub import MOST as MOST_STREAMS
from doneness.web.hub import Stream
from doneness.web.keeper import RUNS
from doneness.web.pages_figure import evaluations
from doneness.web.pages_runs import grouping_fields
from doneness.web.respond import as_json, language_of, object_of, text_in
from doneness.web.series import LEAST, MOST, series

_NAMES, _RUNS = 40, 12  # columns, runs at a time
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"), *HEADERS]
_USUAL = ("train", "eval", "rate", "grad")
JUDGED = "judged"  # the evaluations that the verdict rests on, as the figure of a page has them


async def runs(request: Request) -> Response:
    """Every run."""
    told = await _context(request).keeper.listed(language_of(request))
    return as_json({**told, "groups": grouping_fields(told["runs"])})


async def events(request: Request) -> Any:
    """What happens to the list."""
    return _stream(request, RUNS)


async def run(request: Request) -> Response:
    """One run's report."""
    context, entry = _context(request), await found(request)
    lang = language_of(request)
    seen = await context.seen(entry, lang)
    return as_json(detail(seen.view, context.keeper.row(entry, lang), context.can(entry), seen.series))


async def run_events(request: Request) -> Any:
    """What happens to one run."""
    context, entry = _context(request), await found(request)
    context.live.follow(entry)
    return _stream(request, entry.id)


async def run_series(request: Request) -> Response:
    """Columns of one run, as many points as can be drawn."""
    context, entry = _context(request), await found(request)
    query = request.query_params
    names = query.getlist("name")[:_NAMES] or list(_USUAL)
    axis, points = _axis(request), _whole(query.get("points"), 2000, LEAST, MOST)
    window = _number(query.get("from")), _number(query.get("to"))
    columns = await context.live.columns(entry)
    if axis != "step" and axis not in columns.axes:
        raise Refusal(400, "axis")
    told = await asyncio.to_thread(series, columns, names, axis, window, points)
    if JUDGED in names:
        seen = await context.seen(entry, language_of(request))
        ends = (None if at is None else columns.step_at(axis, at) for at in window)
        told[JUDGED] = evaluations(seen.view.curve, *ends)
    return as_json(told)


async def control(request: Request) -> Response:
    """Ask a run to stop, to cool down, or to keep a checkpoint."""
    context, entry = _context(request), await found(request)
    told = await object_of(request)
    action, who = text_in(told, "action", 20), text_in(told, "who", 80)
    step = told.get("step")
    if action not in ACTIONS or not (step is None or is_whole(step)):
        raise Refusal(400, "action")
    folder = context.folder(entry)
    if not context.can(entry)[action]:
        raise Refusal(409, "not_now")
    if action == "keep" and (entry.raw is None or step not in entry.raw.saved):
        raise Refusal(409, "no_checkpoint")
    number = await asyncio.to_thread(ask, folder, action, who, step)
    _tell_asked(context, entry, {"id": number, "action": action, "step": step, "who": " ".join(who.split())})
    return as_json({"id": number}, 202)


async def answers(request: Request) -> Response:
    """Answers of checkpoints side by side."""
    context, entry = _context(request), await found(request)
    return as_json(await asked_answers(context, entry, request))


async def compare(request: Request) -> Response:
    """Columns of several runs, and what is said of them."""
    context, lang = _context(request), language_of(request)
    entries = chosen(request)
    axis = _axis(request)
    told: dict[str, Any] = {"axis": axis, "runs": [], "fault": ""}
    for entry in entries:
        columns = await context.live.columns(entry)
        drawn = None
        if axis == "step" or axis in columns.axes:
            drawn = await asyncio.to_thread(series, columns, ("train", "eval", "rate"), axis, (None, None), 2000)
        told["runs"].append({"row": context.keeper.row(entry, lang), "drawn": drawn})
    return as_json(told)


def routes() -> list[Route]:
    """The addresses of the interface."""
    return [
        Route("/api/runs", runs),
        Route("/api/events", events),
        Route("/api/compare", compare),
        Route("/api/run/{id}", run),
        Route("/api/run/{id}/series", run_series),
        Route("/api/run/{id}/events", run_events),
        Route("/api/run/{id}/answers", answers),
        Route("/api/run/{id}/control", control, methods=["POST"]),
    ]


async def found(request: Request) -> Entry:
    """The run of the address, once it has been judged.

    Raises:
        Refusal: there is none.
    """
    context = _context(request)
    return await context.keeper.judged(context.entry(request.path_params["id"]))


def chosen(request: Request) -> list[Entry]:
    """The runs that an address names, each once.

    Raises:
        Refusal: one of them is not there, or there are too many.
    """
    asked = list(dict.fromkeys(request.query_params.getlist("run")))
    if len(asked) > _RUNS:
        raise Refusal(400, "many")
    return [_context(request).entry(each) for each in asked]


async def asked_answers(context: Context, entry: Entry, request: Request) -> Any:
    """One page of answers, as the address asks for it."""
    query = request.query_params
    told = {
        "steps": [_whole(each, 0, 0, 10**12) for each in query.getlist("step")[:6]],
        "behaviour": query.get("behaviour", "")[:200],
        "find": query.get("find", "")[:200],
        "changed": query.get("changed", "") in ("1", "true", "on"),
        "page": _whole(query.get("page"), 0, 0, 10**6),
    }
    where = context.keeper.where(entry.unit)
    return await context.pool.ask("answers", where=where, key=entry.key, query=told, lang=language_of(request))


def _tell_asked(context: Context, entry: Entry, told: dict[str, Any]) -> None:
    for lang in ("en", "zh"):
        text = tr(f"web.control.asked_{told['action']}", lang, who=told["who"], step=told["step"])
        context.hub.publish(f"{entry.id}:{lang}", "control", {**told, "at": "", "state": "asked", "text": text})


def _stream(request: Request, channel: str) -> Stream:
    context = _context(request)
    if context.hub.open >= MOST_STREAMS:
        raise Refusal(429, "streams")
    last = request.headers.get("last-event-id", "")[:64]
    return Stream(context.hub, f"{channel}:{language_of(request)}", last, _EVENTS)


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


def _axis(request: Request) -> str:
    axis = request.query_params.get("axis") or "step"
    if axis not in AXES:
        raise Refusal(400, "axis")
    return axis


def _whole(text: str | None, usual: int, least: int, most: int) -> int:
    if not text:
        return usual
    if not text.isascii() or not text.isdecimal() or len(text) > 13:
        raise Refusal(400, "number")
    return min(max(int(text), least), most)


def _number(text: str | None) -> float | None:
    if not text:
        return None
    try:
        value = float(text[:40])
    except ValueError as error:
        raise Refusal(400, "number") from error
    if not math.isfinite(value):
        raise Refusal(400, "number")
    return value
