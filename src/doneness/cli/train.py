"""doneness train RECIPE [section.key=value …], or another tool's file or command line."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from doneness.cli.console import console
from doneness.cli.foreign import read_recipe, show
from doneness.cli.live import LiveWatcher
from doneness.cli.preview import print_first_rows
from doneness.config import Recipe, dump_recipe
from doneness.config.places import place_of
from doneness.core import DonenessError, launched, tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help=tr("cli.train.recipe"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    parser.add_argument("--dry-run", action="store_true", help=tr("cli.train.dry_run"))
    parser.add_argument("--preflight", action="store_true", help=tr("cli.train.preflight"))


class _Alone(DonenessError):
    """Interrupted, with nothing to go on from."""

    exit_code = 130


def run(options: argparse.Namespace) -> int:
    """Train, or show the resolved recipe."""
    recipe, lines = read_recipe([options.recipe, *options.overrides])
    if launched.rank() and (options.dry_run or options.preflight):
        return 0
    if options.dry_run:
        print(dump_recipe(recipe), end="")
        show(lines)
        _say_held_out(recipe)
        return print_first_rows(recipe) if recipe.data.train else 0
    out = console()
    for line in lines:
        out.print(Text(line.text()))
    if options.preflight:
        from doneness.workflows.preflight import preflight_run

        preflight_run(recipe, lambda line: out.print(Text(line.text())))
        return 0
    from doneness.workflows.check import check
    from doneness.workflows.train import train_run

    with LiveWatcher(out) as watcher:
        try:
            trained = train_run(recipe, watcher, lambda line: out.print(Text(line.text())))
        except KeyboardInterrupt:
            if not recipe.checkpoints.only_model:
                raise
            # The usual line would promise that the same command goes on.
            raise _Alone(tr("cli.train.interrupted_alone", folder=recipe.run.folder)) from None
    if launched.rank():
        return 0
    if trained.already:
        out.print(Text(tr("cli.train.already", folder=recipe.run.folder)))
    _, diagnosis = check(recipe.run.folder)[0]
    out.print(Text(diagnosis.headline.text(), style="bold"))
    if diagnosis.advice:
        out.print(Text(diagnosis.advice.text()))
    out.print(Text(tr(f"cli.train.{trained.ending}", step=trained.run.last_step, folder=recipe.run.folder)))
    return 0


def _say_held_out(recipe: Recipe) -> None:
    """What would be held out of the training file; on standard error, since the output is the recipe."""
    if not recipe.data.train or recipe.data.eval or recipe.data.hold_out == "none":
        return
    if not Path(place_of(recipe.data.train)[0]).exists():
        return
    from doneness.workflows.rows import read_recipe_rows
    from doneness.workflows.stage_rows import read_stage_rows

    show((read_recipe_rows if recipe.run.stage in ("sft", "distill") else read_stage_rows)(recipe).lines)
