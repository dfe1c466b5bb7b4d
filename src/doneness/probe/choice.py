"""Why this checkpoint: the gain in what the run is for, under guards; else the earliest tied in loss.

Where a behaviour is the run's goal and some checkpoint is shown better than base in it, it decides: the earliest of
those that are as good as the best in it, and of those, where there are any, one that is tied in loss as well. Where
none of them is, the loss decides among those that the goal cannot tell from its best and whose value is within the
margin of its. Without such a goal loss decides, in one place, `diagnose.recommend`. Guards rule out (`probe.vetoes`),
and this module puts the outcome into words.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from doneness.core import Diagnosis, Message, Verdict, say
from doneness.probe.cells import to_show
from doneness.probe.phrases import amount, apart, change, item, listed, title
from doneness.probe.vetoes import barred, unsure_guards
from doneness.runs.probes import BASE, Behaviour, Choice, ProbeTable, Standing, Turning
from doneness.runs.run import Run

__all__ = ["explain", "goal_of", "left_by_goal", "picked_step", "ruled_out"]

_MOST_TURNS = 3
_SIGN = {"higher": 1, "lower": -1}
_ROUNDING = 1e-9
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
        allowed = _on_disk(run, [s for s in found[1].candidates if s not in out])
        both, near, pool = left_by_goal(table, found, tied, allowed)
        if both or near or pool:
            step = (both or near or pool)[0]
            reasons = [*_gain(step, table, *found), *_why(step, found, (both, near), diagnosis)]
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
    reasons = [*reasons, *(vetoed[s] for s in sorted(vetoed)), *_probed(step, table, tied)]
    undecided = {c.behaviour: c.needs for c in unsure_guards(table, step)} if table is not None else {}
    return Choice(step, path, tuple(reasons), tied, vetoed, goal, undecided)


def _on_disk(run: Run, steps: Sequence[int]) -> list[int]:
    there = {c.step for c in run.checkpoints if c.exists}
    return [s for s in steps if s in there] if there else list(steps)


def left_by_goal(
    table: ProbeTable, goal: tuple[Behaviour, Standing], tied: Sequence[int], allowed: Collection[int]
) -> tuple[list[int], list[int], list[int]]:
    """What the goal leaves to choose from: the first that is not empty decides, and of it the earliest step.

    Args:
        table: what the probes found.
        goal: from `goal_of`.
        tied: steps tied in loss.
        allowed: steps that no guard rules out and that are there.

    Returns:
        Those as good as the best that are tied in loss; those near the best that are; those as good as the best.
    """
    pool = [s for s in goal[1].equal if s in allowed]
    near = [s for s in _near(table, *goal) if s in allowed]
    return [s for s in pool if s in tied], [s for s in near if s in tied], pool


def picked_step(table: ProbeTable, tied: Sequence[int]) -> int | None:
    """The step that the goal, the guards and the loss leave, as `explain` names it; None for none.

    Args:
        table: what the probes found.
        tied: steps tied in loss, in the order in which loss alone would take them.
    """
    vetoed = ruled_out(table, tied)
    found = goal_of(table)
    pools = left_by_goal(table, found, tied, [s for s in found[1].candidates if s not in vetoed]) if found else ()
    return next((pool[0] for pool in pools if pool), next((s for s in tied if s not in vetoed), None))


def _near(table: ProbeTable, behaviour: Behaviour, found: Standing) -> list[int]:
    """Those that cannot be told from the best and whose value is no worse than its by more than the whole margin."""
    if found.near is not None:
        return list(found.near)
    sign = _SIGN.get(behaviour.better, 0)
    value = {s: sign * c.value for s in found.tied if (c := table.cell(behaviour.name, s)) is not None}
    return [s for s in found.tied if s in value and value[s] >= value.get(found.best, math.inf) - behaviour.margin]


def _gain(step: int, table: ProbeTable, behaviour: Behaviour, found: Standing) -> list[Message]:
    """What the step brings in the goal; where the goal picked it, without the luck of the pick."""
    name = title(behaviour.name)
    cell = table.cell(behaviour.name, step)
    if step != found.picked and cell is not None and cell.diff is not None and cell.diff_interval is not None:
        values = {"gain": cell.diff, "low": cell.diff_interval[0], "high": cell.diff_interval[1]}
        said = {key: change(behaviour, value) for key, value in values.items()}
        return [say("choice.goal_plain", step=step, behaviour=name, **said, n=cell.n)]
    values = {"gain": found.honest, "low": found.interval[0], "high": found.interval[1]}
    said = {key: change(behaviour, value) for key, value in values.items()}
    lines = [say("choice.goal", step=step, behaviour=name, **said, n=found.n)]
    if _SIGN.get(behaviour.better, 0) * (found.naive - found.honest) > _ROUNDING:
        luck = change(behaviour, found.naive - found.honest)
        lines.append(say("choice.optimism", naive=change(behaviour, found.naive), luck=luck))
    return lines


def _why(
    step: int, goal: tuple[Behaviour, Standing], alike: tuple[Sequence[int], Sequence[int]], diagnosis: Diagnosis
) -> list[Message]:
    """Why this one of those that the goal cannot tell apart.

    Args:
        alike: of those tied in loss, the ones that are as good as the best in the goal, and the ones near it.
    """
    behaviour, found = goal
    name, spot, (both, near) = title(behaviour.name), diagnosis.sweet_spot, alike
    if len(found.tied) == 1:
        lines = [say("choice.goal_alone", step=found.best, behaviour=name)]
    else:
        steps = _steps(found.tied)
        lines = [say("choice.goal_tied", behaviour=name, steps=steps, n=found.n, best=found.best)]
    if both:
        behind = [s for s in found.tied if s < step and s not in found.equal]
        if behind:
            half = apart(behaviour, behaviour.margin / 2)
            lines.append(say("choice.goal_behind", steps=_steps(behind), half=half, best=found.best))
        return [*lines, say("choice.goal_and_loss", step=step)]
    if near and spot is not None:
        margin = apart(behaviour, behaviour.margin)
        return [*lines, say("choice.loss_among_tied", step=step, steps=_steps(near), best=spot.best, margin=margin)]
    if len(found.equal) > 1:
        lines.append(say("choice.goal_earliest", step=step, steps=_steps(found.equal)))
    if spot is not None:
        lines.append(say("choice.goal_over_loss", behaviour=name, best=spot.best))
    return lines


def _steps(steps: Sequence[int]) -> Message:
    return listed([say("choice.named", name=str(s)) for s in steps])


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


def _probed(step: int, table: ProbeTable | None, tied: Sequence[int]) -> list[Message]:
    """What the table says of the step: what is better for sure, where harm cannot be excluded, what turned.

    Args:
        tied: steps tied in loss.
    """
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
    return lines + [_turned(table, *each, tied) for each in turned[:_MOST_TURNS]]


def _turned(table: ProbeTable, behaviour: Behaviour, turning: Turning, tied: Sequence[int]) -> Message:
    """Where a behaviour went off; that the loss still fell is said only where it did, and was more than a tie."""
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
    if turning.loss_fell and {turning.best, turning.step} <= set(tied):
        return say("choice.turned_level", **numbers, before=turning.loss_best, after=turning.loss_here)
    if turning.loss_fell:
        return say("choice.turned_loss", **numbers, before=turning.loss_best, after=turning.loss_here)
    return say("choice.turned", **numbers)


def _relative(path: Path | None, folder: Path | None) -> str | None:
    if path is None:
        return None
    if folder is not None and path.is_relative_to(folder):
        return str(path.relative_to(folder))
    return str(path)
