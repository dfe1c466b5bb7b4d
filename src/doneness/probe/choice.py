"""Which checkpoint to keep: the earliest of those tied with the best, unless a behaviour forbids it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from doneness.core import Message, say
from doneness.runs.probes import BASE, Choice, ProbeTable
from doneness.runs.run import Checkpoint


def choose(
    tied: Sequence[int], checkpoints: Sequence[Checkpoint], table: ProbeTable | None, folder: Path | None
) -> Choice:
    """The earliest checkpoint on disk that is tied with the best in loss and breaks no guard.

    Where the base model itself is tied, nothing that was trained is recommended. A guard vetoes when
    harm against base is shown; one that cannot tell does not veto and is named
    in the reasons. Where every tied checkpoint is vetoed, none is recommended.

    Args:
        tied: steps whose evaluation loss is statistically tied with the best.
        table: what the probes found; None where nothing was asked.
    """
    if BASE in tied:
        return Choice(None, None, (say("probe.choice.base_tied"),), tuple(tied), {})
    on_disk = {c.step: c for c in checkpoints if c.exists}
    candidates = sorted(s for s in tied if s in on_disk)
    if not candidates:
        reason = say("probe.choice.none_on_disk", count=len(tied)) if tied else say("probe.choice.no_spot")
        return Choice(None, None, (reason,), tuple(tied), {})
    vetoed = {s: m for s in candidates if (m := _veto(table, s)) is not None}
    allowed = [s for s in candidates if s not in vetoed]
    if not allowed:
        reasons = (say("probe.choice.all_vetoed", count=len(candidates)), *vetoed.values())
        return Choice(None, None, reasons, tuple(tied), vetoed)
    step = allowed[0]
    reasons = _reasons(step, candidates, vetoed, table)
    return Choice(step, _relative(on_disk[step], folder), reasons, tuple(tied), vetoed)


def _veto(table: ProbeTable | None, step: int) -> Message | None:
    if table is None:
        return None
    for behaviour in table.behaviours:
        cell = table.cell(behaviour.name, step)
        if behaviour.guard and cell is not None and cell.mark == "worse" and cell.diff_interval:
            return say(
                "probe.choice.veto",
                step=step,
                behaviour=say(f"probe.{behaviour.name}.title"),
                diff=cell.diff,
                low=cell.diff_interval[0],
                high=cell.diff_interval[1],
                n=cell.n,
            )
    return None


def _reasons(
    step: int, candidates: Sequence[int], vetoed: dict[int, Message], table: ProbeTable | None
) -> tuple[Message, ...]:
    reasons: list[Message] = []
    if len(candidates) == 1:
        reasons.append(say("probe.choice.only", step=step))
    elif step == candidates[0]:
        reasons.append(say("probe.choice.earliest", step=step, count=len(candidates), last=candidates[-1]))
    else:
        reasons.append(say("probe.choice.earliest_allowed", step=step, count=len(candidates)))
    reasons += [vetoed[s] for s in sorted(vetoed)]
    if table is None:
        return (*reasons, say("probe.choice.not_probed"))
    if all(table.cell(b.name, step) is None for b in table.behaviours):
        return (*reasons, say("probe.choice.step_not_probed", step=step))
    for mark in ("better", "unsure"):
        shown = [b for b in table.behaviours if b.guard or mark == "better"]
        named = [b.name for b in shown if (c := table.cell(b.name, step)) and c.mark == mark]
        if named:
            reasons.append(say(f"probe.choice.{mark}", behaviours=_listed(named)))
    return tuple(reasons)


def _listed(names: Sequence[str]) -> Message:
    """The titles as one message, joined in the reader's language."""
    joined = say(f"probe.{names[0]}.title")
    for name in names[1:]:
        joined = say("probe.choice.join", left=joined, right=say(f"probe.{name}.title"))
    return joined


def _relative(checkpoint: Checkpoint, folder: Path | None) -> str | None:
    if checkpoint.path is None:
        return None
    if folder is not None and checkpoint.path.is_relative_to(folder):
        return str(checkpoint.path.relative_to(folder))
    return str(checkpoint.path)
