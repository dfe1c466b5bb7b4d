"""Processes that read and judge runs, so that neither a long nor a broken log ever holds up a page."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doneness.core import DonenessError, tr
from doneness.web.wire import HEAD, MOST, packed, unpacked

ASKED, SOON, BEHIND = 0, 1, 2  # somebody waits for it; it changed under somebody's eyes; nobody waits
_LIMIT = 600.0  # seconds for one job


class JobError(DonenessError):
    """A job that failed: the worker's own sentence."""


@dataclass(order=True)
class _Job:
    urgency: int
    number: int
    name: str = field(compare=False)
    arguments: Mapping[str, Any] = field(compare=False)
    answer: asyncio.Future[Any] = field(compare=False)


def most_workers() -> int:
    """One for what somebody waits for, and as many again as the machine can spare, up to three."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        cores = os.cpu_count() or 1
    return max(2, min(4, cores))


class Pool:
    """Hands jobs to workers, the urgent ones first.

    The first worker is for what somebody waits for alone; the others step back behind everything else on the machine,
    a training above all, and help where the first one is busy.

    A worker that dies takes one job with it, is replaced, and the job's caller is told.
    """

    def __init__(self, command: Sequence[str], size: int | None = None) -> None:
        self._command = list(command)
        self._size = size or most_workers()
        self._waiting: list[_Job] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Condition()
        self._first_busy = False
        self._tasks: list[asyncio.Task[None]] = []
        self._closed = False

    async def open(self) -> None:
        """Start; processes come with their first job."""
        self._tasks = [asyncio.create_task(self._serve(place)) for place in range(self._size)]

    async def close(self) -> None:
        """End all workers; who still waits is told."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for job in self._waiting:
            if not job.answer.done():
                job.answer.cancel()
        self._waiting.clear()

    async def ask(self, name: str, urgency: int = ASKED, **arguments: Any) -> Any:
        """What the worker answers.

        Raises:
            JobError: with the worker's sentence, or that it died.
        """
        if self._closed:
            raise JobError(tr("web.closing"))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        async with self._wake:
            heapq.heappush(self._waiting, _Job(urgency, next(self._numbers), name, arguments, answer))
            self._wake.notify_all()
        return await answer

    def _next(self, place: int) -> _Job | None:
        while self._waiting and self._waiting[0].answer.done():
            heapq.heappop(self._waiting)
        if not self._waiting:
            return None
        behind = self._waiting[0].urgency == BEHIND
        # Else the other kind of worker is there for it.
        if behind is (place == 0) or (not behind and place > 0 and not self._first_busy):
            return None
        return heapq.heappop(self._waiting)

    async def _serve(self, place: int) -> None:
        process: asyncio.subprocess.Process | None = None
        try:
            while True:
                async with self._wake:
                    while (job := self._next(place)) is None:
                        await self._wake.wait()
                    self._note(place, busy=True)
                try:
                    process = await self._done(job, process, place)
                finally:
                    async with self._wake:
                        self._note(place, busy=False)
        finally:
            await _end(process)

    def _note(self, place: int, busy: bool) -> None:
        if place == 0:
            self._first_busy = busy
        self._wake.notify_all()

    async def _done(
        self, job: _Job, process: asyncio.subprocess.Process | None, place: int
    ) -> asyncio.subprocess.Process | None:
        """Do a job; the process that did it, None where it is not to be used again."""
        if process is None or process.returncode is not None:
            process = await self._started(place)
        try:
            async with asyncio.timeout(_LIMIT):
                told, result, again = await _exchange(process, (job.name, dict(job.arguments)))
        except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError):
            await _end(process)
            _answer(job, JobError(tr("web.worker_died")))
            return None
        except asyncio.CancelledError:
            job.answer.cancel()
            await _end(process)
            raise
        _answer(job, result if told == "done" else JobError(str(result)))
        if not again:
            await _end(process)
            return None
        return process

    async def _started(self, place: int) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *self._command,
            *(["behind"] if place else []),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=1 << 20,
        )


def _answer(job: _Job, result: Any) -> None:
    if job.answer.done():
        return
    if isinstance(result, Exception):
        job.answer.set_exception(result)
    else:
        job.answer.set_result(result)


async def _exchange(process: asyncio.subprocess.Process, message: Any) -> tuple[str, Any, bool]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(packed(message))
    await process.stdin.drain()
    (size,) = HEAD.unpack(await process.stdout.readexactly(HEAD.size))
    if size > MOST:
        raise EOFError("a message too long")
    told, result, again = unpacked(await process.stdout.readexactly(size))
    return told, result, again


async def _end(process: asyncio.subprocess.Process | None) -> None:
    if process is None or process.returncode is not None:
        return
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(1.0):
            await process.wait()
    except (TimeoutError, asyncio.CancelledError):
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
