"""doneness report PATH: one HTML file."""

from __future__ import annotations

import argparse

from rich.text import Text

from doneness.cli.console import console
from doneness.core import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", help=tr("cli.check.path"))
    parser.add_argument("-o", "--out", help=tr("cli.report.out"))


def run(options: argparse.Namespace) -> int:
    """Write the report and say where it is."""
    from doneness.workflows.report import write_report

    place = write_report(options.path, options.out)
    console().print(Text(tr("cli.report.written", path=str(place))))
    return 0
