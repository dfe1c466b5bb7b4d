"""doneness compare A B…: several runs in one figure and one table."""

from __future__ import annotations

import argparse
import sys

from rich.text import Text

from doneness import __version__
from doneness.cli.arguments import columns, gain, pixels
from doneness.cli.console import console, counting, print_json
from doneness.cli.figure import AXES
from doneness.core import DonenessError, tr
from doneness.diagnose import Params

FAULT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="*", metavar="PATH", help=tr("cli.check.paths"))
    parser.add_argument("--on", choices=tuple(AXES), help=tr("cli.compare.on"))
    parser.add_argument("--html", metavar="OUT.html", help=tr("cli.compare.html"))
    parser.add_argument("--svg", metavar="OUT.svg", help=tr("cli.compare.svg"))
    parser.add_argument("--png", metavar="OUT.png", help=tr("cli.compare.png"))
    parser.add_argument("--log", action="store_true", help=tr("cli.compare.log"))
    parser.add_argument("--width", type=pixels, default=960, metavar="PIXELS", help=tr("cli.compare.width"))
    parser.add_argument("--dark", action="store_true", help=tr("cli.figure.dark"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=tr("cli.check.json"))
    form.add_argument("--schema", action="store_true", help=tr("cli.check.schema"))
    parser.add_argument("--gain", type=gain, metavar="0.5%", help=tr("cli.check.gain"))
    parser.add_argument("--map", type=columns, metavar="NAME=COLUMN,…", help=tr("cli.check.map"))


def run(options: argparse.Namespace) -> int:
    """Compare and show; exit code 2 where a path cannot be read."""
    from doneness.report.as_json import schema, written
    from doneness.report.compare_figure import draw_comparison
    from doneness.report.compare_terminal import comparison_panel
    from doneness.workflows.compare import as_data, compare_runs, write_comparison
    from doneness.workflows.figure import save
    from doneness.workflows.outputs import refuse_inputs

    if options.schema:
        print(schema("compare"), end="")
        return 0
    if not options.path:
        raise DonenessError(tr("cli.compare.no_path"))
    for out in (options.html, options.svg, options.png):
        refuse_inputs(out, options.path)
    params = Params(gain_share=options.gain, gain_nats=0.0) if options.gain else None
    axis = AXES[options.on] if options.on else None
    with counting(tr("cli.check.judging")) as progress:
        found = compare_runs(options.path, axis, params, options.map, progress)
    shown = found.comparison
    places = [save(draw_comparison(shown, shown.axis, log=options.log, width=options.width), out, options.dark)
              for out in (options.svg, options.png) if out]  # fmt: skip
    places += [write_comparison(shown, options.html)] if options.html else []
    if options.json:
        print_json(written(as_data(found, __version__)))
    else:
        if not places:
            console().print(comparison_panel(shown))
        for place in places:
            console().print(Text(tr("cli.compare.written", path=str(place))))
    if places and not options.json:
        # A figure has no room for them, and nobody should read it without.
        for warning in shown.warnings:
            print(warning, file=sys.stderr)
    for lost in found.unreadable:
        print(lost.error, file=sys.stderr)
    return FAULT if found.unreadable else 0
