"""doneness sanity RECIPE: can this pipeline learn at all, would more rows pay, is this loss what it should be?"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from doneness.cli.console import console, print_json
from doneness.cli.foreign import read_recipe
from doneness.cli.sanity_law import law, law_arguments
from doneness.core import RecipeError, say, tr

if TYPE_CHECKING:
    from rich.console import Console

    from doneness.sanity.ladder import Ladder
    from doneness.workflows.sanity import Sane


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", nargs="?", default="", help=tr("cli.sanity.recipe"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    parser.add_argument("--rows", type=int, default=1000, help=tr("cli.sanity.rows"))
    parser.add_argument("--epochs", type=float, default=10.0, help=tr("cli.sanity.epochs"))
    parser.add_argument("--ladder", default="", metavar="1k,5k,20k", help=tr("cli.sanity.ladder"))
    parser.add_argument("--seeds", type=int, default=2, help=tr("cli.sanity.seeds"))
    parser.add_argument("--by", choices=("steps", "epochs"), default="steps", help=tr("cli.sanity.by"))
    law_arguments(parser)
    parser.add_argument("--json", action="store_true", help=tr("cli.audit.json"))


def run(options: argparse.Namespace) -> int:
    """Learn a few rows by heart, climb the ladder, or ask the law; 1 where the pipeline does not learn."""
    if options.law:
        return law(options)
    if not options.recipe:
        raise RecipeError([tr("cli.sanity.no_recipe")])
    return _ladder(options) if options.ladder else _sanity(options)


def _sanity(options: argparse.Namespace) -> int:
    from doneness.cli.live import LiveWatcher
    from doneness.workflows.sanity import sanity_run

    recipe, lines = read_recipe([options.recipe, *options.overrides])
    out = _console(options)
    for line in lines:
        out.print(Text(line.text()))
    with LiveWatcher(out) as watcher:
        sane = sanity_run(recipe, watcher, lambda m: out.print(Text(m.text())), options.rows, options.epochs)
    if options.json:
        print_json(json.dumps(sane.to_dict(), ensure_ascii=False, indent=2) + "\n")
    else:
        _show(out, sane)
    return 0 if sane.passed else 1


def _console(options: argparse.Namespace) -> Console:
    """Standard output; with --json what goes on beside it is for standard error."""
    out = console()
    if options.json:
        out.stderr = True
    return out


def _show(out: Console, sane: Sane) -> None:
    from doneness.report.terminal import findings_table

    out.print("")
    out.print(Text(sane.headline.text(), style="bold"))
    if sane.cause_line is not None:
        out.print(Text(sane.cause_line.text()))
    out.print("")
    out.print(findings_table(sane.findings))
    for each in sane.said:
        same = tr("cli.sanity.same" if each.given == each.wanted else "cli.sanity.other")
        text = tr("cli.sanity.said", question=_short(each.question), given=_short(each.given), same=same)
        out.print(Text(text, style="dim"))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"


def _ladder(options: argparse.Namespace) -> int:
    from doneness.cli.live import LiveWatcher
    from doneness.sanity.scaling import count_of
    from doneness.workflows.ladder import Asked, as_dict, ladder_run

    try:
        rungs = tuple(int(count_of(part)) for part in options.ladder.split(","))
    except ValueError:
        raise RecipeError([tr("cli.sanity.bad_count", text=options.ladder)]) from None
    recipe, lines = read_recipe([options.recipe, *options.overrides])
    out = _console(options)
    for line in lines:
        out.print(Text(line.text()))
    with LiveWatcher(out) as watcher:
        asked = Asked(rungs, options.seeds, options.by)
        ladder = ladder_run(recipe, asked, watcher, lambda m: out.print(Text(m.text())))
    if options.json:
        print_json(json.dumps(as_dict(ladder), ensure_ascii=False, indent=2) + "\n")
    else:
        _show_ladder(out, ladder)
    return 0


def _show_ladder(out: Console, ladder: Ladder) -> None:
    from doneness.workflows.ladder_said import ladder_lines

    names = ("rows", "runs", "step", "loss", "train", "gain", "interval")
    table = Table(*(tr(f"cli.sanity.column.{name}") for name in names), box=None, padding=(0, 2, 0, 0))
    for column in table.columns:
        column.justify = "right"
    for rung in ladder.rungs:
        spread = f" ± {rung.spread:.4f}" if rung.runs > 1 else ""
        between = "" if rung.interval is None else f"{rung.interval[0]:+.4f} … {rung.interval[1]:+.4f}"
        gain = "" if rung.gain is None else f"{rung.gain:+.4f}"
        table.add_row(
            f"{rung.rows:,}", f"{rung.runs}", f"{rung.step:,.0f}", f"{rung.loss:.4f}{spread}", f"{rung.train:.4f}",
            gain, between,
        )  # fmt: skip
    out.print("")
    out.print(table)
    out.print("")
    for number, line in enumerate(ladder_lines(ladder)):
        out.print(Text(line.text(), style="bold" if number == 0 else ""))
    out.print(Text(say("sanity.ladder.axes").text(), style="dim"))
