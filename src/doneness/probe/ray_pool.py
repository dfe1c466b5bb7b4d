"""Spreads questions over the workers of a Ray cluster; a worker that dies costs its batch, which another one is given.

Workers only answer. What they answer is kept by the process that asked, under its content hash, so nothing is lost
where a worker dies and nothing is kept twice where two answered the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from doneness.core import DonenessError, tr
from doneness.core.extras import optional
from doneness.probe.asking import Job, execute
from doneness.probe.engine import Engine
from doneness.probe.store import Part

_LIVES = 3  # a batch that this many workers died of is what kills them


class Worker:
    """One engine in a process of its own, made with the first batch."""

    def __init__(self, engine: Callable[[], Engine], threads: int) -> None:
        self._make, self._threads = engine, threads
        self._engine: Engine | None = None

    def work(self, job: Job) -> list[Part]:
        """Answer one batch."""
        if self._engine is None:
            from doneness.models import require

            require("torch").set_num_threads(self._threads)
            self._engine = self._make()
        return execute(self._engine, job)


class RayPool:
    """A `Pool` over a Ray cluster.

    Args:
        engine: makes an engine on a worker; every machine of the cluster must see the model and the checkpoints by
            the same paths.
        address: of the cluster; empty takes the one that RAY_ADDRESS names or that runs here, else starts one here.
        workers: how many; 0 takes one for each GPU, and without any one for every two processors.

    Raises:
        MissingExtraError: Ray is not installed.
        DonenessError: no cluster at that address.
    """

    def __init__(self, engine: Callable[[], Engine], address: str = "", workers: int = 0) -> None:
        self._ray: Any = optional("ray", "ray")
        self._engine = engine
        self._own = not self._ray.is_initialized()
        if self._own:
            where = {"address": address} if address else {}
            try:
                self._ray.init(**where, log_to_driver=False, include_dashboard=False if not address else None)
            except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
                reason = " ".join(str(error).split())[:200]
                raise DonenessError(tr("probing.ray_none", address=address or "-", reason=reason)) from error
        there = self._ray.cluster_resources()
        gpus, cpus = int(there.get("GPU", 0)), int(there.get("CPU", 1))
        self._count = workers or gpus or max(1, cpus // 2)
        threads = max(1, cpus // self._count)
        needs = {"num_gpus": 1} if gpus and self._count <= gpus else {"num_cpus": min(threads, cpus)}
        self._threads = threads
        self._kind = self._ray.remote(**needs, max_restarts=0, max_task_retries=0)(Worker)
        self._idle: list[Any] = []
        self._all: list[Any] = []

    @property
    def workers(self) -> list[Any]:
        """Handles of the workers that were started and not seen to die."""
        return list(self._all)

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, list[Part]]]:
        """Do every job once; in whatever order the workers come back."""
        busy: dict[Any, tuple[Any, Job, int]] = {}
        try:
            for job in jobs:
                while not self._idle and len(self._all) >= self._count:
                    yield from self._finished(busy)
                self._give(busy, job, 1)
            while busy:
                yield from self._finished(busy)
        finally:
            for reference in busy:
                with contextlib.suppress(Exception):
                    self._ray.cancel(reference)
            self._idle += [worker for worker, _, _ in busy.values()]

    def close(self) -> None:
        """End the workers, and the cluster where it was started here."""
        for worker in self._all:
            with contextlib.suppress(Exception):
                self._ray.kill(worker)
        self._all, self._idle = [], []
        if self._own:
            self._ray.shutdown()

    def _give(self, busy: dict[Any, tuple[Any, Job, int]], job: Job, life: int) -> None:
        if not self._idle:
            worker = self._kind.remote(self._engine, self._threads)
            self._all.append(worker)
        else:
            worker = self._idle.pop()
        busy[worker.work.remote(job)] = worker, job, life

    def _finished(self, busy: dict[Any, tuple[Any, Job, int]]) -> Iterator[tuple[Job, list[Part]]]:
        """Wait for one worker; give the batch of one that died to another."""
        ready, _ = self._ray.wait(list(busy), num_returns=1)
        worker, job, life = busy.pop(ready[0])
        faults = self._ray.exceptions
        try:
            parts = self._ray.get(ready[0])
        except (faults.RayActorError, faults.WorkerCrashedError, faults.ObjectLostError) as error:
            self._all.remove(worker)
            with contextlib.suppress(Exception):
                self._ray.kill(worker)
            if life >= _LIVES:
                reason = " ".join(str(error).split())[:200]
                raise DonenessError(tr("probing.ray_deaths", step=job.step, count=life, reason=reason)) from error
            self._give(busy, job, life + 1)
            return
        except faults.RayTaskError as error:
            # What went wrong on the worker is told as it would be here.
            cause = getattr(error, "cause", None)
            raise (cause if isinstance(cause, Exception) else error) from None
        self._idle.append(worker)
        yield job, parts
