"""The checklist as Markdown and as plain data: behaviours × checkpoints with their marks, in words."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from doneness.core import Message, tr
from doneness.report.answers import behaviour_title
from doneness.report.as_markdown import cell as escaped
from doneness.report.checklist import SIGNS, checklist, legend, tally, turned
from doneness.report.numbers import ABSENT, count
from doneness.report.view import CheckCell
from doneness.runs.behaviour_groups import group_of
from doneness.runs.probes import Choice, ProbeTable


def checklist_markdown(table: ProbeTable, choice: Choice | None = None) -> str:
    """One row a behaviour, the chosen checkpoint's column in bold; a turning point stands as ┃ before its value."""
    chosen = choice.step if choice else None
    shown = checklist(table, chosen, choice)
    heads = [tr("report.table.behaviour")]
    for step in shown.steps:
        name = tr("report.table.base") if step == 0 else count(step)
        heads.append(f"**{name} ({tr('report.role.chosen')})**" if step == chosen else name)
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * len(shown.steps)]
    blank = " |" * len(shown.steps)
    for title, rows in shown.groups():
        if title:
            lines.append(f"| *{escaped(title)}* |{blank}")
        for row in rows:
            cells = [_cell(c, s == row.turning) for s, c in zip(shown.steps, row.cells, strict=True)]
            lines.append(f"| {escaped(row.title)} | {' | '.join(cells)} |")
    counted = [tally(shown, i) for i in range(len(shown.steps))]
    lines.append(f"| | {' | '.join(counted)} |")
    notes = [f"- ┃ {escaped(text)}" for text in turned(shown)]
    return "\n".join([*lines, "", *notes, *([""] if notes else []), legend(shown)]) + "\n"


def checklist_data(table: ProbeTable, choice: Choice | None = None) -> dict[str, Any]:
    """Everything that the table and the choice hold, as plain data with titles and sentences in words."""
    found: dict[str, Any] = {
        "steps": list(table.steps),
        "behaviours": [asdict(b) | {"title": behaviour_title(b.name), "group": group_of(b)} for b in table.behaviours],
        "cells": [asdict(c) for c in table.cells],
        "turning": {n: asdict(t) | {"loss_fell": t.loss_fell} for n, t in table.turning.items() if t is not None},
        "standings": {name: asdict(s) for name, s in table.standings.items()},
        "nulls": [asdict(n) for n in table.nulls],
    }
    if choice is not None:
        found["choice"] = {
            "step": choice.step,
            "checkpoint": choice.checkpoint,
            "goal": choice.goal,
            "reasons": [_said(r) for r in choice.reasons],
            "tied_in_loss": list(choice.tied),
            "vetoed": {str(s): _said(r) for s, r in (choice.vetoed or {}).items()},
            "undecided": dict(choice.undecided),
        }
    return found


def _cell(cell: CheckCell | None, turns: bool) -> str:
    if cell is None:
        return ABSENT
    return f"{'┃ ' if turns else ''}{cell.value} {SIGNS[cell.mark]}".rstrip()


def _said(message: Message) -> str:
    return message.text()
