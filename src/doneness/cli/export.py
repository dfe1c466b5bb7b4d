"""doneness export RUN: the chosen checkpoint as a folder for use."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.text import Text

from doneness.cli.arguments import step
from doneness.cli.console import console
from doneness.core import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.export.folder"))
    parser.add_argument("--step", type=step, metavar="N", help=tr("cli.export.step"))
    parser.add_argument("--merge", action="store_true", help=tr("cli.export.merge"))
    parser.add_argument("--gguf", action="store_true", help=tr("cli.export.gguf"))
    parser.add_argument("--out", metavar="DIR", help=tr("cli.export.out"))
    parser.add_argument("--yes-exploratory", action="store_true", help=tr("cli.export.yes_exploratory"))


def run(options: argparse.Namespace) -> int:
    """Export, and say what was written where."""
    from doneness.workflows.export import Export, export_run

    out = Path(options.out) if options.out else None
    asked = Export(options.step, options.merge, options.gguf, out, options.yes_exploratory)
    done = export_run(Path(options.folder), asked)
    said = "gguf_done" if done.form == "gguf" else done.form
    console().print(Text(tr(f"cli.export.{said}", step=done.step, path=str(done.folder))), soft_wrap=True)
    return 0
