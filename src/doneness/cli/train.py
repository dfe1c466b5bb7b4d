"""doneness train RECIPE [section.key=value …]."""

from __future__ import annotations

import argparse

from rich.text import Text

from doneness.cli.console import console
from doneness.cli.live import LiveWatcher
from doneness.config import dump_recipe, load_recipe
from doneness.core import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help=tr("cli.train.recipe"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    parser.add_argument("--dry-run", action="store_true", help=tr("cli.train.dry_run"))


def run(options: argparse.Namespace) -> int:
    """Train, or show the resolved recipe."""
    recipe = load_recipe(options.recipe, options.overrides)
    if options.dry_run:
        print(dump_recipe(recipe), end="")
        return 0
    from doneness.workflows.check import check
    from doneness.workflows.train import train_run

    out = console()
    with LiveWatcher(out) as watcher:
        trained = train_run(recipe, watcher)
    if trained.already:
        out.print(Text(tr("cli.train.already", folder=recipe.run.folder)))
    _, diagnosis = check(recipe.run.folder)[0]
    out.print(Text(diagnosis.headline.text(), style="bold"))
    if diagnosis.advice:
        out.print(Text(diagnosis.advice.text()))
    out.print(Text(tr(f"cli.train.{trained.ending}", step=trained.run.last_step, folder=recipe.run.folder)))
    return 0
