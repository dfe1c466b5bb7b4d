"""An audit in the terminal: the worst first, passes on one line, no wider than the screen."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from doneness.core import Status, tr
from doneness.report.audit_view import GRAVE, AuditView, mended_too, rows_said, sizes
from doneness.report.sentence import Sentence
from doneness.report.terminal import STATUSES, findings_table

_ROWS = 8


def audit_panel(view: AuditView, everything: bool = False) -> RenderableType:
    """The verdict in a sentence, the findings with the first of their rows, and what passed.

    Args:
        view: what was found.
        everything: list the checks that passed with their numbers.
    """
    head = Text(tr(f"report.audit.worst.{view.worst}"), style=f"bold {STATUSES.get(view.worst, '')}")
    head.append(f"  {view.train}", style="dim not bold")
    parts: list[RenderableType] = [head, Sentence(view.headline), Text(sizes(view), style="dim")]
    passed = view.of(Status.PASS)
    shown = list(view.findings) if everything else [f for f in view.findings if f.status is not Status.PASS]
    if shown:
        grave = [f for f in shown if f.status in GRAVE]
        parts.append(findings_table(shown, {f.code: rows_said(view, f, _ROWS) for f in grave}))
    if passed and not everything:
        codes = tr("report.list_comma").join(f.code for f in passed)
        parts.append(Sentence(tr("report.audit.passed_line", n=len(passed), codes=codes), style="dim"))
    if too := mended_too(view):
        parts.append(Sentence(too, style="dim"))
    if view.theirs:
        parts += [Text(), Text(tr("report.audit.theirs"), style="bold"), findings_table(view.theirs)]
    return Group(*parts)
