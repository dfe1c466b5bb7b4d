"""Keeps the list: looks through the folder, has what changed judged, and tells who listens."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any

from doneness.core import LANGUAGES
from doneness.web.cache import Cache, Found, as_any
from doneness.web.entries import ENDED, LIVE, Entry, id_of, one_line, row_of, state_of, telling
from doneness.web.hub import Hub
from doneness.web.pool import BEHIND, SOON, JobError, Pool
from doneness.web.scan import Unit, scan
from doneness.web.site import Settings
from doneness.web.where import Where

RUNS = "runs"  # the channel of the list, in each language
_SHARE = 20.0  # times as long as a look took until the next
_AGAIN = 8.0  # times as long as judging took, until a run that goes on is judged again
_COST = 10.0  # seconds, of a job that failed
_STORE = 3.0  # seconds between two writes to the cache


class Keeper:
    """The runs under a folder.

    Attributes:
        entries: by id.
        scanning: whether the folder was not looked through yet, or runs wait to be judged.
        made: is handed what the pages of large runs show, where judging has made that too.
    """

    def __init__(self, settings: Settings, pool: Pool, hub: Hub, cache: Cache) -> None:
        self._settings, self._pool, self._hub, self._cache = settings, pool, hub, cache
        self.root = settings.root
        self.entries: dict[str, Entry] = {}
        self._units: dict[str, Unit] = {}
        self._ids: dict[str, list[str]] = {}
        self._lost: dict[str, dict[str, str]] = {}
        self._known: dict[str, tuple[str, Found]] = {}
        self._fresh: dict[str, tuple[str, Found]] = {}
        self._judging: dict[str, asyncio.Task[None]] = {}
        self._rested: dict[str, float] = {}
        self._states: dict[str, str] = {}
        self._looked = asyncio.Event()
        self._background: asyncio.Task[None] | None = None
        self.made: Callable[[Unit, dict[str, Any]], None] | None = None

    @property
    def scanning(self) -> bool:
        """Whether there is more to come."""
        if not self._looked.is_set() or any(not self._ids.get(place) for place in self._judging):
            return True
        return any(entry.raw is None for entry in self.entries.values())

    async def open(self) -> None:
        """Look once, from what is known already, and go on in the background."""
        self._known = await asyncio.to_thread(self._cache.load)
        self._background = asyncio.create_task(self._go())

    async def close(self) -> None:
        """Stop looking; what was found is kept."""
        tasks = [*self._judging.values(), *([self._background] if self._background else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._cache.store, self._fresh)
        await asyncio.to_thread(self._cache.close)

    async def listed(self, lang: str, patience: float = 0.4) -> dict[str, Any]:
        """The list; at the very beginning waited for a moment."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                await self._looked.wait()
        now = time.time()
        rows = telling(row_of(entry, self.root, lang, now) for entry in self._in_order())
        lost = [
            {"place": one_line(place or self.root.name), "error": why[lang]}
            for place, why in sorted(self._lost.items())
        ]
        return {"runs": rows, "unreadable": lost, "scanning": self.scanning}

    def row(self, entry: Entry, lang: str) -> dict[str, Any]:
        """One line of the list."""
        return row_of(entry, self.root, lang)

    def state(self, entry: Entry) -> str:
        """Whether it goes on."""
        return state_of(entry, self.root, time.time())

    async def judged(self, entry: Entry) -> Entry:
        """The run once it has been judged; the same where it was."""
        task = self._judging.get(entry.unit.place)
        if entry.raw is None and task is not None:
            await asyncio.wait({task})
        return self.entries.get(entry.id, entry)

    async def _go(self) -> None:
        stored = time.monotonic()
        while True:
            began = time.monotonic()
            units = await asyncio.to_thread(scan, self.root)
            took = time.monotonic() - began
            self._compare(units)
            self._looked.set()
            self._tell_states()
            if self._fresh and time.monotonic() - stored > _STORE:
                fresh, self._fresh, stored = self._fresh, {}, time.monotonic()
                await asyncio.to_thread(self._cache.store, fresh)
            await asyncio.sleep(max(self._settings.every, _SHARE * took))

    def _compare(self, units: Iterable[Unit]) -> None:
        """Have judged what is new or changed, and let go what is gone."""
        found = {unit.place: unit for unit in units}
        for place in [place for place in self._units if place not in found]:
            self._forget(place)
        for place, unit in found.items():
            before = self._units.get(place)
            self._units[place] = unit
            if before is not None and before.print == unit.print:
                continue
            known = self._known.pop(place, None)
            if known is not None and known[0] == unit.print:
                self._take(unit, known[1], tell=before is not None)
            else:
                self._ask(unit)
        self._known.clear()

    def _ask(self, unit: Unit) -> None:
        """Have a unit judged, now or when it has rested."""
        if unit.folder and not self._ids.get(unit.place):
            # Shown at once; what is not a folder may be no log at all.
            entry = Entry(id_of(unit.place, ""), unit)
            self.entries[entry.id] = entry
            self._ids[unit.place] = [entry.id]
            self._tell(entry)
        for each in self._ids.get(unit.place, ()):
            self.entries[each].unit = unit
        if unit.place not in self._judging:
            self._judging[unit.place] = asyncio.create_task(self._judge(unit.place))

    async def _judge(self, place: str) -> None:
        try:
            while True:
                await asyncio.sleep(max(0.0, self._rested.get(place, 0.0) - time.monotonic()))
                unit, cost = self._units[place], _COST
                asked = {"where": self.where(unit), "cache": self._cache.folder}
                views: dict[str, Any] = {}
                try:
                    told = await self._pool.ask("unit", self._urgency(place), **asked)
                    found, cost, views = as_any(told), float(told["seconds"]), told["views"]
                except JobError as error:
                    found = Found([], {lang: str(error) for lang in LANGUAGES})
                self._rested[place] = time.monotonic() + _AGAIN * cost
                now = self._units.get(place)
                if now is None:
                    return
                self._take(now, found, tell=True)
                self._fresh[place] = (unit.print, found)
                if now.print == unit.print:
                    if self.made is not None:
                        self.made(unit, views)
                    return
        finally:
            self._judging.pop(place, None)

    def _urgency(self, place: str) -> int:
        watched = any(self._hub.listens(f"{each}:{lang}") for each in self._ids.get(place, ()) for lang in LANGUAGES)
        return SOON if watched else BEHIND

    def where(self, unit: Unit) -> Where:
        """How a worker is told of a unit."""
        return Where(self.root, unit.place, unit.print, unit.folder)

    def _take(self, unit: Unit, found: Found, tell: bool) -> None:
        """What is known of a unit from now on."""
        place = unit.place
        self._lost.pop(place, None)
        if unit.leads_out:
            found = Found([], found.error or dict.fromkeys(LANGUAGES, ""))
        if found.error is not None:
            self._lost[place] = found.error
        ids = []
        for raw in found.runs:
            entry_id = id_of(place, raw.key)
            entry = self.entries.get(entry_id) or Entry(entry_id, unit)
            entry.unit, entry.raw, entry.lines = unit, raw, f"{unit.print}"
            self.entries[entry_id] = entry
            ids.append(entry_id)
            if tell:
                self._tell(entry, judged=True)
        for gone in set(self._ids.get(place, ())) - set(ids):
            self._drop(gone)
        self._ids[place] = ids

    def _forget(self, place: str) -> None:
        self._units.pop(place, None)
        self._lost.pop(place, None)
        for each in self._ids.pop(place, ()):
            self._drop(each)

    def _drop(self, entry_id: str) -> None:
        if self.entries.pop(entry_id, None) is not None:
            self._states.pop(entry_id, None)
            for lang in LANGUAGES:
                self._hub.publish(f"{RUNS}:{lang}", "gone", {"id": entry_id})
                self._hub.publish(f"{entry_id}:{lang}", "gone", {"id": entry_id})

    def _tell(self, entry: Entry, judged: bool = False) -> None:
        for lang in LANGUAGES:
            row = None
            if self._hub.heeds(f"{RUNS}:{lang}"):
                row = self.row(entry, lang)
                self._hub.publish(f"{RUNS}:{lang}", "run", row)
            if judged and self._hub.heeds(f"{entry.id}:{lang}"):
                self._hub.publish(f"{entry.id}:{lang}", "verdict", {"row": row or self.row(entry, lang)})

    def _tell_states(self) -> None:
        """A run that fell silent, crashed or ended changes no file when it does."""
        for entry in self.entries.values():
            if self._states.get(entry.id) == ENDED:
                continue
            state = self.state(entry)
            before = self._states.get(entry.id)
            self._states[entry.id] = state
            if before is not None and before != state:
                self._tell(entry, judged=True)

    def _in_order(self) -> list[Entry]:
        """Live ones first, then by when they changed last."""
        return sorted(
            self.entries.values(), key=lambda e: (self._states.get(e.id) != LIVE, -e.unit.changed, e.unit.place)
        )
