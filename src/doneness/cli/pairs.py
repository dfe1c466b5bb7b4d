"""doneness pairs RUN: preference pairs of the votes."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from doneness.cli.console import console
from doneness.core import tr
from doneness.workflows.pairs import LEAVE, Made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.pairs.folder"))
    parser.add_argument("--out", metavar="FILE", help=tr("cli.pairs.out"))
    parser.add_argument("--match-lengths", action="store_true", help=tr("cli.pairs.match_lengths"))
    parser.add_argument("--leave", type=share, default=LEAVE, metavar="0.5", help=tr("cli.pairs.leave"))


def run(options: argparse.Namespace) -> int:
    """Write the pairs, and say what was left out."""
    from doneness.workflows.pairs import make_pairs

    out = Path(options.out) if options.out else None
    show(console(), make_pairs(Path(options.folder), out, options.leave, options.match_lengths))
    return 0


def show(out: Console, made: Made) -> None:
    """What was written, what was left out, and whether length was preferred."""
    from doneness.workflows.pairs import said

    numbers: dict[str, Any] = {
        "rewritten": sum(p.rewritten for p in made.pairs),
        "questions": len({p.question for p in made.pairs}),
    }
    lines = [tr("review.pairs.written", pairs=len(made.pairs), path=str(made.path), **numbers), said(made.left).text()]
    found = made.lengths
    low, high = found.interval
    counted: dict[str, Any] = {
        "chosen": found.chosen,
        "rejected": found.rejected,
        "longer": found.longer,
        "decided": found.decided,
    }
    told = tr("review.pairs.lengths", **counted, low=low, high=high)
    biased = found.decided > 0 and not low <= 0.5 <= high
    lines.append(f"{told} {tr('review.pairs.lengths_biased' if biased else 'review.pairs.lengths_fine')}")
    for line in (*lines, *(line.text() for line in made.lines)):
        out.print(Text(line))


def share(text: str) -> float:
    """A share from 0 to 0.9."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 0.9:
        raise argparse.ArgumentTypeError(tr("cli.pairs.leave_fault", text=text))
    return value
