"""doneness probe RUN: ask every checkpoint the same questions and choose one."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from doneness.cli.console import console
from doneness.config import ProbesSection
from doneness.config.rewards import beside
from doneness.core import DonenessError, tr

if TYPE_CHECKING:
    from doneness.probe.panel import Progress as Told
    from doneness.runs.probes import Choice, ProbeTable
    from doneness.workflows.probe import ProbeOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", metavar="RUN", help=tr("cli.probe.folder"))
    parser.add_argument("--suite", action="append", metavar="NAME|FILE", help=tr("cli.probe.suite"))
    parser.add_argument("--questions", type=int, metavar="N", help=tr("cli.probe.questions"))
    parser.add_argument("--checkpoints", type=int, metavar="N", help=tr("cli.probe.checkpoints"))
    parser.add_argument("--steps", metavar="STEP,…", help=tr("cli.probe.steps"))
    parser.add_argument("--max-new-tokens", type=int, metavar="N", help=tr("cli.probe.max_new_tokens"))
    parser.add_argument("--batch-size", type=int, metavar="N", help=tr("cli.probe.batch_size"))
    parser.add_argument("--budget", metavar="5m", default="", help=tr("cli.probe.budget"))
    parser.add_argument("--everything", action="store_true", help=tr("cli.probe.everything"))
    parser.add_argument("--base", metavar="MODEL", default="", help=tr("cli.probe.base"))
    parser.add_argument("--out", metavar="FOLDER", type=Path, help=tr("cli.probe.out"))
    parser.add_argument("--engine", choices=("torch", "vllm"), default="torch", help=tr("cli.probe.engine"))
    parser.add_argument("--ray", metavar="ADDRESS", nargs="?", const="", help=tr("cli.probe.ray"))
    parser.add_argument("--judge", metavar="URL", default="", help=tr("cli.probe.judge"))
    parser.add_argument("--judge-model", metavar="NAME", default="", help=tr("cli.probe.judge_model"))
    parser.add_argument("--null", type=int, default=0, metavar="K", help=tr("cli.probe.null"))
    parser.add_argument("--flatness", action="store_true", help=tr("cli.probe.flatness"))
    parser.add_argument("--behaviour", action="append", metavar="FILE.py:CLASS", help=tr("cli.probe.behaviour"))
    parser.add_argument("--workers", type=int, default=0, metavar="N", help=tr("cli.probe.workers"))


def run(options: argparse.Namespace) -> int:
    """Probe, show the table, say which checkpoint."""
    from doneness.workflows.probe import ProbeOptions, probe_subject
    from doneness.workflows.subject import subject_of

    subject = subject_of(Path(options.folder), options.base, options.out)
    section = _section(subject.recipe.probes if subject.recipe else ProbesSection(), options)
    out = console()
    with asking(out) as told:
        probed = probe_subject(subject, section, _options(options, ProbeOptions), told)
    _print(out, probed.table, probed.choice)
    for line in probed.told:
        out.print(Text(line.text()))
    if probed.out != Path(options.folder):  # also where one checkpoint of the run was named
        out.print(Text(tr("probing.kept_in", path=str(probed.out / "probes"))))
    return 0


def show(folder: Path, section: ProbesSection) -> int | None:
    """Probe with a progress bar and print the table; the chosen step, if any."""
    from doneness.workflows.probe import probe_run

    out = console()
    with asking(out) as told:
        probed = probe_run(folder, section, told)
    _print(out, probed.table, probed.choice)
    return probed.choice.step


@contextmanager
def asking(out: Console) -> Iterator[Told]:
    """A bar for each checkpoint; where nobody watches, one line for each at the end or once it is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    tasks: dict[int, TaskID] = {}
    open_: dict[int, str] = {}
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:

        def told(step: int, count: int, total: int) -> None:
            name = _named(step)
            if step not in tasks:
                tasks[step] = bar.add_task(name, total=total)
            bar.update(tasks[step], completed=count, total=total)
            before, open_[step] = open_.get(step), f"{name}: {count}/{total}"
            if count == total and before != open_[step] and not out.is_terminal:
                out.print(Text(open_[step]))

        yield told
    if not out.is_terminal:
        for line in (line for line in open_.values() if len(set(line.rpartition(" ")[2].split("/"))) > 1):
            out.print(Text(line))


def _named(step: int) -> str:
    from doneness.runs.probes import NULLS

    if step >= NULLS:
        return tr("cli.probe.asking_null", number=step - NULLS + 1)
    return tr("cli.probe.asking", step=step) if step else tr("cli.probe.asking_base")


def _print(out: Console, table: ProbeTable | None, choice: Choice) -> None:
    from doneness.report.terminal import probe_table

    if table is not None:
        out.print(probe_table(table, choice.step))
    for reason in choice.reasons:
        out.print(Text(reason.text()))


def _options(options: argparse.Namespace, kind: type[ProbeOptions]) -> ProbeOptions:
    from doneness.probe.endpoint import URL

    if options.ray is not None and options.engine == "vllm":
        raise DonenessError(tr("probing.ray_vllm"))
    if options.workers < 0:
        raise DonenessError(tr("cli.probe.too_low", name="workers", low=0))
    if options.null < 0 or options.null == 1:
        raise DonenessError(tr("cli.probe.too_low", name="null", low=2))
    if options.workers and options.ray is None:
        raise DonenessError(tr("cli.probe.workers_alone"))
    if options.judge_model and not (options.judge or os.environ.get(URL, "").strip()):
        raise DonenessError(tr("cli.probe.judge_alone", url=URL))
    return kind(
        steps=options.steps,
        budget=options.budget,
        everything=options.everything,
        engine=options.engine,
        ray=options.ray,
        workers=options.workers,
        judge=options.judge,
        judge_model=options.judge_model,
        nulls=options.null,
        flatness=options.flatness,
    )


def _section(section: ProbesSection, options: argparse.Namespace) -> ProbesSection:
    given = {
        "suite": ",".join(options.suite) if options.suite else None,
        "questions": options.questions,
        "checkpoints": options.checkpoints,
        "max_new_tokens": options.max_new_tokens,
        "batch_size": options.batch_size,
        "behaviours": tuple(beside(text, Path.cwd()) for text in options.behaviour) if options.behaviour else None,
    }
    for name in ("questions", "checkpoints", "max_new_tokens", "batch_size"):
        low = 0 if name == "questions" else 1
        if given[name] is not None and given[name] < low:
            raise DonenessError(tr("cli.probe.too_low", name=name.replace("_", "-"), low=low))
    return replace(section, **{name: value for name, value in given.items() if value is not None})
