"""doneness probe RUN: ask every checkpoint the same questions and choose one."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from doneness.cli.console import console
from doneness.config import ProbesSection
from doneness.core import DonenessError, tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.probe.folder"))
    parser.add_argument("--suite", help=tr("cli.probe.suite"))
    parser.add_argument("--questions", type=int, help=tr("cli.probe.questions"))
    parser.add_argument("--checkpoints", type=int, help=tr("cli.probe.checkpoints"))
    parser.add_argument("--max-new-tokens", type=int, help=tr("cli.probe.max_new_tokens"))


def run(options: argparse.Namespace) -> int:
    """Probe, show the table, say which checkpoint."""
    from doneness.workflows.train import recipe_of

    folder = Path(options.folder)
    recipe = recipe_of(folder)
    if recipe is None:
        raise DonenessError(tr("workflows.probe_needs_run", path=str(folder)))
    show(folder, _section(recipe.probes, options))
    return 0


def show(folder: Path, section: ProbesSection) -> int | None:
    """Probe with a progress bar and print the table; the chosen step, if any."""
    from doneness.report.terminal import probe_table
    from doneness.workflows.probe import probe_run

    out = console()
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=out, disable=not out.is_terminal, transient=True,
    ) as bar:  # fmt: skip
        tasks: dict[int, TaskID] = {}

        def progress(step: int, done: int, total: int) -> None:
            name = tr("cli.probe.asking", step=step) if step else tr("cli.probe.asking_base")
            if step not in tasks:
                tasks[step] = bar.add_task(name, total=total)
            bar.update(tasks[step], completed=done)
            if done == total and not out.is_terminal:
                out.print(Text(f"{name}: {done}"))

        probed = probe_run(folder, section, progress)
    if probed.table is not None:
        out.print(probe_table(probed.table, probed.choice.step))
    for reason in probed.choice.reasons:
        out.print(Text(reason.text()))
    return probed.choice.step


def _section(section: ProbesSection, options: argparse.Namespace) -> ProbesSection:
    from dataclasses import replace

    given = {
        "suite": options.suite,
        "questions": options.questions,
        "checkpoints": options.checkpoints,
        "max_new_tokens": options.max_new_tokens,
    }
    for name in ("questions", "checkpoints", "max_new_tokens"):
        low = 0 if name == "questions" else 1
        if given[name] is not None and given[name] < low:
            raise DonenessError(tr("cli.probe.too_low", name=name.replace("_", "-"), low=low))
    return replace(section, **{name: value for name, value in given.items() if value is not None})
