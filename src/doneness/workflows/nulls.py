"""The chosen checkpoint beside random adapters of its size, so that noise is not called change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from doneness.core import Message, say
from doneness.runs.probes import BASE, NULLS, ProbeTable
from doneness.workflows.engines import torch_maker
from doneness.workflows.subject import Subject

if TYPE_CHECKING:
    from doneness.probe.engine import Engine
    from doneness.probe.panel import Panel
    from doneness.workflows.asking import Questions


def told_of(subject: Subject, table: ProbeTable, chosen: int | None) -> tuple[Message, ...]:
    """What the null adapters leave as it was trained, where there is such a thing; or that there can be none."""
    from doneness.probe.null import kept_trained

    step = _step(table, chosen)
    if step is None:
        return (say("probing.null_none"),)
    kept = kept_trained(subject.checkpoints[step])
    return (say("choice.null.kept", count=kept),) if kept else ()


def beside_nulls(
    subject: Subject, asked: Questions, panel: Panel, table: ProbeTable, chosen: int | None, count: int
) -> ProbeTable:
    """The table with readings beside `count` null adapters of the chosen checkpoint, or of the last; else as it is.

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
    from doneness.probe.asking import CHEAP
    from doneness.probe.null import null_readings, write_null
    from doneness.probe.panel import Alone, Panel

    step = _step(table, chosen)
    if step is None:
        return table
    # The same seed makes the same adapter, so its answers are kept as any checkpoint's are.
    weights = {NULLS + seed: f"null {seed} of {panel.weights[step]}" for seed in range(count)}
    with TemporaryDirectory() as place:

        def engine() -> Engine:
            made = {s: write_null(subject.checkpoints[step], Path(place) / str(s), s - NULLS) for s in weights}
            return torch_maker(replace(subject, checkpoints=made), asked.asking.batch_size)()

        every = {BASE: panel.weights[BASE], **weights}
        nulls = Panel(Alone(engine), panel.probes, asked.asking, panel.store, every, panel.progress)
        nulls.ask(tuple(weights), asks=CHEAP)
    found = nulls.answers(tuple(weights), partial=True)
    answers = panel.answers((BASE, step), partial=True)
    told = null_readings(asked.measures, asked.probes, answers, [found[s] for s in weights], step)
    return replace(table, nulls=told)


def _step(table: ProbeTable, chosen: int | None) -> int | None:
    """None where the base model alone has answered, as a small budget may end it."""
    return chosen or max((s for s in table.steps if s != BASE), default=None)
