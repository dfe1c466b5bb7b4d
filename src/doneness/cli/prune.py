"""doneness prune RUN: which checkpoints can go, and with --yes away with them."""

from __future__ import annotations

import argparse
import shlex
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from doneness.cli.console import console
from doneness.core import tr
from doneness.core.text import printable

if TYPE_CHECKING:
    from doneness.workflows.prune import Candidate, Pruning


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.prune.folder"))
    parser.add_argument("--yes", action="store_true", help=tr("cli.prune.yes"))
    parser.add_argument("--not-last", action="store_true", help=tr("cli.prune.not_last"))
    parser.add_argument("--unfinished", action="store_true", help=tr("cli.prune.unfinished"))


def run(options: argparse.Namespace) -> int:
    """Show what can go and why the rest stays; delete only where told to."""
    from doneness.workflows.prune import plan_prune, prune

    out = console()
    found = plan_prune(options.folder, options.not_last, unfinished=options.unfinished)
    out.print(Text(str(found.judged.diagnosis.headline)))
    out.print(Text())
    out.print(_table(found))
    out.print(Text())
    count, freed = len(found.doomed), size(found.freed)
    if not count and not found.leftovers:
        out.print(Text(tr("cli.prune.nothing")))
    elif options.yes:
        out.print(Text(tr("cli.prune.done", n=count, size=size(prune(found)))))
    else:
        flags = [flag for flag in ("not_last", "unfinished") if getattr(options, flag)]
        chosen = "".join(f" --{flag.replace('_', '-')}" for flag in flags)
        again = f"doneness prune {shlex.quote(options.folder)}{chosen} --yes"
        out.print(Text(tr("cli.prune.dry", n=count, size=freed, command=again)), soft_wrap=True)
    return 0


def size(number: int) -> str:
    """Bytes in the unit that leaves one to three digits before the point."""
    value, unit = float(number), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.5 else f"{value:.1f} {unit}"


def _fate(each: Candidate, found: Pruning) -> str:
    if each.path == found.logs.copied:
        return tr(f"cli.prune.fate.{'go_log_over' if found.logs.replaces else 'go_log'}")
    if each.name:
        return tr(f"cli.prune.fate.{each.keep}", name=printable(each.name))
    return tr(f"cli.prune.fate.{each.keep or 'go'}")


def _table(found: Pruning) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    table.add_column(tr("cli.prune.head.checkpoint"), no_wrap=True)
    table.add_column(tr("cli.prune.head.size"), justify="right", no_wrap=True)
    table.add_column(tr("cli.prune.head.fate"))
    for each in found.candidates:
        fate = Text(_fate(each, found), style="bold" if each.keep is None else "")
        table.add_row(Text(each.path.name), size(each.size), fate)
    for place in found.leftovers:
        from doneness.workflows.prune import size_of

        table.add_row(Text(place.name), size(size_of(place)), Text(tr("cli.prune.fate.leftover"), style="bold"))
    return table
