"""What a probing tells beside its table: what was left out and why, what was lost, and how it was measured."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from doneness.core import Message, say
from doneness.runs.probes import BASE, ProbeTable

if TYPE_CHECKING:
    from doneness.probe.allocation import Allocated
    from doneness.probe.store import Store
    from doneness.workflows.asking import Questions

_UNEQUAL = 0.3  # between the shares of answers that are cut off, from which on it is said
_NAMED = 12  # steps; more are an ellipsis


def left_out(done: Allocated) -> tuple[Message, ...]:
    """What was left out, and why."""
    left = {s: n for s, n in done.unasked.items() if n}
    if not left:
        return ()
    later = [s for s in left if s != BASE]
    steps = say("probing.steps", steps=", ".join(map(str, later))) if later else say("probing.base")
    if later and BASE in left:
        steps = say("probing.base_and", steps=steps)
    numbers = {"count": sum(left.values()), "of": done.questions, "most": max(left.values()), "where": steps}
    lines = [say(f"probing.left.{done.ended}", **numbers)]
    dropped = [(s, each["behind"]) for r in done.rounds for s, each in r.dropped.items()]
    if dropped:
        lines.append(say("probing.dropped", steps=", ".join(str(s) for s, _ in dropped)))
    return tuple(lines)


def passed_over(steps: Sequence[int], on_disk: Collection[int]) -> tuple[Message, ...]:
    """Which checkpoints were not asked at all, where the number of checkpoints left some out."""
    rest = sorted({*on_disk} - {*steps})
    if not rest:
        return ()
    named = ", ".join(map(str, rest[:_NAMED])) + (", …" if len(rest) > _NAMED else "")
    return (say("probing.passed_over", steps=named, all=len(on_disk)),)


def of_store(store: Store) -> tuple[Message, ...]:
    """That answers were lost on the disk, where some were."""
    return (say("probing.store_damaged", path=str(store.path), count=store.damaged),) if store.damaged else ()


def numberless(lost: Mapping[int, Mapping[str, Sequence[str]]]) -> tuple[Message, ...]:
    """A line for every behaviour that gave no number for some answers, by step and behaviour the questions' ids."""
    from doneness.probe.phrases import title

    lines = []
    for name in dict.fromkeys(name for some in lost.values() for name in some):
        at = {s: some[name] for s, some in sorted(lost.items()) if name in some}
        step, ids = next(iter(at.items()))
        where = say("probing.base") if step == BASE else say("probing.steps", steps=str(step))
        count = sum(map(len, at.values()))
        lines.append(say("probing.no_number", behaviour=title(name), count=count, id=ids[0], where=where))
    return tuple(lines)


def of_measuring(table: ProbeTable, asked: Questions) -> tuple[Message, ...]:
    """What a reader of the table should know of how it came about."""
    from doneness.probe.clusters import how

    lines = [how()] if any(b.name == "confabulation" for b in table.behaviours) else []
    ungraded = sum(probe.metric == "rubric" for probe in asked.probes)
    if ungraded and asked.judge is None:
        lines.append(say("probing.no_judge", count=ungraded))
    return (*_cut_off(table, asked), *lines, *(asked.judge.told() if asked.judge is not None else ()))


def parted(table: ProbeTable) -> tuple[Message, ...]:
    """Which rows are of other questions at one checkpoint than at the next, such as those that it got wrong."""
    from doneness.probe.phrases import listed, title

    counts: dict[str, set[int]] = {}
    for cell in table.cells:
        counts.setdefault(cell.behaviour, set()).add(cell.n)
    rows = [title(b.name) for b in table.behaviours if len(counts.get(b.name, ())) > 1]
    return (say("probing.parted", behaviours=listed(rows)),) if rows else ()


def _cut_off(table: ProbeTable, asked: Questions) -> tuple[Message, ...]:
    """That the limit cuts off many of the base model's answers and few of a checkpoint's, or the other way round."""
    column = [c for s in table.steps if (c := table.cell("capped", s)) is not None]
    if not column or column[0].step != BASE:
        return ()
    base, other = column[0], max(column, key=lambda c: abs(c.value - column[0].value))
    if abs(other.value - base.value) < _UNEQUAL:
        return ()
    numbers = {"base": base.value, "share": other.value, "step": other.step, "limit": asked.asking.max_new_tokens}
    return (say("probing.cut_off", **numbers),)
