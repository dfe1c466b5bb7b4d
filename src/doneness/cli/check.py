"""doneness check PATH…: judge runs, ours or anybody's."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from rich.text import Text

from doneness import __version__
from doneness.cli.arguments import add_judging, step
from doneness.cli.console import console, counting, print_json
from doneness.core import DonenessError, tr
from doneness.diagnose import Params

if TYPE_CHECKING:
    from doneness.workflows.check import Checked

FAULT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="*", metavar="PATH", help=tr("cli.check.paths"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=tr("cli.check.json"))
    form.add_argument("--md", action="store_true", help=tr("cli.check.md"))
    form.add_argument("--html", metavar="OUT.html", help=tr("cli.check.html"))
    form.add_argument("--schema", action="store_true", help=tr("cli.check.schema"))
    parser.add_argument("--until", type=step, metavar="STEP", help=tr("cli.check.until"))
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Diagnose and show; exit code 1 for a verdict of --fail-on, 2 where a path cannot be read."""
    from doneness.report import schema
    from doneness.workflows.check import check_all
    from doneness.workflows.outputs import refuse_inputs

    if options.schema:
        print(schema(), end="")
        return 0
    if not options.path:
        raise DonenessError(tr("cli.check.no_path"))
    refuse_inputs(options.html, options.path)
    params = Params(gain_share=options.gain, gain_nats=0.0) if options.gain else None
    with counting(tr("cli.check.judging")) as progress:
        found = check_all(options.path, params, options.until, options.map, progress)
    _show(found, options)
    for lost in found.unreadable:
        print(lost.error, file=sys.stderr)
    if len(found.judged) != 1:  # of a single run its notes say it
        for told in found.beside:
            print(told, file=sys.stderr)
    if found.unreadable:
        return FAULT
    return int(any(each.diagnosis.verdict in options.fail_on for each in found.judged))


def _show(found: Checked, options: argparse.Namespace) -> None:
    from doneness.report import check_json, to_markdown
    from doneness.report.terminal import diagnosis_panel, runs_table

    pairs = [(each.run, each.diagnosis) for each in found.judged]
    if options.json:
        print_json(check_json(pairs, [(lost.path, lost.error) for lost in found.unreadable], __version__))
    elif options.md:
        print("\n".join(to_markdown(diagnosis, run=run) for run, diagnosis in pairs), end="")
    elif options.html:
        if pairs:
            from doneness.workflows.report import write_overview  # it loads what reads recipes and data

            place = write_overview(found, options.html)
            console().print(Text(tr("cli.report.written", path=str(place))))
    elif len(pairs) == 1:
        console().print(diagnosis_panel(*pairs[0]))
    elif pairs:
        console().print(runs_table(pairs))
