"""doneness review RUN: blind votes in the terminal, and where they stand."""

from __future__ import annotations

import argparse
import getpass
import json
import math
from dataclasses import asdict
from pathlib import Path

from rich.text import Text

from doneness.cli.console import console, print_json
from doneness.core import DonenessError, tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.review.folder"))
    parser.add_argument("--name", metavar="REVIEWER", help=tr("cli.review.name"))
    parser.add_argument("--status", action="store_true", help=tr("cli.review.status"))
    parser.add_argument("--json", action="store_true", help=tr("cli.review.json"))
    parser.add_argument("--margin", type=_margin, metavar="10%", help=tr("cli.review.margin"))
    parser.add_argument("--export", metavar="FILE", help=tr("cli.review.export"))
    parser.add_argument("--import", dest="verdicts", metavar="FILE", help=tr("cli.review.import"))
    parser.add_argument("--judge", metavar="NAME", default="judge", help=tr("cli.review.judge"))


def run(options: argparse.Namespace) -> int:
    """Ask for votes; or show, export or import what there is."""
    from doneness.review import MARGIN
    from doneness.workflows import review

    folder, out = Path(options.folder), console()
    margin = MARGIN if options.margin is None else options.margin
    if options.export:
        n = review.export_votes(folder, Path(options.export))
        out.print(Text(tr("cli.review.exported", votes=n, path=options.export)), soft_wrap=True)
        return 0
    if options.verdicts:
        n = review.import_votes(folder, Path(options.verdicts), options.judge)
        out.print(Text(tr("cli.review.imported", votes=n, name=options.judge)))
        return 0
    if options.json:
        print_json(json.dumps(_plain(asdict(review.status(folder, margin))), ensure_ascii=False, indent=1) + "\n")
        return 0
    if options.status:
        from doneness.cli.review_status import show

        show(out, review.status(folder, margin))
        return 0
    from doneness.cli.review_asking import ask

    ask(out, folder, options.name or _account(), margin)
    return 0


def _account() -> str:
    """The account's name, where it has one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        raise DonenessError(tr("review.name", most=80)) from None


def _margin(text: str) -> float:
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 < share <= 0.4:
        raise argparse.ArgumentTypeError(tr("cli.review.margin_fault", text=text))
    return share


def _plain(value: object) -> object:
    """Numbers that JSON has none for become null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, (list, tuple)) else value
