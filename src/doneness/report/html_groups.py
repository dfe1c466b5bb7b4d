"""The report's table of evaluation losses by source and by turn."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.report.view import GroupRow, ReportView

_COLUMNS = ("loss_now", "lowest", "at", "change_first", "interval", "n", "tokens_of")


def groups(view: ReportView) -> str:
    """Losses by where the rows come from, and by the turn that is answered; empty where the log has neither."""
    if not view.groups:
        return ""
    label = escape(tr("report.head.groups"))
    tables = "".join(
        _table(sorting, [row for row in view.groups if row.sorting == sorting])
        for sorting in dict.fromkeys(row.sorting for row in view.groups)
    )
    few = f'<p class="note">{escape(tr("report.group.few"))}</p>' if any(row.few for row in view.groups) else ""
    lead = escape(tr("report.lead.groups"))
    return f'<section id="groups"><h2>{label}</h2><p class="lead">{lead}</p>{tables}{few}</section>\n'


def _table(sorting: str, rows: list[GroupRow]) -> str:
    name = escape(tr(f"report.group.by_{sorting}"))
    heads = f'<th scope="col">{name}</th>' + "".join(
        f'<th scope="col">{escape(tr(f"report.table.{column}"))}</th>' for column in _COLUMNS
    )
    body = "".join(_row(row) for row in rows)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table class="groups">'
        f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _row(row: GroupRow) -> str:
    numbers = (row.loss, row.best, row.best_step, row.change, row.interval, row.n, row.tokens)
    cells = "".join(f'<td class="n">{escape(text)}</td>' for text in numbers)
    few = " *" if row.few else ""
    return f'<tr><th scope="row">{escape(row.title)}{few}</th>{cells}</tr>'
