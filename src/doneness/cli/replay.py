"""doneness replay PATH…: what each stopping rule would have done on your past runs."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from doneness import __version__
from doneness.cli.arguments import columns, gain
from doneness.cli.console import console, counting, print_json
from doneness.core import DonenessError, tr
from doneness.diagnose import Params

if TYPE_CHECKING:
    from doneness.workflows.replay import ReplayedAll

SCHEMA = "doneness.replay/1"
FAULT = 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", nargs="*", metavar="PATH", help=tr("cli.check.paths"))
    parser.add_argument("--rule", action="append", type=rule_name, metavar="RULE", help=tr("cli.replay.rule"))
    parser.add_argument("--gain", type=gain, metavar="0.5%", help=tr("cli.check.gain"))
    parser.add_argument("--each", action="store_true", help=tr("cli.replay.each"))
    parser.add_argument("--group", metavar="REGEX", help=tr("cli.replay.group"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=tr("cli.check.json"))
    form.add_argument("--schema", action="store_true", help=tr("cli.check.schema"))
    parser.add_argument("--map", type=columns, metavar="NAME=COLUMN,…", help=tr("cli.check.map"))


def rule_name(text: str) -> str:
    """A rule's name, checked."""
    from doneness.workflows.replay import parse_rule

    try:
        parse_rule(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def run(options: argparse.Namespace) -> int:
    """Replay and show; exit code 2 where a path cannot be read or no run can be replayed."""
    from doneness.report.as_json import schema, written
    from doneness.workflows.replay import RULES, parse_rule, replay_all

    if options.schema:
        print(schema("replay"), end="")
        return 0
    if not options.path:
        raise DonenessError(tr("cli.replay.no_path"))
    params = Params(gain_share=options.gain, gain_nats=0.0) if options.gain else None
    rules = [parse_rule(text, params) for text in dict.fromkeys(options.rule or RULES)]
    with counting(tr("cli.replay.replaying")) as progress:
        found = replay_all(options.path, rules, options.map, options.group, progress)
    if options.json:
        print_json(written(as_data(found)))
    else:
        _show(found, options.each)
    for lost in found.unreadable:
        print(lost.error, file=sys.stderr)
    if not found.runs and not found.unreadable:
        if found.left_out or not found.unsuited:
            print(tr("cli.replay.nothing", n=len(found.left_out)), file=sys.stderr)
        if found.unsuited:
            print(tr("cli.replay.unsuited", n=len(found.unsuited)), file=sys.stderr)
    return FAULT if found.unreadable or not found.runs else 0


def _show(found: ReplayedAll, each: bool) -> None:
    from doneness.report.many import labels
    from doneness.report.replayed import meaning, rules_page, runs_of_rules

    out = console()
    if each or len(found.runs) == 1:
        names = labels([item.run for item in found.runs])
        out.print(runs_of_rules(names, [item.outcomes for item in found.runs]))
    if len(found.runs) > 1:
        out.print(rules_page(found.rules, found.grouped))
    elif found.runs:
        out.print(Text(meaning(found.rules)))
    if found.runs and found.left_out:
        out.print(Text(tr("cli.replay.left_out", n=len(found.left_out)), style="dim"))
    if found.runs and found.unsuited:
        out.print(Text(tr("cli.replay.unsuited", n=len(found.unsuited)), style="dim"))


def as_data(found: ReplayedAll) -> dict[str, Any]:
    """Everything replayed as plain data."""
    reasons = [("evaluations", run) for run in found.left_out] + [("preference", run) for run in found.unsuited]
    runs = [
        {
            "run": item.run.name,
            "path": str(item.run.path) if item.run.path else None,
            "group": item.group if found.grouped else None,
            "rules": [
                asdict(outcome)
                | {
                    "share_run": outcome.share_run,
                    "saved_steps": outcome.saved_steps,
                    "forgone": outcome.forgone,
                    "forgone_share": outcome.forgone_share,
                }
                for outcome in item.outcomes
            ],
        }
        for item in found.runs
    ]
    return {
        "schema": SCHEMA,
        "doneness": __version__,
        "rules": [asdict(rule) for rule in found.rules],
        "runs": runs,
        "left_out": [{"run": r.name, "evaluations": len(r.evals or ()), "reason": why} for why, r in reasons],
        "unreadable": [asdict(lost) for lost in found.unreadable],
    }
