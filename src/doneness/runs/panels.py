"""What a few questions said of a checkpoint while it was trained, as the journal keeps it.

A `probe` record of the journal with "panel": a list of behaviours, each with the score of every question that bears on
it. Probing afterwards writes the same, a line for each checkpoint, into probes/panels.jsonl.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from doneness.runs.atomic import write_text
from doneness.runs.probes import FOLDER, Behaviour
from doneness.runs.records import LAST_STEP, is_whole
from doneness.runs.run import Event, Run
from doneness.runs.typed import fits

FILE = "panels.jsonl"
KIND = "probe"

_FIELDS: dict[str, Any] = {
    "name": str,
    "better": str,
    "unit": str,
    "margin": float,
    "guard": bool,
    "goal": bool,
    "binary": bool,
}


@dataclass(frozen=True)
class Scores:
    """One behaviour of one checkpoint, question by question.

    Attributes:
        behaviour: which.
        binary: scores are 0 or 1.
        of: question's id → its score.
    """

    behaviour: Behaviour
    binary: bool
    of: Mapping[str, float]

    @property
    def mean(self) -> float:
        """Over its questions."""
        return sum(self.of.values()) / len(self.of) if self.of else math.nan


@dataclass(frozen=True)
class Panel:
    """What was asked of the checkpoint at one step, by behaviour."""

    step: int
    scores: Mapping[str, Scores]


def to_record(scores: Iterable[Scores]) -> list[dict[str, Any]]:
    """The behaviours as a journal keeps them."""
    return [
        {
            "name": each.behaviour.name,
            "better": each.behaviour.better,
            "unit": each.behaviour.unit,
            "margin": each.behaviour.margin,
            "guard": each.behaviour.guard,
            "goal": each.behaviour.goal,
            "binary": each.binary,
            "scores": {name: round(value, 6) for name, value in each.of.items()},
        }
        for each in scores
        if each.of
    ]


def panels_of(run: Run) -> list[Panel]:
    """The panels of a run in order of step; of two at one step the later counts, and what is damaged is passed over."""
    found: dict[int, Panel] = {}
    for event in run.events:
        told = event.data.get("panel") if event.kind == KIND else None
        if isinstance(told, (list, tuple)):
            scores = [each for each in map(_scores, told) if each is not None]
            if scores:
                found[event.step] = Panel(event.step, {each.behaviour.name: each for each in scores})
    return [found[step] for step in sorted(found)]


def save_panels(out: Path, panels: Sequence[Panel]) -> None:
    """Write probes/panels.jsonl."""
    lines = [json.dumps({"step": p.step, "panel": to_record(p.scores.values())}, ensure_ascii=False) for p in panels]
    write_text(out / FOLDER / FILE, "".join(line + "\n" for line in lines))


def with_panels(run: Run) -> Run:
    """The run with what was asked of its checkpoints afterwards, where it knows nothing of their step itself."""
    place = None if run.path is None else run.path / FOLDER / FILE
    if place is None or not place.is_file():
        return run
    known = {panel.step for panel in panels_of(run)}
    more = []
    for line in place.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        step = data.get("step") if isinstance(data, dict) else None
        if is_whole(step) and 0 <= step <= LAST_STEP and step not in known and isinstance(data.get("panel"), list):
            more.append(Event(KIND, step, {"panel": data["panel"]}))
    return replace(run, events=(*run.events, *more)) if more else run


def _scores(told: Any) -> Scores | None:
    if not isinstance(told, Mapping) or not all(fits(told.get(name), kind) for name, kind in _FIELDS.items()):
        return None
    of = told.get("scores")
    if not isinstance(of, Mapping) or not of:
        return None
    values = {str(name): float(value) for name, value in of.items() if fits(value, float) and math.isfinite(value)}
    better, margin = str(told["better"]), float(told["margin"])
    if better not in ("higher", "lower", "none") or not math.isfinite(margin) or not values:
        return None
    behaviour = Behaviour(
        name=str(told["name"]),
        better=better,
        unit=str(told["unit"]),
        margin=margin,
        guard=bool(told["guard"]),
        goal=bool(told["goal"]),
    )
    return Scores(behaviour, bool(told["binary"]), values)
