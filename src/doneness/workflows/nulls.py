"""The chosen checkpoint beside random adapters of its size, so that noise is not called change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from doneness.core import Message, say
from doneness.runs.probes import BASE, ProbeTable
from doneness.workflows.engines import torch_maker
from doneness.workflows.subject import Subject

if TYPE_CHECKING:
    from doneness.probe.panel import Panel
    from doneness.workflows.asking import Questions

_FROM = 10**9  # steps of null adapters, which no run has


def told_of(subject: Subject, table: ProbeTable, chosen: int | None) -> tuple[Message, ...]:
    """What the null adapters leave as it was trained, where there is such a thing."""
    from doneness.probe.null import kept_trained

    kept = kept_trained(subject.checkpoints[_step(table, chosen)])
    return (say("choice.null.kept", count=kept),) if kept else ()


def beside_nulls(
    subject: Subject, asked: Questions, panel: Panel, table: ProbeTable, chosen: int | None, count: int
) -> ProbeTable:
    """The table with readings beside `count` null adapters of the chosen checkpoint, or of the last.

    Args:
        subject: the run.
        asked: its questions.
        panel: what was answered.
        table: of those answers.
        chosen: the step to read beside them.
        count: at least two.

    Raises:
        DataError: that checkpoint is no LoRA adapter.
    """
    from doneness.probe.null import ask_null, null_readings, write_null

    step = _step(table, chosen)
    with TemporaryDirectory() as place:
        made = {
            _FROM + seed: write_null(subject.checkpoints[step], Path(place) / str(seed), seed) for seed in range(count)
        }
        engine = torch_maker(replace(subject, checkpoints=made), asked.asking.batch_size)()
        nulls = ask_null(engine, tuple(made), asked.probes, asked.asking)
    answers = panel.answers((BASE, step), partial=True)
    return replace(table, nulls=null_readings(asked.measures, asked.probes, answers, nulls, step))


def _step(table: ProbeTable, chosen: int | None) -> int:
    return chosen or max(s for s in table.steps if s != BASE)
