"""From answers to the table: behaviours × checkpoints, each cell with its interval and its mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from doneness.curves.shares import Interval
from doneness.probe.behaviours import MEASURES
from doneness.probe.cells import Bare, cells_of, mark_of, marked
from doneness.probe.measure import Measure
from doneness.probe.scoring import Scored, score
from doneness.probe.standing import standing
from doneness.probe.suite import Probe
from doneness.probe.turning import turning_points
from doneness.probe.vetoes import Guards, harmed
from doneness.runs.probes import Answer, ProbeTable, Question, Standing

__all__ = ["Interval", "build_table", "mark_of"]


def build_table(
    probes: Sequence[Probe],
    answers: Mapping[int, Sequence[Answer]],
    measures: Sequence[Measure] = MEASURES,
    losses: Mapping[int, float] | None = None,
    guards: Guards | None = None,
    goal: str | None = None,
) -> ProbeTable:
    """Score every answer and hold each checkpoint against base on the same questions.

    Args:
        answers: by step; step 0 is the base model.
        measures: the behaviours, in the order of the table.
        losses: evaluation loss by step, nats; says of a turning point whether the loss fell meanwhile.
        guards: which behaviours may rule a checkpoint out, and with what margins.
        goal: the behaviour that is to decide; by default those that say so themselves.
    """
    guards = guards or Guards()
    scored = [s for m in measures if (s := score(guards.applied(m), probes, answers)) is not None]
    questions = tuple(Question(p.id, p.sort, p.prompt, p.reference) for p in probes)
    return assembled(scored, questions, losses, guards, goal)


def assembled(
    scored: Sequence[Scored],
    questions: tuple[Question, ...] = (),
    losses: Mapping[int, float] | None = None,
    guards: Guards | None = None,
    goal: str | None = None,
) -> ProbeTable:
    """The table of behaviours that are scored already; arguments as for `build_table`."""
    found = [(s, row) for s in scored if (row := cells_of(s))]
    behaviours = tuple(s.measure.behaviour for s, _ in found)
    bares: list[Bare] = [c for _, row in found for c in row]
    cells = marked(bares, {b.name: b for b in behaviours})
    out = harmed(cells, behaviours)
    return ProbeTable(
        steps=tuple(sorted({step for s, _ in found for step in s.steps})),
        behaviours=behaviours,
        cells=cells,
        questions=questions,
        turning=turning_points([s for s, _ in found], losses),
        standings=_standings([s for s, _ in found], goal, out),
        strict=guards.strict if guards else False,
        goal=goal,
    )


def _standings(scored: Sequence[Scored], goal: str | None, out: Sequence[int]) -> dict[str, Standing]:
    wanted = [s for s in scored if s.measure.behaviour.goal or s.measure.behaviour.name == goal]
    return {s.measure.behaviour.name: found for s in wanted if (found := standing(s, out)) is not None}
