"""doneness recipes [NAME]: the launch files that are shipped, or where one of them lies."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.table import Table
from rich.text import Text

from doneness.cli.console import console
from doneness.config.launch import launch_file, launch_names
from doneness.core import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("name", nargs="?", help=tr("cli.recipes.name"))


def run(options: argparse.Namespace) -> int:
    """Print a file's path for a launcher, or what there is."""
    if options.name:
        print(Path(launch_file(options.name)))
        return 0
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name in launch_names():
        table.add_row(name, Text(tr(f"cli.recipes.of.{name}")))
    out = console()
    out.print(table)
    # Broken by us, the command in it would be two when it is copied.
    out.print(Text(tr("cli.recipes.use")), soft_wrap=True)
    return 0
