"""Serve a folder of runs as live pages."""

from __future__ import annotations

import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from doneness.core import DonenessError, speaking, tr
from doneness.web.cache import cache_folder
from doneness.web.guard import is_loopback
from doneness.web.site import Settings, Vote
from doneness.workflows.review import Shown, Status, export_votes, next_pair, record_vote, status, undo
from doneness.workflows.review_said import checkpoint, headline, lines

TOKEN_BYTES = 24
_SHARE, _STALE = 40.0, 5.0  # times what a standing takes, seconds: how old it may be


def settings_of(
    folder: str | Path,
    host: str = "127.0.0.1",
    port: int = 8631,
    *,
    token: str = "",
    readonly: bool = False,
    names: Sequence[str] = (),
    keep: bool = True,
) -> Settings:
    """How a folder is to be served; where others can reach the server there is a token.

    Args:
        folder: with the runs.
        host, port: to listen on; port 0 takes a free one.
        token: of the caller's own; by default a new one is made.
        readonly: refuse every change.
        names: further names that readers may call the server by.
        keep: what was read is kept in the user's cache folder until the next start.

    Raises:
        DonenessError: there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise DonenessError(tr("web.no_folder", folder=str(folder)))
    if not token and not is_loopback(host):
        token = secrets.token_urlsafe(TOKEN_BYTES)
    root = place.resolve()
    cache = cache_folder() if keep else None
    if cache is not None and cache.resolve().is_relative_to(root):
        cache = None
    return Settings(root, host, port, token, readonly, cache, tuple(names))


def serve(settings: Settings, told: Callable[[Settings], None] = lambda settings: None) -> int:
    """Serve until Ctrl-C or SIGTERM; 130 after the former, else 0.

    Raises:
        DonenessError: the address cannot be listened on, or the extra `web` is not installed.
    """
    from doneness.web.server import serve as listen

    return listen(settings, Workflows(), told)


class Workflows:
    """What the server asks of the workflows: `doneness.web.site.Site`."""

    def worker(self) -> Sequence[str]:
        """A process of ours that reads and judges."""
        return [sys.executable, "-m", "doneness.workflows.serve_worker"]

    def next_pair(self, folder: Path, reviewer: str, lang: str) -> Mapping[str, Any]:
        """Two answers to choose between, or that there are none left."""
        return _shown(folder, next_pair(folder, reviewer), lang, reviewer)

    def record_vote(self, folder: Path, vote: Vote, lang: str) -> Mapping[str, Any]:
        """Enter a vote, and give the next pair."""
        record_vote(folder, vote.token, vote.verdict, vote.tags, vote.rewrite, vote.reviewer)
        return self.next_pair(folder, vote.reviewer, lang)

    def undo_vote(self, folder: Path, reviewer: str, lang: str) -> Mapping[str, Any]:
        """Take the newest vote of a reviewer back."""
        shown = undo(folder, reviewer)
        return {"none": True} if shown is None else _shown(folder, shown, lang)

    def standing(self, folder: Path, lang: str) -> Mapping[str, Any]:
        """Where the votes stand."""
        found = status(folder)
        with speaking(lang):
            places = [
                {
                    "name": checkpoint(place.step).text(),
                    "step": place.step,
                    "share": place.share,
                    "low": place.low,
                    "high": place.high,
                    "votes": place.votes,
                    "tags": ", ".join(
                        f"{tr(f'review.tag.{tag}')} {n}" for tag, n in sorted(place.tags.items(), key=lambda i: -i[1])
                    ),
                }
                for place in found.places
            ]
            return {**_settled(found), "lines": lines(found), "places": places}

    def votes(self, folder: Path, form: str) -> str:
        """Every vote ever cast."""
        with tempfile.TemporaryDirectory(prefix="doneness-") as place:
            out = Path(place) / f"votes.{form}"
            export_votes(folder, out)
            return out.read_text(encoding="utf-8")


def _shown(folder: Path, shown: Shown | None, lang: str, reviewer: str = "") -> dict[str, Any]:
    with speaking(lang):
        # Where there is nothing more to show, what is said of the votes is the last word.
        standing = _standings.of(folder, anew=shown is None)
        told = _settled(standing)
        if shown is not None and not told["settled"]:
            # Shares that move with one's own vote would say whose answer it was.
            told["headline"] = ""
        if shown is None:
            name = " ".join(reviewer.split())
            voted = next((bias.votes for bias in standing.biases if bias.reviewer == name), 0)
            return {"over": True, "voted": voted, **told}
        return {
            "token": shown.token,
            "prompt": shown.prompt,
            "reference": shown.reference,
            "left": shown.left,
            "right": shown.right,
            "voted": shown.voted,
            **told,
            "units": shown.units,
        }


class _Standings:
    """Where votes stand, as of a moment ago: ranking anew at every vote would cost more than the vote."""

    def __init__(self) -> None:
        self._held: dict[Path, tuple[float, Status]] = {}

    def of(self, folder: Path, anew: bool = False) -> Status:
        """The standing, at most as old as forty times what it takes to find out; or of this moment."""
        now, held = time.monotonic(), self._held.get(folder)
        if held is not None and now < held[0] and not anew:
            return held[1]
        found = status(folder)
        took = time.monotonic() - now
        self._held[folder] = (time.monotonic() + min(_SHARE * took, _STALE), found)
        return found


_standings = _Standings()


def _settled(found: Status) -> dict[str, Any]:
    return {
        "settled": found.settled.done,
        "headline": headline(found).text(),
        "needed": None if found.settled.done or found.units >= found.pairs else found.settled.votes_needed,
        "units": found.units,
        "pairs": found.pairs,
        "votes": found.votes,
    }
