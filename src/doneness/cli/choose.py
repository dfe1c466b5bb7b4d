"""doneness choose RUN: which checkpoint to keep, from the answers that are there, by other guards or another goal."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from rich.text import Text

from doneness.cli.console import console, print_json
from doneness.core import tr

SCHEMA = "doneness.choose/1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.choose.folder"))
    parser.add_argument("--guard", action="append", type=guard, metavar="NAME=MARGIN", help=tr("cli.choose.guard"))
    parser.add_argument("--no-guard", action="append", metavar="NAME", help=tr("cli.choose.no_guard"))
    parser.add_argument("--strict-guards", action="store_true", help=tr("cli.choose.strict"))
    parser.add_argument("--goal", metavar="NAME", help=tr("cli.choose.goal"))
    parser.add_argument("--suite", action="append", metavar="NAME|FILE", help=tr("cli.choose.suite"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=tr("cli.choose.json"))
    form.add_argument("--markdown", action="store_true", help=tr("cli.choose.markdown"))
    parser.add_argument("--write", action="store_true", help=tr("cli.choose.write"))


def guard(text: str) -> tuple[str, float]:
    """A guard's name and margin; "2%" is 0.02."""
    name, sign, number = text.partition("=")
    try:
        margin = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        margin = -1.0
    if not (name and sign and math.isfinite(margin) and margin >= 0):
        raise argparse.ArgumentTypeError(tr("choice.error.guard_form", text=text))
    return name, margin


def run(options: argparse.Namespace) -> int:
    """Choose, show the table and the reasons."""
    from doneness.workflows.choose import Wanted, choose, keep
    from doneness.workflows.subject import run_of

    folder = run_of(Path(options.folder))
    found = choose(
        folder,
        Wanted(
            margins=dict(options.guard or ()),
            off=tuple(options.no_guard or ()),
            strict=options.strict_guards,
            goal=options.goal,
            suite=",".join(options.suite or ()),
        ),
    )
    if options.write:
        keep(folder, found)
    if options.json:
        from doneness.report.as_json import written
        from doneness.report.checklist_markdown import checklist_data

        print_json(written({"schema": SCHEMA, **checklist_data(found.table, found.choice)}))
        return 0
    if options.markdown:
        from doneness.report.checklist_markdown import checklist_markdown

        print(checklist_markdown(found.table, found.choice), end="")
        return 0
    from doneness.report.terminal_checklist import probe_table

    out = console()
    out.print(probe_table(found.table, found.choice.step))
    for reason in found.choice.reasons:
        out.print(Text(reason.text()))
    if found.others:
        out.print(Text(tr("probing.others", steps=", ".join(map(str, found.others)))))
    if found.before is not None and found.before.step != found.choice.step:
        names = {"before": _named(found.before.step), "now": _named(found.choice.step)}
        out.print(Text(tr("cli.choose.changed" if options.write else "cli.choose.differs", **names), style="bold"))
    return 0


def _named(step: int | None) -> str:
    return tr("cli.choose.none") if step is None else str(step)
