"""Asks checkpoints and the base model the same questions, in batches, and keeps every answer as soon as it is there.

What was answered before, in this folder and to these weights, is never asked again. Of neighbouring checkpoints the
earlier one's answers are handed to the later as drafts, which an engine may use to answer sooner and never otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from doneness.core import DonenessError, tr
from doneness.probe.asking import CHEAP, Asking, Job, asks_of, execute, key_of, worded
from doneness.probe.engine import Engine
from doneness.probe.store import Part, Store
from doneness.probe.suite import Probe
from doneness.runs.probes import BASE, Answer, save_answers

# step, questions answered, questions in all
Progress = Callable[[int, int, int], None]

_BATCHES = 2  # in one job: it is what a kill can cost, and what an engine can sort by length
_FIRST = ("options", "nll", "kl", "shaken", "answer", "samples")


class Pool(Protocol):
    """Whatever does jobs: one engine here, or many workers elsewhere."""

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, list[Part]]]:
        """Do every job once, in whatever order, and give each back with what came of it."""
        ...

    def close(self) -> None:
        """Let go of what was started."""
        ...


class Alone:
    """One engine in this process, made when there is something to do.

    Attributes:
        working: told of the progress within a job: the job, and how many of its probes are done.
    """

    def __init__(self, engine: Callable[[], Engine]) -> None:
        self._make = engine
        self._engine: Engine | None = None
        self.working: Callable[[Job, int], None] = lambda job, done: None

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, list[Part]]]:
        """One after the other; jobs are taken as they are done, so that drafts are of what came before."""
        for job in jobs:
            self._engine = self._engine or self._make()
            yield job, execute(self._engine, job, lambda done, job=job: self.working(job, done))  # type: ignore[misc]

    def close(self) -> None:
        """Nothing was started."""


class Panel:
    """The questions of one run folder, and what its checkpoints answered so far.

    Args:
        pool: does the asking.
        probes: the questions, in the order in which they are to be asked.
        asking: how they are put.
        store: where answers are kept.
        weights: the hash of each step's weights; 0 is the base model.
        progress: told of every batch.
    """

    def __init__(
        self,
        pool: Pool,
        probes: Sequence[Probe],
        asking: Asking,
        store: Store,
        weights: Mapping[int, str],
        progress: Progress = lambda step, done, total: None,
    ) -> None:
        self.pool, self.probes, self.asking, self.store = pool, tuple(probes), asking, store
        self.weights = dict(weights)
        self.progress = progress
        self._keys: dict[tuple[int, str, str], str] = {}
        self.written = 0  # new tokens that were generated here
        if isinstance(pool, Alone):
            pool.working = lambda job, done: self._tell(job.step, done)
        self._asked: dict[int, set[str]] = {}
        self._done: dict[int, int] = {}

    @property
    def steps(self) -> tuple[int, ...]:
        """All that can be asked, the base model first."""
        return tuple(sorted(self.weights))

    def key(self, step: int, probe: Probe, ask: str) -> str:
        """Under which an answer is stored."""
        place = step, probe.id, ask
        if place not in self._keys:
            self._keys[place] = key_of(self.weights[step], ask, probe, self.asking, self.weights.get(BASE, ""))
        return self._keys[place]

    def lacking(self, step: int, probes: Iterable[Probe], asks: Sequence[str]) -> list[tuple[Probe, str]]:
        """What is not yet known of a step, kind by kind."""
        return [
            (probe, ask)
            for ask in asks
            for probe in probes
            if ask in asks_of(probe) and self.key(step, probe, ask) not in self.store
        ]

    def ask(
        self,
        steps: Sequence[int],
        probes: Sequence[Probe] | None = None,
        asks: Sequence[str] = (*CHEAP, "answer", "samples", "turns"),
        enough: Callable[[Job], bool] = lambda job: False,
    ) -> bool:
        """Ask `steps`, in their order, what is not yet known; every job's answers are kept before the next is begun.

        Args:
            steps: which checkpoints; 0 is the base model.
            probes: which questions; all where it is None.
            asks: which kinds.
            enough: whether to stop before this job.

        Returns:
            Whether everything was asked.
        """
        chosen = self.probes if probes is None else tuple(probes)
        self.store.refresh()
        self.expect(steps, chosen, asks)
        whole = True
        # Turns go on from answers, which therefore come first.
        for wave in ([ask for ask in asks if ask in _FIRST], [ask for ask in asks if ask == "turns"]):
            whole = whole and self._wave(steps, chosen, wave, enough)
        return whole

    def _wave(
        self, steps: Sequence[int], probes: Sequence[Probe], asks: Sequence[str], enough: Callable[[Job], bool]
    ) -> bool:
        stopped = False

        def jobs() -> Iterator[Job]:
            nonlocal stopped
            for step in steps:
                for ask in asks:
                    for job in self._jobs(step, probes, ask):
                        if enough(job):
                            stopped = True
                            return
                        yield job

        try:
            for job, parts in self.pool.run(jobs()):
                self.store.put(parts)
                self.written += sum(int(part.value.get("tokens", 0)) for part in parts)
                self._done[job.step] = self._done.get(job.step, 0) + len(parts)
                self._tell(job.step, 0)
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise
            raise DonenessError(tr("probing.memory", batch=self.asking.batch_size)) from error
        return not stopped

    def _jobs(self, step: int, probes: Sequence[Probe], ask: str) -> Iterator[Job]:
        """What is to be asked of one kind, in batches of like length and equal limits."""
        missing = [probe for probe, _ in self.lacking(step, probes, (ask,))]
        if ask == "turns":
            missing = [probe for probe in missing if self.key(step, probe, "answer") in self.store]

        def like(probe: Probe) -> tuple[int, int]:
            return self.asking.limit(probe), probe.samples if ask == "samples" else 0

        for _, group in groupby(sorted(missing, key=like), like):
            some = sorted(group, key=lambda probe: len(probe.prompt) + len(probe.text))
            size = self.asking.batch_size * _BATCHES
            for begin in range(0, len(some), size):
                # Another process may have asked it meanwhile.
                self.store.refresh()
                batch = [p for p in some[begin : begin + size] if self.key(step, p, ask) not in self.store]
                if batch:
                    yield self._job(step, ask, batch)

    def _job(self, step: int, ask: str, probes: Sequence[Probe]) -> Job:
        drafts: tuple[Any, ...] = ()
        if ask in ("answer", "turns"):
            drafts = tuple(self._draft(step, probe, ask) for probe in probes)
        first: tuple[str, ...] = ()
        if ask == "turns":
            found = [self.store.get(self.key(step, probe, "answer")) for probe in probes]
            first = tuple(str(each["text"]) for each in found if each is not None)
        keys = tuple(self.key(step, probe, ask) for probe in probes)
        return Job(step, ask, tuple(probes), keys, self.asking, drafts, first)

    def _draft(self, step: int, probe: Probe, ask: str) -> Any:
        """The tokens of the nearest checkpoint before that answered, else of the nearest after."""
        field = "ids" if ask == "answer" else "turn_ids"
        for other in sorted(self.weights, key=lambda s: (s > step, abs(s - step))):
            found = None if other == step else self.store.get(self.key(other, probe, ask))
            if found is not None and found[field]:
                return tuple(found[field])
        return ()

    def answers(self, steps: Iterable[int] | None = None, partial: bool = False) -> dict[int, list[Answer]]:
        """What is known, by step and in the order of the probes.

        Args:
            steps: which; those of which anything is known where it is None.
            partial: also tell of probes of which something that was to be asked is missing; else they are left out,
                so that nobody takes what was never asked for an empty answer.
        """
        wanted = self.steps if steps is None else tuple(steps)
        found = {step: [a for p in self.probes if (a := self._answer(step, p, partial)) is not None] for step in wanted}
        return {step: answers for step, answers in found.items() if answers or steps is not None}

    def _answer(self, step: int, probe: Probe, partial: bool) -> Answer | None:
        asked = asks_of(probe)
        found = {ask: self.store.get(self.key(step, probe, ask)) for ask in asked}
        known = {ask: value for ask, value in found.items() if value is not None}
        if not known or (len(known) < len(asked) and not partial):
            return None
        data: dict[str, Any] = {"text": "", "tokens": 0, "confidence": 0.0, "capped": False}
        for value in known.values():
            fields = {k: v for k, v in value.items() if k not in ("ids", "turn_ids")}
            data |= {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        data["asked"] = worded(probe, bool({"nll", "kl", "shaken"} & set(known)))
        return Answer(probe.id, step, **data)

    def view(self, run: Path, order: Sequence[Probe] = ()) -> None:
        """Write probes/answers/step-*.jsonl, which readers without the store look at, in the order of the suite."""
        place = {probe.id: i for i, probe in enumerate(order)}
        for step, found in self.answers().items():
            answers = sorted(found, key=lambda answer: place.get(answer.id, 0))
            save_answers(run, step, answers, {"weights": self.weights[step], "system": self.asking.system})

    def expect(self, steps: Iterable[int], probes: Sequence[Probe], asks: Sequence[str]) -> None:
        """Count what may be asked of `steps`, so that progress is told of all of it and never runs backwards."""
        for step in steps:
            total = self._asked.setdefault(step, set())
            total |= {self.key(step, probe, ask) for probe in probes for ask in asks_of(probe) if ask in asks}
            self._done[step] = sum(key in self.store for key in total)
            self._tell(step, 0)

    def _tell(self, step: int, more: int) -> None:
        total = len(self._asked.get(step, ()))
        self.progress(step, min(total, self._done.get(step, 0) + more), total)


def pick_checkpoints(existing: Sequence[int], wanted: int, must: Sequence[int] = ()) -> tuple[int, ...]:
    """Which checkpoints to ask: those that must be, then evenly over the rest, first and last included.

    Args:
        existing: steps with a checkpoint on disk.
        wanted: how many at most, though never fewer than `must`.
        must: steps that carry the decision (the tied ones).
    """
    steps = sorted(set(existing))
    if len(steps) <= wanted:
        return tuple(steps)
    picked = {s for s in must if s in steps} | {steps[-1]}
    while len(picked) < wanted:
        # the step farthest, in rank, from any that is picked already
        rank = {s: i for i, s in enumerate(steps)}
        rest = [s for s in steps if s not in picked]
        picked.add(max(rest, key=lambda s: (min(abs(rank[s] - rank[p]) for p in picked), s)))
    return tuple(sorted(picked))
