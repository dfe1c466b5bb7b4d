"""Why this checkpoint: the gain in what the run is for, under guards; else the earliest tied in loss.

Where a behaviour is the run's goal and some checkpoint is shown better than base in it, it decides: the earliest of
those that are as good as the best in it, and of those, where there are any, one that is tied in loss as well. Else loss
decides, in one place, `diagnose.recommend`. Guards rule out (`probe.vetoes`), and this module puts the outcome into
words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from doneness.core import Diagnosis, Message, Verdict, say
from doneness.probe.cells import to_show
from doneness.probe.phrases import amount, change, item, listed, title
from doneness.probe.vetoes import barred, unsure_guards
from doneness.runs.probes import BASE, Behaviour, Choice, ProbeTable, Standing, Turning
from doneness.runs.run import Run

__all__ = ["explain", "goal_of", "ruled_out"]

_MOST_TURNS = 3
_SIGN = {"higher": 1, "lower": -1}
Vetoes = Mapping[int, Message]


def goal_of(table: ProbeTable | None) -> tuple[Behaviour, Standing] | None:
    """The behaviour that is to decide, with how the checkpoints stand in it; None where no gain over base is shown.

    It is the one that was asked for, else the first goal that some checkpoint is shown better than base in.
    """
    if table is None:
        return None
    for behaviour in table.behaviours:
        found = table.standings.get(behaviour.name)
        if found is None or table.goal not in (None, behaviour.name):
            continue
        marks = (table.cell(behaviour.name, s) for s in found.candidates)
        if any(c is not None and c.mark == "better" for c in marks):
            return behaviour, found
    return None


def ruled_out(table: ProbeTable | None, tied: Sequence[int]) -> dict[int, Message]:
    """Steps that the guards rule out, each with the reason.

    Of those tied in loss, of those as good as the best in the goal, and of those whose place these took.

    Args:
        table: what the probes found; None where nothing was asked.
        tied: steps tied in loss.
    """
    if table is None:
        return {}
    found = goal_of(table)
    reasons = barred(table, sorted({*tied, *(found[1].equal if found else ())}))
    for behaviour in _goals(table):
        reasons |= _passed_over(table, behaviour)
        if found and behaviour.name == found[0].name:
            break
    return reasons


def _goals(table: ProbeTable) -> list[Behaviour]:
    return [b for b in table.behaviours if (b.name == table.goal if table.goal else b.goal)]


def _passed_over(table: ProbeTable, behaviour: Behaviour) -> dict[int, Message]:
    """Steps that are better than base in the behaviour and did not stand for it, each with the guard's reason."""
    stood = table.standings[behaviour.name].candidates if behaviour.name in table.standings else ()
    better = [c.step for c in table.cells if c.behaviour == behaviour.name and c.mark == "better"]
    return {s: why for step in better if step not in stood for s, why in barred(table, (step,)).items()}


def explain(diagnosis: Diagnosis, run: Run, table: ProbeTable | None, vetoed: Vetoes) -> Choice:
    """The checkpoint to keep, with the reasons in order of weight.

    Args:
        diagnosis: made with the steps of `vetoed` barred.
        run: the run.
        table: what the probes found; None where nothing was asked.
        vetoed: from `ruled_out`.
    """
    tied = diagnosis.sweet_spot.steps if diagnosis.sweet_spot else ()
    out = dict(vetoed)
    if run.exploratory:
        return Choice(None, None, (diagnosis.advice or diagnosis.headline,), tied, out)
    if diagnosis.verdict in (Verdict.BROKEN, Verdict.DIVERGED):
        return Choice(None, None, _why_none(diagnosis, tied, out), tied, out)
    found = goal_of(table)
    if table is not None and found is not None:
        pool = _on_disk(run, [s for s in found[1].equal if s not in out])
        if pool:
            both = [s for s in pool if s in tied]
            step = (both or pool)[0]
            reasons = _by_goal(step, *found, both, diagnosis)
            return _choice(step, reasons, diagnosis, run, table, out, found[0].name)
    step_by_loss = diagnosis.recommended_step
    if step_by_loss is None or step_by_loss == BASE:
        return Choice(None, None, _why_none(diagnosis, tied, out), tied, out)
    reasons = _by_loss(step_by_loss, tied, run)
    if table is not None and not any(_passed_over(table, b) for b in _goals(table)):
        reasons += _no_gain(table)
    return _choice(step_by_loss, reasons, diagnosis, run, table, out, None)


def _choice(
    step: int,
    reasons: list[Message],
    diagnosis: Diagnosis,
    run: Run,
    table: ProbeTable | None,
    vetoed: dict[int, Message],
    goal: str | None,
) -> Choice:
    tied = diagnosis.sweet_spot.steps if diagnosis.sweet_spot else ()
    checkpoint = next((c for c in run.checkpoints if c.step == step), None)
    path = _relative(checkpoint.path if checkpoint else None, run.path)
    reasons = [*reasons, *(vetoed[s] for s in sorted(vetoed)), *_probed(step, table)]
    undecided = {c.behaviour: c.needs for c in unsure_guards(table, step)} if table is not None else {}
    return Choice(step, path, tuple(reasons), tied, vetoed, goal, undecided)


def _on_disk(run: Run, steps: Sequence[int]) -> list[int]:
    there = {c.step for c in run.checkpoints if c.exists}
    return [s for s in steps if s in there] if there else list(steps)


def _by_goal(
    step: int, behaviour: Behaviour, found: Standing, both: Sequence[int], diagnosis: Diagnosis
) -> list[Message]:
    low, high = found.interval
    name = title(behaviour.name)
    gain = {key: change(behaviour, value) for key, value in (("gain", found.honest), ("low", low), ("high", high))}
    lines = [say("choice.goal", step=step, behaviour=name, **gain, n=found.n)]
    if abs(found.naive - found.honest) > 1e-9:
        luck = change(behaviour, found.naive - found.honest)
        lines.append(say("choice.optimism", naive=change(behaviour, found.naive), luck=luck))
    if len(found.tied) == 1:
        lines.append(say("choice.goal_alone", step=found.best, behaviour=name))
    else:
        lines.append(say("choice.goal_tied", behaviour=name, count=len(found.tied), best=found.best, step=step))
    spot = diagnosis.sweet_spot
    if both:
        lines.append(say("choice.goal_and_loss", step=step))
    elif spot is not None:
        lines.append(say("choice.goal_over_loss", behaviour=name, best=spot.best))
    return lines


def _no_gain(table: ProbeTable) -> list[Message]:
    """That a goal was there and showed nothing, with the questions that it would take."""
    rows = [b for b in table.behaviours if b.name in table.standings and table.goal in (None, b.name)]
    lines = []
    for behaviour in rows[:1]:
        standing = table.standings[behaviour.name]
        cell = table.cell(behaviour.name, standing.best)
        numbers: dict[str, object] = {"behaviour": title(behaviour.name), "n": standing.n, "step": standing.best}
        compared = sum(c.p is not None for c in table.cells)
        gains = cell is not None and cell.diff is not None and cell.diff * _SIGN.get(behaviour.better, 0) > 0
        needs = to_show(cell, compared) if cell is not None and gains else None
        if cell is not None and needs is not None:
            seen = change(behaviour, cell.diff or 0.0)
            lines.append(say("choice.no_gain_needs", **numbers, gain=seen, needs=needs))
        else:
            lines.append(say("choice.no_gain", **numbers))
    return lines


def _why_none(diagnosis: Diagnosis, tied: Sequence[int], vetoed: Vetoes) -> tuple[Message, ...]:
    if diagnosis.verdict in (Verdict.BROKEN, Verdict.DIVERGED):
        return (diagnosis.advice or diagnosis.headline,)
    if diagnosis.recommended_step == BASE:
        return (say("probe.choice.base_tied"),)
    if vetoed:
        return (say("choice.all_out", count=len(vetoed)), *(vetoed[s] for s in sorted(vetoed)))
    return (say("probe.choice.none_on_disk", count=len(tied)) if tied else say("probe.choice.no_spot"),)


def _by_loss(step: int, tied: Sequence[int], run: Run) -> list[Message]:
    there = _on_disk(run, tied)
    if step not in there:
        return [say("probe.choice.second_best", step=step)]
    if len(there) == 1:
        return [say("probe.choice.only", step=step)]
    if step == there[0]:
        return [say("probe.choice.earliest", step=step, count=len(there), last=there[-1])]
    return [say("probe.choice.earliest_allowed", step=step, count=len(there))]


def _probed(step: int, table: ProbeTable | None) -> list[Message]:
    """What the table says of the step: what is better for sure, where harm cannot be excluded, what turned."""
    if table is None:
        return [say("probe.choice.not_probed")]
    rows = {b.name: b for b in table.behaviours}
    column = [c for b in table.behaviours if (c := table.cell(b.name, step)) is not None]
    if not column:
        return [say("probe.choice.step_not_probed", step=step)]
    groups = (("better", [c for c in column if c.mark == "better"]), ("unsure", unsure_guards(table, step)))
    lines = [
        say(f"probe.choice.{key}", behaviours=listed([item(rows[c.behaviour], c) for c in cells]))
        for key, cells in groups
        if cells
    ]
    turned = [(rows[n], t) for n, t in table.turning.items() if t is not None and n in rows]
    return lines + [_turned(table, *each, step) for each in turned[:_MOST_TURNS]]


def _turned(table: ProbeTable, behaviour: Behaviour, turning: Turning, step: int) -> Message:
    """Where a behaviour went off; that the loss still fell is said only where it did."""
    best = table.cell(behaviour.name, turning.best) if turning.best is not None else None
    here = table.cell(behaviour.name, turning.step)
    name = title(behaviour.name)
    if best is None or here is None or turning.low is None or turning.high is None:
        return say("choice.turned_old", behaviour=name, step=turning.step)
    numbers: dict[str, object] = {
        "behaviour": name,
        "step": turning.step,
        "low": turning.low,
        "high": turning.high,
        "at": best.step,
        "best": amount(behaviour, best.value),
        "now": amount(behaviour, here.value),
    }
    if turning.loss_fell:
        return say("choice.turned_loss", **numbers, before=turning.loss_best, after=turning.loss_here)
    return say("choice.turned", **numbers)


def _relative(path: Path | None, folder: Path | None) -> str | None:
    if path is None:
        return None
    if folder is not None and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return str(path)
