"""doneness audit DATA [--eval EVAL] [--model M] [--fix OUT]: is this data fit to train on?"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from doneness import __version__
from doneness.cli.console import console, print_json
from doneness.core import DonenessError, Status, language, tr
from doneness.data.stream import STAGES

if TYPE_CHECKING:
    from doneness.report.audit_view import AuditView
    from doneness.workflows.audit import Audited

_FAIL_ON = {"never": (), "fail": (Status.FAIL, Status.ERROR), "warn": (Status.FAIL, Status.ERROR, Status.WARN)}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("train", nargs="?", metavar="DATA", help=tr("cli.audit.train"))
    parser.add_argument("--eval", dest="held_out", metavar="EVAL", help=tr("cli.audit.eval"))
    parser.add_argument("--stage", choices=STAGES, default="sft", help=tr("cli.audit.stage"))
    parser.add_argument("--epochs", type=float, default=1.0, help=tr("cli.audit.epochs"))
    parser.add_argument("--model", default="", help=tr("cli.audit.model"))
    parser.add_argument("--max-tokens", type=int, metavar="N", help=tr("cli.audit.max_tokens"))
    parser.add_argument("--score", type=int, default=0, metavar="N", help=tr("cli.audit.score"))
    parser.add_argument("--suite", action="append", default=[], metavar="FILE", help=tr("cli.audit.suite"))
    parser.add_argument("--columns", default="", metavar="prompt=ask,…", help=tr("cli.audit.columns"))
    parser.add_argument("--language", default="", metavar="CODE", help=tr("cli.audit.language"))
    parser.add_argument("--near", type=float, default=0.8, metavar="0.8", help=tr("cli.audit.near"))
    parser.add_argument("--no-near", action="store_true", help=tr("cli.audit.no_near"))
    parser.add_argument("--embed", action="store_true", help=tr("cli.audit.embed"))
    parser.add_argument("--others", action="store_true", help=tr("cli.audit.others"))
    parser.add_argument("--judge", default="", metavar="URL", help=tr("cli.audit.judge"))
    parser.add_argument("--judge-model", default="default", metavar="NAME", help=tr("cli.audit.judge_model"))
    parser.add_argument("--judge-rows", type=int, default=100, metavar="N", help=tr("cli.audit.judge_rows"))
    parser.add_argument("--fix", metavar="OUT.jsonl", help=tr("cli.audit.fix"))
    parser.add_argument("--review", metavar="OUT.jsonl", help=tr("cli.audit.review"))
    parser.add_argument("--html", metavar="OUT.html", help=tr("cli.audit.html"))
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help=tr("cli.audit.json"))
    form.add_argument("--schema", action="store_true", help=tr("cli.check.schema"))
    form.add_argument("--all", action="store_true", help=tr("cli.audit.all"))
    parser.add_argument("--fail-on", choices=_FAIL_ON, default="fail", help=tr("cli.audit.fail_on"))
    parser.add_argument("--state", default="", metavar="FOLDER", help=tr("cli.audit.state"))


def run(options: argparse.Namespace) -> int:
    """Audit and show; exit code 1 for findings of --fail-on, 130 after Ctrl-C: the same call goes on."""
    from doneness.report import schema

    if options.schema:
        print(schema("audit"), end="")
        return 0
    if not options.train:
        raise DonenessError(tr("cli.audit.no_data"))
    _refuse_ranges(options)
    audited = _audited(options)
    view = _view(options, audited)
    if options.json:
        from doneness.report.audit_view import audit_json

        print_json(audit_json(view))
    else:
        from doneness.report.audit_terminal import audit_panel

        console().print(audit_panel(view, options.all))
    _write(options, audited, view)
    audited.done()
    found = {f.status for f in (*audited.findings, *audited.theirs)}
    return int(any(status in found for status in _FAIL_ON[options.fail_on]))


def _refuse_ranges(options: argparse.Namespace) -> None:
    """Numbers out of their range are told before anything is read."""
    if not 0 < options.near <= 1:
        raise DonenessError(tr("cli.audit.near_fault", near=options.near))
    if not 0 < options.epochs < math.inf:
        raise DonenessError(tr("cli.audit.epochs_fault", epochs=options.epochs))
    for flag, least in (("max_tokens", 1), ("score", 0), ("judge_rows", 1)):
        value = getattr(options, flag)
        if value is not None and value < least:
            name = flag.replace("_", "-")
            raise DonenessError(tr("cli.audit.least_fault", flag=f"--{name}", value=value, least=least))


def _outputs(options: argparse.Namespace) -> tuple[Path, ...]:
    from doneness.workflows.audit_fix import outputs_of

    others = (Path(out) for out in (options.review, options.html) if out)
    return (*(outputs_of(options.fix) if options.fix else ()), *others)


def _audited(options: argparse.Namespace) -> Audited:
    from doneness.audit import AuditParams
    from doneness.workflows.audit import More, audit_files

    params = AuditParams(
        near=options.near,
        epochs=options.epochs,
        max_tokens=options.max_tokens,
        stage=options.stage,
        joined=not options.no_near,
        language=options.language,
    )
    more = More(
        tuple(options.suite),
        model=options.model,
        score=options.score,
        judge=options.judge,
        judge_model=options.judge_model,
        judge_rows=options.judge_rows,
        embed=options.embed,
        others=options.others,
        state=options.state,
        columns=tuple(part.strip() for part in options.columns.split(",") if part.strip()),
        outputs=_outputs(options),
    )
    with _progress() as told:
        return audit_files(options.train, options.held_out, None, params, more, told)


def _view(options: argparse.Namespace, audited: Audited) -> AuditView:
    from doneness.report.audit_view import AuditView
    from doneness.workflows.audit_fix import fixable

    return AuditView(
        options.train,
        options.held_out or "",
        audited.train,
        audited.eval,
        options.stage,
        audited.findings,
        audited.theirs,
        {code: len(places) for code, places in audited.flagged.items() if len(places)},
        __version__,
        fixable(audited),
    )


def _write(options: argparse.Namespace, audited: Audited, view: AuditView) -> None:
    """The files asked for, each with a line on standard error, so that JSON stays alone on standard output."""
    from doneness.core import disk_faults

    out = Console(file=sys.stderr, highlight=False, soft_wrap=True)
    if options.html:
        from doneness.report.html_audit import render_audit

        with disk_faults(options.html):
            Path(options.html).write_text(render_audit(view, language()), encoding="utf-8")
        out.print(Text(tr("cli.report.written", path=options.html)))
    if options.fix:
        from doneness.workflows.audit_fix import fix

        done = fix(audited, options.fix)
        numbers: dict[str, Any] = {name: getattr(done, name) for name in ("kept", "mended", "removed", "unusable")}
        out.print(Text(tr("cli.audit.fixed", path=str(done.copy), listed=str(done.listed), **numbers)))
    if options.review:
        from doneness.workflows.audit_fix import review

        out.print(Text(tr("cli.audit.reviewed", path=options.review, rows=review(audited, options.review))))


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None]]:
    """What is being done and how far it is; on standard error, where somebody watches."""
    out = Console(file=sys.stderr, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        task, last = bar.add_task(tr("cli.audit.doing.train"), total=None), "train"

        def told(what: str, done: int, total: int) -> None:
            nonlocal last
            if what != last:
                doing = (
                    tr(f"cli.audit.doing.{what}") if what in ("train", "eval") else tr(f"audit.{what.lower()}.title")
                )
                bar.reset(task, description=doing, total=total or None)
                last = what
            bar.update(task, completed=done, total=total or None)

        yield told
