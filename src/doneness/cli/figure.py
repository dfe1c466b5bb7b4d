"""doneness figure PATH -o OUT: the report's figure of a run as a file."""

from __future__ import annotations

import argparse

from rich.text import Text

from doneness.cli.arguments import columns, pixels
from doneness.cli.console import console
from doneness.core import DonenessError, tr

AXES = {"steps": "step", "epochs": "epoch", "tokens": "tokens", "targets": "targets", "time": "time"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="?", metavar="PATH", help=tr("cli.check.path"))
    parser.add_argument("-o", "--out", required=True, metavar="OUT.svg|OUT.png", help=tr("cli.figure.out"))
    parser.add_argument("--x", choices=tuple(AXES), help=tr("cli.figure.x"))
    parser.add_argument("--log", action="store_true", help=tr("cli.figure.log"))
    parser.add_argument("--width", type=pixels, metavar="PIXELS", help=tr("cli.figure.width"))
    parser.add_argument("--dark", action="store_true", help=tr("cli.figure.dark"))
    parser.add_argument("--title", default="", help=tr("cli.figure.title"))
    parser.add_argument("--three-ways", action="store_true", help=tr("cli.figure.three_ways"))
    parser.add_argument("--simulate", choices=("textbook",), help=tr("cli.figure.simulate"))
    parser.add_argument("--map", type=columns, metavar="NAME=COLUMN,…", help=tr("cli.check.map"))


def run(options: argparse.Namespace) -> int:
    """Draw, and say where the file is."""
    from doneness.workflows.figure import Look, write_figure, write_textbook

    if (options.path is None) == (options.simulate is None):
        raise DonenessError(tr("cli.figure.one"))
    axis = AXES[options.x or ("epochs" if options.simulate else "steps")]
    look = Look(axis, options.log, options.width, options.dark, options.title, options.three_ways)
    if options.simulate:
        place = write_textbook(options.out, look)
    else:
        place = write_figure(options.path, options.out, look, options.map)
    console().print(Text(tr("cli.figure.written", path=str(place))), soft_wrap=True)
    return 0
