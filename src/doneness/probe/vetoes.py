"""Guards: which behaviours may rule a checkpoint out, and when they do.

A guard vetoes when harm against base is shown: worse, by an interval that does not exclude harm beyond the margin, and
still so after Holm's correction over all guards of all checkpoints to choose from. One that cannot tell is no veto,
unless strictness was asked for; it is named with the questions that it would need.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from doneness.core import Message, say
from doneness.curves.shares import holm
from doneness.probe.measure import Measure
from doneness.probe.phrases import change, title
from doneness.runs.probes import BASE, Behaviour, Cell, ProbeTable


@dataclass(frozen=True)
class Guards:
    """What may rule a checkpoint out.

    Attributes:
        margins: by behaviour, the harm that still counts as the same; such a behaviour guards even if it did not.
        off: behaviours that guard no more.
        strict: whether a guard that cannot tell rules out too.
    """

    margins: Mapping[str, float] = field(default_factory=dict)
    off: Collection[str] = ()
    strict: bool = False

    def behaviour(self, found: Behaviour) -> Behaviour:
        """A behaviour as it guards here."""
        margin = self.margins.get(found.name, found.margin)
        guard = (found.guard or found.name in self.margins) and found.name not in self.off
        return replace(found, margin=margin, guard=guard)

    def applied(self, measure: Measure) -> Measure:
        """A measure of the behaviour as it guards here."""
        return replace(measure, behaviour=self.behaviour(measure.behaviour))

    @property
    def usual(self) -> bool:
        """Whether nothing was asked for."""
        return not (self.margins or self.off or self.strict)


def harmed(cells: Iterable[Cell], behaviours: Sequence[Behaviour], steps: Collection[int] | None = None) -> list[int]:
    """Steps at which a guard shows harm, ascending; of all checkpoints, or of those given."""
    return sorted({c.step for c in _vetoing(cells, behaviours, steps)})


def barred(table: ProbeTable | None, tied: Sequence[int]) -> dict[int, Message]:
    """Steps among the tied that are not to be recommended, each with the reason.

    Once one checkpoint is vetoed, those that were never asked are barred too: nothing reads as good by being absent.

    Args:
        table: what the probes found; None where nothing was asked. Where it is strict, a guard that cannot tell
            rules out too.
        tied: the steps to choose from.
    """
    if table is None:
        return {}
    rows = {b.name: b for b in table.behaviours}
    reasons: dict[int, Message] = {}
    for cell in _vetoing(table.cells, table.behaviours, tied):
        reasons.setdefault(cell.step, _shown(cell, rows[cell.behaviour]))
    if table.strict:
        for step in (s for s in tied if s != BASE):
            for cell in unsure_guards(table, step):
                reasons.setdefault(step, _untold(cell))
            lacking = [b for b in table.behaviours if b.guard and b.better != "none" and not table.cell(b.name, step)]
            if lacking:
                reasons.setdefault(step, say("choice.strict", step=step, behaviour=title(lacking[0].name), n=0))
    if reasons:
        guards = {b.name for b in table.behaviours if b.guard}
        asked = {c.step for c in table.cells if c.behaviour in guards}
        reasons |= {s: say("probe.choice.unasked", step=s) for s in tied if s != BASE and s not in asked}
    return reasons


def unsure_guards(table: ProbeTable, step: int) -> list[Cell]:
    """The guards that cannot exclude harm at a step, in the order of the table."""
    if step == BASE:
        return []
    found = [table.cell(b.name, step) for b in table.behaviours if b.guard and b.better != "none"]
    return [c for c in found if c is not None and c.mark in ("unsure", "leaning")]


def _vetoing(cells: Iterable[Cell], behaviours: Sequence[Behaviour], steps: Collection[int] | None) -> list[Cell]:
    """The cells of guards that show harm, corrected over those of `steps` alone."""
    guards = {b.name: b for b in behaviours if b.guard}
    wanted = (c for c in cells if c.step != BASE and c.behaviour in guards and (steps is None or c.step in steps))
    tested = [c for c in wanted if c.p is not None]
    shown = holm([c.p for c in tested if c.p is not None])
    return [c for c, sure in zip(tested, shown, strict=True) if sure and _harm(c, guards[c.behaviour])]


def _harm(cell: Cell, behaviour: Behaviour) -> bool:
    """Whether the cell's own interval is on the side of harm, and does not exclude more of it than the margin."""
    if cell.diff_interval is None or behaviour.better == "none":
        return False
    low, high = cell.diff_interval
    gain_low, gain_high = (low, high) if behaviour.better == "higher" else (-high, -low)
    return gain_high < 0 and gain_low < -behaviour.margin


def _shown(cell: Cell, behaviour: Behaviour) -> Message:
    low, high = cell.diff_interval or (cell.diff or 0.0, cell.diff or 0.0)
    numbers = {"diff": cell.diff or 0.0, "low": low, "high": high}
    return say(
        "choice.harm",
        step=cell.step,
        behaviour=title(cell.behaviour),
        **{name: change(behaviour, value) for name, value in numbers.items()},
        n=cell.n,
    )


def _untold(cell: Cell) -> Message:
    name = title(cell.behaviour)
    if cell.needs is None:
        return say("choice.strict", step=cell.step, behaviour=name, n=cell.n)
    return say("choice.strict_needs", step=cell.step, behaviour=name, n=cell.n, needs=cell.needs)
