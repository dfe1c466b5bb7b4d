"""doneness plan RECIPE: rows, tokens, steps, memory, time."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from doneness.cli.console import console, print_json
from doneness.cli.foreign import read_recipe, show
from doneness.core import Status, tr

if TYPE_CHECKING:
    from doneness.workflows.plan import Planned

_GB = 1e9


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help=tr("cli.plan.recipe"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    parser.add_argument("--measure", action="store_true", help=tr("cli.plan.measure"))
    parser.add_argument("--json", action="store_true", help=tr("cli.audit.json"))


def run(options: argparse.Namespace) -> int:
    """Plan and show."""
    from doneness.workflows.plan import plan_recipe

    recipe, lines = read_recipe([options.recipe, *options.overrides])
    show(lines)
    planned = plan_recipe(recipe, options.measure)
    if options.json:
        print_json(json.dumps(as_dict(planned), ensure_ascii=False, indent=2) + "\n")
    else:
        console().print(plan_view(planned))
    return 0


def as_dict(planned: Planned) -> dict[str, object]:
    """A JSON form; memory in bytes, time in seconds."""
    return {
        "budget": asdict(planned.budget),
        "eval_rows": planned.eval_rows,
        "eval_tokens": planned.eval_tokens,
        "evaluations": list(planned.looks),
        "memory": asdict(planned.memory) if planned.memory else None,
        "tokens_per_second": planned.rate._asdict() if planned.rate else None,
        "seconds": planned.duration._asdict() if planned.duration else None,
        "advice": [finding.to_dict() for finding in planned.advice],
    }


def plan_view(planned: Planned) -> RenderableType:
    """The plan as a table, then what is unusual about it."""
    found = planned.budget
    table = Table.grid(padding=(0, 3))
    table.add_row(tr("cli.plan.rows"), tr("cli.plan.rows_text", rows=found.rows, eval=planned.eval_rows))
    table.add_row(
        tr("cli.plan.tokens"),
        tr(
            "cli.plan.tokens_text",
            tokens=found.total_tokens,
            targets=found.total_target_tokens,
            padding=found.padding_share,
            truncated=found.truncated,
        ),
    )
    table.add_row(
        tr("cli.plan.steps"),
        tr("cli.plan.steps_text", steps=found.steps, each=found.steps_per_epoch, epochs=found.epochs),
    )
    table.add_row(tr("cli.plan.looks"), ", ".join(str(s) for s in (0, *planned.looks)) if planned.looks else "-")
    if planned.memory:
        parts = ", ".join(
            f"{tr(f'cli.plan.item.{name}')} {size / _GB:.2f}" for name, size in planned.memory.items.items() if size
        )
        low, high = planned.memory.low / _GB, planned.memory.high / _GB
        total = planned.memory.total / _GB
        table.add_row(tr("cli.plan.memory"), tr("cli.plan.memory_text", total=total, low=low, high=high, parts=parts))
        table.add_row(tr("cli.plan.trainable"), f"{planned.memory.trainable:,}")
    if planned.duration and planned.rate:
        minutes = [part / 60 for part in planned.duration]
        text = tr("cli.plan.time_text", mid=minutes[0], low=minutes[1], high=minutes[2], rate=planned.rate.mid)
        table.add_row(tr("cli.plan.time"), text)
    return Group(table, *(Text(line.text()) for line in planned.lines), *_advice(planned))


def _advice(planned: Planned) -> list[RenderableType]:
    """Only what deserves a second look; the rest is in --json."""
    from doneness.report.terminal import findings_table

    unusual = tuple(f for f in planned.advice if f.status not in (Status.PASS, Status.SKIPPED))
    return ["", findings_table(unusual)] if unusual else []
