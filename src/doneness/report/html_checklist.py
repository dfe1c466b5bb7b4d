"""Section 3: behaviours × checkpoints, the chosen column outlined, turning points between columns."""

from __future__ import annotations

from html import escape

from doneness.core import tr
from doneness.report.checklist import SIGNS, TONES, legend, tally, turned
from doneness.report.multiples import multiples
from doneness.report.numbers import count
from doneness.report.view import CheckCell, Checklist, CheckRow, ReportView


def checklist(view: ReportView) -> str:
    """The section; empty where nothing was asked."""
    table = view.checklist
    if table is None:
        return ""
    notes = turned(table) + [_vetoed(s, table.vetoed[s]) for s in sorted(table.vetoed)]
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    listed = f'<ul class="notes">{items}</ul>' if items else ""
    return (
        f'<section id="checklist"><h2>{_t("head.checklist")}</h2><p class="lead">{_t("lead.checklist")}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{_t("check.caption")}"><table class="checklist">'
        f'<caption class="unseen">{_t("check.caption")}</caption><thead><tr>{_heads(table)}</tr></thead>'
        f'{_bodies(table)}</table></div><p class="legend">{escape(legend(table))}</p>'
        f"{listed}"
        f'<p class="lead">{_t("lead.multiples")}</p>{_small(table)}</section>\n'
    )


def _vetoed(step: int, reason: str) -> str:
    # Most sentences name the step themselves.
    return reason if count(step) in reason else tr("report.check.vetoed", step=count(step), reason=reason)


def _heads(table: Checklist) -> str:
    heads = [f'<th scope="col">{_t("table.behaviour")}</th>']
    for i, step in enumerate(table.steps):
        name = tr("report.table.base") if step == 0 else tr("report.where.step", step=count(step))
        keep = f'<small class="keep">{_t("role.chosen")}</small>' if step == table.chosen else ""
        marks = f'<small class="tally">{escape(tally(table, i))}</small>' if step else ""
        heads.append(f'<th scope="col"{_classes(chosen=step == table.chosen)}>{escape(name)}{keep}{marks}</th>')
    return "".join(heads)


def _bodies(table: Checklist) -> str:
    """One body a group, its title over it."""
    groups = table.groups()
    out = []
    for title, rows in groups:
        head = ""
        if title:
            # The cells of the title's line keep the outline of the chosen column whole.
            rest = "".join(f"<td{_classes(chosen=s == table.chosen)}></td>" for s in table.steps)
            head = f'<tr class="group"><th scope="rowgroup">{escape(title)}</th>{rest}</tr>'
        last = (title, rows) == groups[-1]
        body = "".join(_row(row, table, last and i == len(rows) - 1) for i, row in enumerate(rows))
        out.append(f"<tbody>{head}{body}</tbody>")
    return "".join(out)


def _row(row: CheckRow, table: Checklist, last: bool) -> str:
    guard = f'<span class="guard">{_t("check.guard")}</span>' if row.guard else ""
    n = max((c.n for c in row.cells if c), default=0)
    hints = [row.better, tr("report.check.n", n=count(n))]
    turns = f'<small class="turned">{escape(row.turns)}</small>' if row.turns else ""
    head = f'<th scope="row">{escape(row.title)} {guard}<small>{escape(" · ".join(hints))}</small>{turns}</th>'
    low, high = row.between or (None, None)
    cells = "".join(
        _cell(
            cell,
            chosen=s == table.chosen,
            foot=last and s == table.chosen,
            turn=s == row.turning,
            within=low is not None and high is not None and low <= s <= high,
        )
        for s, cell in zip(table.steps, row.cells, strict=True)
    )
    return f"<tr>{head}{cells}</tr>"


def _cell(cell: CheckCell | None, **on: bool) -> str:
    if cell is None:
        return f"<td{_classes(**on)}><small>{_t('mark.absent')}</small></td>"
    sign = f'<span aria-hidden="true">{SIGNS[cell.mark]}</span> ' if SIGNS[cell.mark] else ""
    title = f' title="{escape(" · ".join(filter(None, (cell.diff, cell.null))))}"' if cell.diff or cell.null else ""
    more = "".join(f'<small class="needs">{escape(text)}</small>' for text in (cell.needs, cell.null) if text)
    tone = TONES.get(cell.mark, "")
    return (
        f"<td{_classes(**on, **({f't-{tone}': True} if tone else {}))}{title}><b>{escape(cell.value)}</b>"
        f'<small>{escape(cell.interval)}</small><span class="mark m-{cell.mark}">{sign}{_t(f"mark.{cell.mark}")}</span>'
        f"{more}</td>"
    )


def _small(table: Checklist) -> str:
    """The small multiples, group by group."""
    drawn = {name: (title, svg) for name, title, svg in multiples(table)}
    out = []
    for title, rows in table.groups():
        figures = "".join(
            f"<figure>{drawn[r.name][1]}<figcaption>{escape(drawn[r.name][0])}</figcaption></figure>" for r in rows
        )
        out.append((f"<h3>{escape(title)}</h3>" if title else "") + f'<div class="multiples">{figures}</div>')
    return "".join(out)


def _classes(**on: bool) -> str:
    names = " ".join(name for name, wanted in on.items() if wanted)
    return f' class="{names}"' if names else ""


def _t(key: str) -> str:
    return escape(tr(f"report.{key}"))
