"""What every request is answered from."""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from doneness.core import DonenessError
from doneness.report import ReportView
from doneness.web.entries import LIVE, Entry, id_of
from doneness.web.guard import Guard, Refusal
from doneness.web.hub import Hub
from doneness.web.keeper import Keeper
from doneness.web.live import Live
from doneness.web.pool import ASKED, BEHIND, Pool
from doneness.web.rows import LARGE
from doneness.web.scan import Unit
from doneness.web.site import Settings, Site

_VIEWS = 64
_AHEAD = 4  # pages made before they are asked for
_VOTING = 16  # requests about votes at a time: each may wait for a lock that somebody else holds


@dataclass(frozen=True)
class Seen:
    """What the page of a run shows, in a language, the names of its columns, and the requests it has taken."""

    view: ReportView
    series: list[str]
    version: str
    requests: list[dict[str, Any]]


def _seen(told: Mapping[str, Any], version: str) -> Seen:
    return Seen(told["view"], told["series"], version, told["requests"])


class Context:
    """The server's parts.

    Attributes:
        voting: threads for what reads and writes votes, so that pages never wait for a locked file.
    """

    def __init__(
        self, settings: Settings, site: Site, guard: Guard, pool: Pool, hub: Hub, keeper: Keeper, live: Live
    ) -> None:
        self.settings, self.site, self.guard = settings, site, guard
        self.pool, self.hub, self.keeper, self.live = pool, hub, keeper, live
        self.voting = ThreadPoolExecutor(_VOTING, "votes")
        self._views: OrderedDict[tuple[str, str], Seen] = OrderedDict()
        self._asked: dict[tuple[str, str, str], asyncio.Task[Seen]] = {}
        self._ahead: asyncio.Task[None] | None = None
        keeper.made = self._keep

    def entry(self, run_id: str) -> Entry:
        """The run of an address.

        Raises:
            Refusal: there is none.
        """
        found = self.keeper.entries.get(run_id)
        if found is None:
            raise Refusal(404, "no_run")
        return found

    def ahead(self, lang: str) -> None:
        """Make the pages of the latest large runs, which takes seconds, while somebody looks at the list."""
        if self.keeper.scanning or (self._ahead is not None and not self._ahead.done()):
            return
        latest = sorted(self.keeper.entries.values(), key=lambda entry: -entry.unit.changed)
        large = [each for each in latest if each.raw is not None and each.raw.points > LARGE][:_AHEAD]
        wanted = [each for each in large if self.keeper.state(each) != LIVE and not self._held(each, lang)]
        if wanted:
            self._ahead = asyncio.create_task(self._prepare(wanted, lang))

    async def _prepare(self, entries: Iterable[Entry], lang: str) -> None:
        for entry in entries:
            with contextlib.suppress(DonenessError):
                await self.seen(entry, lang, BEHIND)

    def _held(self, entry: Entry, lang: str) -> Seen | None:
        held = self._views.get((entry.id, lang))
        return held if held is not None and held.version == entry.lines else None

    def _keep(self, unit: Unit, views: Mapping[str, Any]) -> None:
        for key, by_lang in views.items():
            for lang, told in by_lang.items():
                self._put(id_of(unit.place, key), lang, _seen(told, f"{unit.print}"))

    def _put(self, run_id: str, lang: str, seen: Seen) -> None:
        self._views[run_id, lang] = seen
        self._views.move_to_end((run_id, lang))
        while len(self._views) > _VIEWS:
            self._views.popitem(last=False)

    async def seen(self, entry: Entry, lang: str, urgency: int = ASKED) -> Seen:
        """What the page of a run shows.

        Raises:
            DonenessError: it cannot be read.
        """
        version = entry.lines
        held = self._held(entry, lang)
        if held is not None:
            self._views.move_to_end((entry.id, lang))
            return held
        mark = (entry.id, lang, version)
        if mark not in self._asked:
            self._asked[mark] = asyncio.create_task(self._made(entry, lang, version, urgency))
            self._asked[mark].add_done_callback(lambda _: self._asked.pop(mark, None))
        return await asyncio.shield(self._asked[mark])

    async def _made(self, entry: Entry, lang: str, version: str, urgency: int) -> Seen:
        where = self.keeper.where(entry.unit)
        seen = _seen(await self.pool.ask("view", urgency, where=where, key=entry.key, lang=lang), version)
        self._put(entry.id, lang, seen)
        return seen

    def can(self, entry: Entry) -> dict[str, bool]:
        """What a run may be asked for: only one of ours, while it goes on."""
        raw = entry.raw
        open_ = (
            not self.settings.readonly and raw is not None and raw.home is not None and self.keeper.state(entry) == LIVE
        )
        return {
            "stop": open_,
            "cooldown": open_ and raw is not None and not raw.cooled,
            "keep": open_ and raw is not None and bool(raw.saved),
        }

    def folder(self, entry: Entry) -> Any:
        """The run folder of a run of ours.

        Raises:
            Refusal: it has none.
        """
        if entry.raw is None or entry.raw.home is None:
            raise Refusal(409, "not_ours")
        return self.settings.root / entry.raw.home if entry.raw.home else self.settings.root
