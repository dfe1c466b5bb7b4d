"""Blind review over the wire: every vote that was answered is on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from doneness.core import DonenessError, speaking, tr
from doneness.review import FILE, TAGS, VERDICTS
from doneness.runs.probes import FOLDER
from doneness.web.api import found
from doneness.web.context import Context
from doneness.web.guard import Refusal
from doneness.web.respond import as_json, language_of, object_of, text_in
from doneness.web.scan import leads_out
from doneness.web.site import Vote

_USED = (FOLDER, *(FILE + end for end in ("", "-wal", "-shm", "-journal")))  # of a run folder
_MEDIA = {"csv": "text/csv; charset=utf-8", "jsonl": "application/x-ndjson; charset=utf-8"}


async def following(request: Request) -> Response:
    """What to show a reviewer next."""
    told = await object_of(request)
    reviewer = text_in(told, "reviewer", 80)
    return await _said(request, lambda site, folder, lang: site.next_pair(folder, reviewer, lang))


async def vote(request: Request) -> Response:
    """Enter a vote, and show the next pair."""
    told = await object_of(request)
    verdict = text_in(told, "vote", 8)
    if verdict not in VERDICTS:
        raise Refusal(400, "vote")
    cast = Vote(
        token=text_in(told, "token", 200),
        verdict=verdict,
        reviewer=text_in(told, "reviewer", 80),
        tags=_tags(told.get("tags") or {}),
        rewrite=text_in(told, "rewrite", 20_000, needed=False),
    )
    return await _said(request, lambda site, folder, lang: site.record_vote(folder, cast, lang))


async def undo(request: Request) -> Response:
    """Take the newest vote back."""
    told = await object_of(request)
    reviewer = text_in(told, "reviewer", 80)
    return await _said(request, lambda site, folder, lang: site.undo_vote(folder, reviewer, lang))


async def status(request: Request) -> Response:
    """Where the votes stand."""
    return await _said(request, lambda site, folder, lang: site.standing(folder, lang))


async def export(request: Request) -> Response:
    """Every vote ever cast, as a file."""
    form = request.query_params.get("as", "csv")
    if form not in _MEDIA:
        raise Refusal(400, "form")
    text = await _told(request, lambda site, folder, lang: site.votes(folder, form))
    # The name is ours: what a run is called may hold anything.
    headers = {"content-disposition": f'attachment; filename="votes.{form}"', "cache-control": "no-store"}
    return Response(text, 200, headers, _MEDIA[form])


def routes() -> list[Route]:
    """The addresses of the review."""
    return [
        Route("/api/run/{id}/review/next", following, methods=["POST"]),
        Route("/api/run/{id}/review/vote", vote, methods=["POST"]),
        Route("/api/run/{id}/review/undo", undo, methods=["POST"]),
        Route("/api/run/{id}/review/status", status),
        Route("/api/run/{id}/review/export", export),
    ]


async def _said(request: Request, call: Callable[[Any, Any, str], Mapping[str, Any]]) -> Response:
    return as_json(await _told(request, call))


async def _told(request: Request, call: Callable[[Any, Any, str], Any]) -> Any:
    """Call a workflow in a thread: it waits for disks and for other reviewers, and nothing else waits with it."""
    context: Context = request.app.state.context
    folder, lang = context.folder(await found(request)), language_of(request)

    def spoken() -> Any:
        with speaking(lang):
            _refuse_links(context.settings.root, folder)
            return call(context.site, folder, lang)

    return await asyncio.get_running_loop().run_in_executor(context.voting, spoken)


def _refuse_links(root: Path, folder: Path) -> None:
    """What votes are read from and written to may have been linked elsewhere since the folder was looked through."""
    for name in _USED:
        real = (folder / name).resolve()
        out = leads_out(root, real) if real.is_relative_to(root) else str((folder / name).relative_to(root))
        if out:
            raise DonenessError(tr("web.leads_out", path=out))


def _tags(told: Any) -> dict[int, list[str]]:
    if not isinstance(told, dict) or not set(told) <= {"1", "2"}:
        raise Refusal(400, "tags")
    for names in told.values():
        if not isinstance(names, list) or not all(isinstance(name, str) and name in TAGS for name in names):
            raise Refusal(400, "tags")
    return {int(side): list(dict.fromkeys(names)) for side, names in told.items()}
