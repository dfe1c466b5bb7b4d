"""Follows the runs that are looked at: one reader a run, however many look."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doneness.core import LANGUAGES
from doneness.runs.journal import FILE, number
from doneness.runs.records import fault_of
from doneness.web.columns import Columns, Shelf, Track, load
from doneness.web.entries import LIVE, Entry
from doneness.web.hub import Hub
from doneness.web.keeper import Keeper
from doneness.web.pool import ASKED, Pool
from doneness.web.requests import heard

_EVERY = 0.5  # seconds between two looks
_AT_ONCE = 4 << 20  # bytes of new rows that are read at once
_BACK = 256 << 10  # bytes before the end where following begins
_BUFFER = 4000  # points of each column that are held beside the columns
_COLUMNS = {"train": {"loss": "train", "learning_rate": "rate", "grad_norm": "grad"}, "eval": {"loss": "eval"}}

Points = dict[str, list[tuple[int, float]]]


@dataclass
class _Followed:
    """One run that somebody looks at."""

    entry: Entry
    offset: int = -1
    file: int = 0  # which file is read: another one by the same name is another log
    version: str = ""
    points: Points = field(default_factory=dict)
    told: dict[str, int] = field(default_factory=dict)


class Live:
    """Columns of runs, as they stand and as they grow."""

    def __init__(self, keeper: Keeper, pool: Pool, hub: Hub, cache: Path | None) -> None:
        self._keeper, self._pool, self._hub, self._cache = keeper, pool, hub, cache
        self._shelf = Shelf()
        self._followed: dict[str, _Followed] = {}
        self._asked: dict[tuple[str, str], asyncio.Task[Columns]] = {}
        self._task: asyncio.Task[None] | None = None

    def open(self) -> None:
        """Begin to follow."""
        self._task = asyncio.create_task(self._go())

    async def close(self) -> None:
        """Follow no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def columns(self, entry: Entry) -> Columns:
        """The columns of a run, with what came since it was judged where it is followed."""
        held = self._shelf.get(entry.id, entry.lines)
        if held is not None:
            return held
        mark = (entry.id, entry.lines)
        if mark not in self._asked:
            # Whoever goes away meanwhile must not take it from the others.
            self._asked[mark] = asyncio.create_task(self._read(entry))
            self._asked[mark].add_done_callback(lambda _: self._asked.pop(mark, None))
        found = await asyncio.shield(self._asked[mark])
        followed = self._followed.get(entry.id)
        if followed is not None:
            _grow(found, followed.points)
        self._shelf.put(entry.id, mark[1], found)
        return found

    def follow(self, entry: Entry) -> None:
        """Somebody looks at a run."""
        self._followed.setdefault(entry.id, _Followed(entry))

    async def _read(self, entry: Entry) -> Columns:
        raw = entry.raw
        if raw is not None and raw.stored and self._cache is not None:
            try:
                return await asyncio.to_thread(load, self._cache / raw.stored)
            except (OSError, ValueError, KeyError):
                pass  # somebody cleared the cache
        found: Columns = await self._pool.ask("columns", ASKED, where=self._keeper.where(entry.unit), key=entry.key)
        return found

    async def _go(self) -> None:
        while True:
            for run_id, each in list(self._followed.items()):
                entry = self._keeper.entries.get(run_id)
                if not any(self._hub.listens(f"{run_id}:{lang}") for lang in LANGUAGES):
                    del self._followed[run_id]
                    continue
                if entry is None:
                    # Its folder went away; whoever looks sees it again should it come back.
                    self._followed[run_id] = _Followed(each.entry)
                    continue
                each.entry = entry
                try:
                    await self._look(each)
                except Exception:  # a log in the middle of being moved; the next look tells
                    continue
            await asyncio.sleep(_EVERY)

    async def _look(self, each: _Followed) -> None:
        raw = each.entry.raw
        if raw is None:
            return
        if raw.home is None:
            await self._look_again(each)
            return
        path = self._keeper.root / raw.home / FILE
        if each.offset < 0 and self._keeper.state(each.entry) != LIVE:
            each.offset = path.stat().st_size
        anew, lines = _news(path, each)
        if anew:
            self._begin_again(each)
        if lines:
            self._heard(each, lines)

    def _heard(self, each: _Followed, lines: list[bytes]) -> None:
        new: Points = {}
        for line in lines:
            try:
                record = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if fault_of(record) is not None:
                continue
            if record["kind"] == "resume":
                self._begin_again(each)
                new = {}
            elif record["kind"] == "request":
                self._tell_request(each.entry, record)
            _points(record, new)
        self._tell(each, new)

    def _begin_again(self, each: _Followed) -> None:
        """Rows were superseded: whoever draws them has to ask anew."""
        each.points.clear()
        each.told.clear()
        each.entry.step = -1
        self._shelf.drop(each.entry.id)
        for lang in LANGUAGES:
            self._hub.publish(f"{each.entry.id}:{lang}", "reset", {})

    async def _look_again(self, each: _Followed) -> None:
        """A log of another tool is read as a whole when it has changed; what is new in it is told."""
        if each.version == each.entry.lines:
            return
        columns = await self.columns(each.entry)
        first, each.version = not each.version, each.entry.lines
        new: Points = {}
        for name in ("train", "eval", "rate", "grad"):
            track = columns.tracks.get(name)
            if track is None or not track.size:
                continue
            after = each.told.get(name, -1)
            pick = track.step > after
            if not first:
                rows = zip(track.step[pick].tolist(), track.value[pick].tolist(), strict=True)
                new[name] = list(rows)[-_BUFFER:]
            each.told[name] = track.last
        if not first:
            self._tell(each, new)

    def _tell(self, each: _Followed, new: Points) -> None:
        news = {name: points for name, points in new.items() if points}
        if not news:
            return
        for name, points in news.items():
            each.points[name] = (each.points.get(name, []) + points)[-_BUFFER:]
        held = self._shelf.get(each.entry.id, each.entry.lines)
        if held is not None:
            _grow(held, news)
        each.entry.step = max(each.entry.step, *(points[-1][0] for points in news.values()))
        told = {
            name: {"x": [x for x, _ in points], "y": [_short(y) for _, y in points]} for name, points in news.items()
        }
        for lang in LANGUAGES:
            self._hub.publish(f"{each.entry.id}:{lang}", "tail", {"series": told, "step": each.entry.step})

    def _tell_request(self, entry: Entry, record: Mapping[str, Any]) -> None:
        for lang in LANGUAGES:
            channel = f"{entry.id}:{lang}"
            if self._hub.heeds(channel):
                self._hub.publish(channel, "control", heard(record, lang))


def _news(path: Path, each: _Followed) -> tuple[bool, list[bytes]]:
    """Whether the log was cut short or replaced since the last look, and the whole lines that were written since."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as handle:
        found = os.fstat(handle.fileno())
        size, anew = found.st_size, found.st_size < each.offset or each.file not in (0, found.st_ino)
        each.file = found.st_ino
        if each.offset < 0 or anew:
            each.offset = max(0, size - _BACK)
            handle.seek(each.offset)
            if each.offset:
                each.offset += len(handle.readline())
        if size <= each.offset:
            return anew, []
        handle.seek(each.offset)
        data = handle.read(_AT_ONCE)
    end = data.rfind(b"\n") + 1
    each.offset += end
    return anew, data[:end].splitlines()


def _points(record: Mapping[str, Any], into: Points) -> None:
    step = record["step"]
    if record["kind"] == "eval" and record.get("name", "eval") != "eval":
        return
    for key, name in _COLUMNS.get(record["kind"], {}).items():
        if key in record:
            into.setdefault(name, []).append((step, number(record[key])))


def _grow(columns: Columns, new: Mapping[str, list[tuple[int, float]]]) -> None:
    for name, points in new.items():
        track = columns.tracks.setdefault(name, Track([], []))
        for step, value in points:
            track.append(step, value)


def _short(value: float) -> float | None:
    return float(f"{value:.6g}") if abs(value) < 1e30 else None
