"""doneness demo: the whole way, on a real model, in one command."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

from doneness.cli.console import console
from doneness.config import Recipe
from doneness.core import tr


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--folder", default="demo", help=tr("cli.demo.folder"))
    parser.add_argument("--full", action="store_true", help=tr("cli.demo.full"))
    parser.add_argument("--data", choices=("en", "zh"), default="en", help=tr("cli.demo.data"))


def run(options: argparse.Namespace) -> int:
    """Audit, plan, train, probe, choose, report."""
    from doneness.workflows.demo import prepare

    out = console()
    begun = time.monotonic()
    _head(out, 1, tr("cli.demo.prepare"))
    recipe = prepare(Path(options.folder), options.data, options.full)
    out.print(Text(tr("cli.demo.prepared", folder=options.folder, model=recipe.model.path)))
    _head(out, 2, tr("cli.demo.audit"))
    _audit(out, recipe)
    _head(out, 3, tr("cli.demo.plan"))
    _plan(out, recipe)
    _head(out, 4, tr("cli.demo.train"))
    _train(out, recipe)
    _head(out, 5, tr("cli.demo.probe"))
    from doneness.cli.probe import show

    show(Path(recipe.run.folder), recipe.probes)
    _head(out, 6, tr("cli.demo.report"))
    _conclude(out, recipe, time.monotonic() - begun)
    return 0


def _head(out: Console, number: int, title: str) -> None:
    out.print()
    out.print(Text(f"{number}/6  {title}", style="bold"))


def _audit(out: Console, recipe: Recipe) -> None:
    from doneness.audit import AuditParams
    from doneness.report.terminal import findings_table
    from doneness.workflows.audit import audit_files

    params = AuditParams(epochs=recipe.schedule.epochs)
    audited = audit_files(recipe.data.train, recipe.data.eval, recipe.probes.suite, params)
    out.print(findings_table(audited.findings))
    if recipe.data.train_rows:
        out.print(Text(tr("cli.demo.share", train=recipe.data.train_rows, eval=recipe.data.eval_rows)))


def _plan(out: Console, recipe: Recipe) -> None:
    from doneness.cli.plan import plan_view
    from doneness.runs.journal import FILE
    from doneness.workflows.plan import plan_recipe

    # Measured once: a run that has begun knows its own speed.
    begun = (Path(recipe.run.folder) / FILE).is_file()
    out.print(plan_view(plan_recipe(recipe, measure=not begun)))


def _train(out: Console, recipe: Recipe) -> None:
    from doneness.cli.live import LiveWatcher
    from doneness.workflows.train import train_run

    with LiveWatcher(out) as watcher:
        trained = train_run(recipe, watcher)
    if trained.already:
        out.print(Text(tr("cli.train.already", folder=recipe.run.folder)))
    stop = next((e for e in trained.run.events if e.kind == "decision" and e.data.get("action") == "stop"), None)
    last = trained.run.last_step
    if stop is None:
        out.print(Text(tr("cli.demo.never_stopped", step=last)))
    elif stop.step == last:
        out.print(Text(tr("cli.demo.stops_here", step=last)))
    else:
        out.print(Text(tr("cli.demo.would_have_stopped", step=stop.step, last=last)))


def _conclude(out: Console, recipe: Recipe, seconds: float) -> None:
    from doneness.runs.probes import load_choice
    from doneness.workflows.check import check
    from doneness.workflows.report import write_report

    folder = Path(recipe.run.folder)
    place = write_report(folder)
    choice = load_choice(folder)
    _, diagnosis = check(folder)[0]
    out.print(Text(diagnosis.headline.text()))
    if choice is None or choice.step is None:
        out.print(Text(tr("cli.demo.no_choice"), style="bold"))
    else:
        out.print(Text(tr("cli.demo.keep", path=str(folder / str(choice.checkpoint))), style="bold"))
    for reason in choice.reasons if choice else ():
        out.print(Text(f"  {reason.text()}"))
    out.print(Text(tr("cli.demo.report_at", path=str(place), minutes=seconds / 60)))
