"""That somebody listens where the judge is said to be, seen once and only where something is left for it to grade.

A judge that is not there must not come to light after hours of asking; nor may it end a probing whose answers and
gradings are all on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from doneness.runs.probes import BASE

if TYPE_CHECKING:
    from doneness.probe.asking import Job
    from doneness.probe.judge import Judge
    from doneness.probe.panel import Panel, Pool
    from doneness.probe.store import Part
    from doneness.probe.suite import Probe
    from doneness.workflows.asking import Questions


def looked_for(panel: Panel, asked: Questions, steps: Sequence[int]) -> None:
    """From now on the first answer to be graded that is asked for, or graded anew, ends all where no judge listens.

    Args:
        panel: does the asking.
        asked: the questions, and the judge.
        steps: which checkpoints are to be asked at least.
    """
    if asked.judge is not None:
        asked.judge.unseen = True
        panel.pool = _Looking(panel, asked, asked.judge, steps)


class _Looking:
    """A pool that looks for the judge before it does the first job that may lead to a grading."""

    def __init__(self, panel: Panel, asked: Questions, judge: Judge, steps: Sequence[int]) -> None:
        self._panel, self._pool, self._asked, self._judge = panel, panel.pool, asked, judge
        self._steps = (BASE, *(s for s in steps if s != BASE))
        self._names = {m.behaviour.name for m in asked.measures}
        self._begun = False

    def run(self, jobs: Iterable[Job]) -> Iterator[tuple[Job, list[Part]]]:
        """As the pool does."""
        pool: Pool = self._pool
        return pool.run(self._seen(jobs))

    def close(self) -> None:
        """Let go of what the pool started."""
        self._pool.close()

    def _seen(self, jobs: Iterable[Job]) -> Iterator[Job]:
        for job in jobs:
            # Something is asked: what else will be is looked at once, so that nobody waits for the news.
            if not self._begun and any(self._lacking(step) for step in self._steps):
                self._judge.reach()
            self._begun = True
            if job.ask == "answer" and any(self._graded(probe, job.step) for probe in job.probes):
                self._judge.reach()
            yield job

    def _lacking(self, step: int) -> bool:
        """Whether an answer that would be graded is not there yet."""
        graded = [probe for probe in self._asked.probes if self._graded(probe, step)]
        return bool(self._panel.lacking(step, graded, ("answer",)))

    def _graded(self, probe: Probe, step: int) -> bool:
        from doneness.probe.behaviours import task_rubric, wins

        # The base model's answers are not held against themselves.
        rubric = "task_rubric" in self._names and task_rubric.bears(probe)
        return rubric or ("wins" in self._names and step != BASE and wins.bears(probe))
