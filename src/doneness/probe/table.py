"""From answers to the table: behaviours × checkpoints, each cell with its interval and its mark."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from doneness.curves.shares import Interval
from doneness.probe.behaviours import MEASURES
from doneness.probe.cells import Bare, cells_of, mark_of, marked
from doneness.probe.measure import Measure
from doneness.probe.scoring import Scored, score
from doneness.probe.standing import standing
from doneness.probe.suite import Probe
from doneness.probe.turning import turning_points
from doneness.probe.vetoes import Guards, barred, harmed
from doneness.runs.probes import Answer, ProbeTable, Question, Standing

__all__ = ["Interval", "allowed", "assembled", "build_table", "mark_of"]


def build_table(
    probes: Sequence[Probe],
    answers: Mapping[int, Sequence[Answer]],
    measures: Sequence[Measure] = MEASURES,
    losses: Mapping[int, float] | None = None,
    guards: Guards | None = None,
    goal: str | None = None,
    tied: Collection[int] = (),
) -> ProbeTable:
    """Score every answer and hold each checkpoint against base on the same questions.

    Args:
        answers: by step; step 0 is the base model.
        measures: the behaviours, in the order of the table.
        losses: evaluation loss by step, nats; says of a turning point whether the loss fell meanwhile.
        guards: which behaviours may rule a checkpoint out, and with what margins.
        goal: the behaviour that is to decide; by default those that say so themselves.
        tied: steps tied in loss, which are picked before others that the goal leaves.
    """
    guards = guards or Guards()
    scored = [s for m in measures if (s := score(guards.applied(m), probes, answers)) is not None]
    questions = tuple(Question(p.id, p.sort, p.prompt, p.reference) for p in probes)
    return assembled(scored, questions, losses, guards, goal, tied)


def assembled(
    scored: Sequence[Scored],
    questions: tuple[Question, ...] = (),
    losses: Mapping[int, float] | None = None,
    guards: Guards | None = None,
    goal: str | None = None,
    tied: Collection[int] = (),
) -> ProbeTable:
    """The table of behaviours that are scored already; arguments as for `build_table`."""
    found = [(s, row) for s in scored if (row := cells_of(s))]
    behaviours = tuple(s.measure.behaviour for s, _ in found)
    bares: list[Bare] = [c for _, row in found for c in row]
    cells = marked(bares, {b.name: b for b in behaviours})
    table = ProbeTable(
        steps=tuple(sorted({step for s, _ in found for step in s.steps})),
        behaviours=behaviours,
        cells=cells,
        questions=questions,
        turning=turning_points([s for s, _ in found], losses),
        strict=guards.strict if guards else False,
        goal=goal,
    )
    wanted = [s for s, _ in found if s.measure.behaviour.goal or s.measure.behaviour.name == goal]
    told = {s.measure.behaviour.name: each for s in wanted if (each := allowed(s, table, tied)) is not None}
    return replace(table, standings=told)


def allowed(scored: Scored, table: ProbeTable, tied: Collection[int] = ()) -> Standing | None:
    """How the checkpoints stand that no guard rules out.

    Where a guard rules out the best, the next best take its place, and are held to the guards in their turn.
    """
    out = set(harmed(table.cells, table.behaviours))
    while (found := standing(scored, out, tied)) is not None:
        more = set(barred(table, sorted({*found.equal, found.picked}))) - out
        if not more:
            return found
        out |= more
    return None
