"""doneness align RUN: DPO on the votes, and the probes before and after."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from doneness.cli.arguments import step
from doneness.cli.console import console
from doneness.cli.foreign import show
from doneness.core import tr

if TYPE_CHECKING:
    from doneness.workflows.align import Begun
    from doneness.workflows.check import Judged


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.align.folder"))
    parser.add_argument("overrides", nargs="*", metavar="section.key=value", help=tr("cli.overrides"))
    parser.add_argument("--pairs", metavar="FILE", help=tr("cli.align.pairs"))
    parser.add_argument("--out", metavar="DIR", help=tr("cli.align.out"))
    parser.add_argument("--step", type=step, metavar="N", help=tr("cli.align.step"))
    parser.add_argument("--dry-run", action="store_true", help=tr("cli.align.dry_run"))


def run(options: argparse.Namespace) -> int:
    """Make ready, train, probe, and say which checkpoint."""
    from doneness.cli.live import LiveWatcher
    from doneness.workflows.align import Align, align_run, begin
    from doneness.workflows.check import check

    out, folder = console(), Path(options.folder)
    pairs, home = (Path(text) if text else None for text in (options.pairs, options.out))
    begun = begin(folder, Align(pairs, home, options.step, options.overrides))
    if options.dry_run:
        from doneness.config import dump_recipe

        print(dump_recipe(begun.recipe), end="")
        show(begun.lines)
        return 0
    for line in begun.lines:
        out.print(Text(line.text()), soft_wrap=True)
    with LiveWatcher(out) as watcher:
        trained = align_run(begun, watcher, lambda line: out.print(Text(line.text())))
    new = begun.recipe.run.folder
    if trained.already:
        out.print(Text(tr("cli.train.already", folder=new)))
    _, diagnosis = check(new)[0]
    out.print(Text(diagnosis.headline.text(), style="bold"))
    out.print(Text(tr(f"cli.train.{trained.ending}", step=trained.run.last_step, folder=new)))
    kept = _probe(out, begun)
    kept = diagnosis.recommended_step if kept is None and not begun.recipe.probes.suite else kept
    if kept:
        out.print(Text(tr("review.align.keep", step=kept, folder=new)), soft_wrap=True)
    else:
        name = tr("review.checkpoint", step=begun.step)
        out.print(Text(tr("review.align.kept", checkpoint=name, path=str(folder))), soft_wrap=True)
    return 0


def _probe(out: Console, begun: Begun) -> int | None:
    """Ask, print the table and what changed; the step to keep, if any."""
    from doneness.cli.probe import asking
    from doneness.report.terminal import probe_table
    from doneness.workflows.align import probe_aligned

    if not begun.recipe.probes.suite:
        return None
    with asking(out) as told:
        judged = probe_aligned(begun, told)
    if judged is None or judged.table is None:
        return None
    out.print(probe_table(judged.table, judged.choice.step))
    for line in _changes(judged):
        out.print(Text(line))
    for reason in judged.choice.reasons:
        out.print(Text(reason.text()))
    return judged.choice.step


def _changes(judged: Judged) -> list[str]:
    """Each behaviour before and after, in a line; after is the checkpoint to keep, else the last one asked."""
    from doneness.report.checklist import SIGNS, checklist

    if judged.table is None:
        return []
    shown = checklist(judged.table, judged.choice.step)
    after = judged.choice.step or max(shown.steps)
    if after == 0 or after not in shown.steps:
        return []
    lines = [tr("review.align.columns", step=after)]
    for row in shown.rows:
        old, new = (row.cells[shown.steps.index(step)] for step in (0, after))
        if old is not None and new is not None:
            told = {"before": f"{old.value} ({old.interval})", "after": f"{new.value} ({new.interval})"}
            lines.append(tr("review.align.changed", title=row.title, mark=SIGNS[new.mark], **told))
    return lines
