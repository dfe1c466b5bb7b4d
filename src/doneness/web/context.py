"""What every request is answered from."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from doneness.report import ReportView
from doneness.web.entries import LIVE, Entry
from doneness.web.guard import Guard, Refusal
from doneness.web.hub import Hub
from doneness.web.keeper import Keeper
from doneness.web.live import Live
from doneness.web.pool import ASKED, Pool
from doneness.web.site import Settings, Site

_VIEWS = 64


@dataclass(frozen=True)
class Seen:
    """What the page of a run shows, in a language, the names of its columns, and the requests it has taken."""

    view: ReportView
    series: list[str]
    version: str
    requests: list[dict[str, Any]]


class Context:
    """The server's parts."""

    def __init__(
        self, settings: Settings, site: Site, guard: Guard, pool: Pool, hub: Hub, keeper: Keeper, live: Live
    ) -> None:
        self.settings, self.site, self.guard = settings, site, guard
        self.pool, self.hub, self.keeper, self.live = pool, hub, keeper, live
        self._views: OrderedDict[tuple[str, str], Seen] = OrderedDict()
        self._asked: dict[tuple[str, str, str], asyncio.Task[Seen]] = {}

    def entry(self, run_id: str) -> Entry:
        """The run of an address.

        Raises:
            Refusal: there is none.
        """
        found = self.keeper.entries.get(run_id)
        if found is None:
            raise Refusal(404, "no_run")
        return found

    async def seen(self, entry: Entry, lang: str) -> Seen:
        """What the page of a run shows.

        Raises:
            DonenessError: it cannot be read.
        """
        version = entry.lines
        held = self._views.get((entry.id, lang))
        if held is not None and held.version == version:
            self._views.move_to_end((entry.id, lang))
            return held
        mark = (entry.id, lang, version)
        if mark not in self._asked:
            self._asked[mark] = asyncio.create_task(self._made(entry, lang, version))
            self._asked[mark].add_done_callback(lambda _: self._asked.pop(mark, None))
        return await asyncio.shield(self._asked[mark])

    async def _made(self, entry: Entry, lang: str, version: str) -> Seen:
        where = self.keeper.where(entry.unit)
        told = await self.pool.ask("view", ASKED, where=where, key=entry.key, lang=lang)
        seen = Seen(told["view"], told["series"], version, told["requests"])
        self._views[entry.id, lang] = seen
        while len(self._views) > _VIEWS:
            self._views.popitem(last=False)
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
