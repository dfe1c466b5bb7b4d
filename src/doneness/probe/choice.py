"""Why this checkpoint: what the probes rule out, and the reasons for what is left.

Which checkpoint to keep is decided in one place, `diagnose.recommend`: the earliest of those tied
with the best in loss. This module tells it which steps the probes bar, and puts the outcome into
words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doneness.core import Diagnosis, Message, Verdict, say
from doneness.curves.shares import holm
from doneness.runs.probes import BASE, Cell, Choice, ProbeTable
from doneness.runs.run import Run


def barred(table: ProbeTable | None, tied: Sequence[int]) -> dict[int, Message]:
    """Steps among the tied that are not to be recommended, each with the reason.

    A guard vetoes when harm against base is shown: worse at 95 %, and still so after Holm's
    correction over all guards of all tied checkpoints. One that cannot tell does not veto. Once one
    checkpoint is vetoed, those that were never asked are barred too: nothing reads as good by
    being absent.
    """
    if table is None:
        return {}
    guards = [b.name for b in table.behaviours if b.guard]
    found = [c for s in tied if s != BASE for g in guards if (c := table.cell(g, s)) is not None]
    tested = [c for c in found if c.p is not None]
    shown = holm([c.p for c in tested if c.p is not None])
    reasons: dict[int, Message] = {}
    for cell, sure in zip(tested, shown, strict=True):
        if sure and cell.mark == "worse":
            reasons.setdefault(cell.step, _veto(cell))
    if reasons:
        asked = {c.step for c in found}
        reasons |= {s: say("probe.choice.unasked", step=s) for s in tied if s != BASE and s not in asked}
    return reasons


def explain(diagnosis: Diagnosis, run: Run, table: ProbeTable | None, vetoed: dict[int, Message]) -> Choice:
    """The recommendation of `diagnosis` as a choice, with its reasons in order of weight.

    Args:
        diagnosis: made with the steps of `vetoed` barred.
        run: the run.
        table: what the probes found; None where nothing was asked.
        vetoed: from `barred`.
    """
    tied = diagnosis.sweet_spot.steps if diagnosis.sweet_spot else ()
    step = diagnosis.recommended_step
    if run.exploratory:
        return Choice(None, None, (diagnosis.advice or diagnosis.headline,), tied, vetoed)
    if step is None or step == BASE or diagnosis.verdict in (Verdict.BROKEN, Verdict.DIVERGED):
        return Choice(None, None, _why_none(diagnosis, tied, vetoed), tied, vetoed)
    checkpoint = next((c for c in run.checkpoints if c.step == step), None)
    path = checkpoint.path if checkpoint else None
    return Choice(step, _relative(path, run.path), _reasons(step, tied, vetoed, table, run), tied, vetoed)


def _veto(cell: Cell) -> Message:
    low, high = cell.diff_interval or (cell.diff or 0.0, cell.diff or 0.0)
    return say(
        "probe.choice.veto",
        step=cell.step,
        behaviour=say(f"probe.{cell.behaviour}.title"),
        diff=cell.diff or 0.0,
        low=low,
        high=high,
        n=cell.n,
    )


def _why_none(diagnosis: Diagnosis, tied: Sequence[int], vetoed: dict[int, Message]) -> tuple[Message, ...]:
    if diagnosis.verdict in (Verdict.BROKEN, Verdict.DIVERGED):
        return (diagnosis.advice or diagnosis.headline,)
    if diagnosis.recommended_step == BASE:
        return (say("probe.choice.base_tied"),)
    if vetoed:
        return (say("probe.choice.all_vetoed", count=len(tied)), *vetoed.values())
    return (say("probe.choice.none_on_disk", count=len(tied)) if tied else say("probe.choice.no_spot"),)


def _reasons(
    step: int, tied: Sequence[int], vetoed: dict[int, Message], table: ProbeTable | None, run: Run
) -> tuple[Message, ...]:
    on_disk = {c.step for c in run.checkpoints if c.exists}
    candidates = [s for s in tied if s in on_disk] if on_disk else list(tied)
    reasons: list[Message] = []
    if step not in candidates:
        reasons.append(say("probe.choice.second_best", step=step))
    elif len(candidates) == 1:
        reasons.append(say("probe.choice.only", step=step))
    elif step == candidates[0]:
        reasons.append(say("probe.choice.earliest", step=step, count=len(candidates), last=candidates[-1]))
    else:
        reasons.append(say("probe.choice.earliest_allowed", step=step, count=len(candidates)))
    reasons += [vetoed[s] for s in sorted(vetoed)]
    if table is None:
        return (*reasons, say("probe.choice.not_probed"))
    column = [c for b in table.behaviours if (c := table.cell(b.name, step)) is not None]
    if not column:
        return (*reasons, say("probe.choice.step_not_probed", step=step))
    return (*reasons, *_behaviours(column, {b.name for b in table.behaviours if b.guard}))


def _behaviours(column: Sequence[Cell], guards: set[str]) -> list[Message]:
    """What is better for sure (Holm over the column), and where harm cannot be excluded."""
    tested = [c for c in column if c.p is not None and c.mark in ("better", "worse", "same", "unsure")]
    shown = holm([c.p for c in tested if c.p is not None])
    better = [c.behaviour for c, sure in zip(tested, shown, strict=True) if sure and c.mark == "better"]
    unsure = [c.behaviour for c in column if c.mark == "unsure" and c.behaviour in guards]
    lines = [("better", better), ("unsure", unsure)]
    by_name = {c.behaviour: c for c in column}
    return [
        say(f"probe.choice.{key}", behaviours=_listed([by_name[n] for n in names])) for key, names in lines if names
    ]


def _listed(cells: Sequence[Cell]) -> Message:
    """Titles with both numbers, so that nobody has to look up which way a behaviour went."""
    items = [_item(cell) for cell in cells]
    joined = items[0]
    for item in items[1:]:
        joined = say("probe.choice.join", left=joined, right=item)
    return joined


def _item(cell: Cell) -> Message:
    title = say(f"probe.{cell.behaviour}.title")
    return say("probe.choice.item", behaviour=title, base=cell.value - (cell.diff or 0.0), now=cell.value, n=cell.n)


def _relative(path: Path | None, folder: Path | None) -> str | None:
    if path is None:
        return None
    if folder is not None and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return str(path)
