"""Sections 2 (checkpoints), 5, 6 and 7 as tables and lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape
from itertools import groupby

from doneness.core import tr
from doneness.report import markdown
from doneness.report.decisions import Stretch
from doneness.report.numbers import ABSENT, between, compact, count, plain, signed
from doneness.report.prose import prose
from doneness.report.view import CheckpointRow, FindingRow, Missing, ReportView

CARD_LIMIT = 100_000
_ONE_LINE = 24


def checkpoints(view: ReportView, more: Callable[[CheckpointRow], str] | None = None) -> str:
    """Every checkpoint with its loss and its paired difference against the best; `more` is markup for its last cell."""
    if not view.checkpoints:
        return ""
    names = ("step", "epoch", "tokens", in_unit(view, "loss"), "interval", in_unit(view, "diff"), "interval", "state",
             "role")  # fmt: skip
    body = "".join(_checkpoint(row, more(row) if more else "") for row in view.checkpoints)
    lead = _t("lead.checkpoints" if any(row.n for row in view.checkpoints) else "lead.checkpoints_unpaired")
    return (
        f'<section id="checkpoints"><h2>{_t("head.checkpoints")}</h2><p class="lead">{lead}</p>'
        + _table("checkpoints", (tr(f"report.table.{n}") for n in names), body)
        + "</section>\n"
    )


def in_unit(view: ReportView, name: str) -> str:
    """The heading of a column of losses: of those of a preference, or of a log, nobody knows that they are nats."""
    return name if view.curve.per_token else f"{name}_logged"


def timeline(view: ReportView) -> str:
    """What was decided when, and why not earlier."""
    if not view.timeline:
        return ""
    items = "".join(_stretch(s) for s in view.timeline)
    return (
        f'<section id="timeline"><h2>{_t("head.timeline")}</h2><p class="lead">{_t("lead.timeline")}</p>'
        f'<ol class="timeline">{items}</ol></section>\n'
    )


def evidence(view: ReportView) -> str:
    """The findings, gravest first, and what was not checked."""
    out = f'<section id="evidence"><h2>{_t("head.evidence")}</h2>'
    if view.findings:
        names = ("status", "code", "finding", "number", "interval", "threshold", "n", "where")
        body = "".join(_finding(f) for f in view.findings)
        out += _table("findings", (tr(f"report.table.{n}") for n in names), body)
    if view.readings:
        items = "".join(f"<li>{prose(text)}</li>" for text in view.readings)
        out += f'<h3>{_t("head.readings")}</h3><p class="lead">{_t("lead.readings")}</p><ul>{items}</ul>'
    if view.missing:
        out += f'<h3>{_t("head.missing")}</h3><p class="lead">{_t("lead.missing")}</p>'
        out += "".join(_missing(name, list(group)) for name, group in groupby(view.missing, key=lambda m: m.group))
    return out + "</section>\n"


def _missing(name: str, group: list[Missing]) -> str:
    """What is missing for one kind of reason, under a heading of its own."""
    rows = "".join(f"<dt>{escape(m.what)}</dt><dd>{prose(m.why)}</dd>" for m in group)
    if len({m.what for m in group}) == 1 and len(group) > 1:
        # One word before every line says no more than the heading.
        return f"<h4>{_t(f'missing.group.{name}')}</h4><ul>{''.join(f'<li>{prose(m.why)}</li>' for m in group)}</ul>"
    return f'<h4>{_t(f"missing.group.{name}")}</h4><dl class="pairs">{rows}</dl>'


def recipe(view: ReportView, folded: str = "") -> str:
    """The recipe, the data card, versions and seeds; behind the words `folded` where there are any."""
    heads = [(f"<h3><code>[{escape(name)}]</code></h3>" if name else "", pairs) for name, pairs in view.recipe]
    parts = "".join(f"<div>{head}{_pairs(pairs)}</div>" for head, pairs in heads)
    out = f'<div class="beside">{parts}</div>' if parts else ""
    if view.card:
        card = markdown.to_html(view.card[:CARD_LIMIT])
        left = len(view.card) - CARD_LIMIT
        cut = f'<p class="note">{escape(tr("report.answer.cut", n=count(left)))}</p>' if left > 0 else ""
        out += f'<h3>{_t("head.card")}</h3><div class="card">{card}{cut}</div>'
    if view.facts:
        out += f"<h3>{_t('head.facts')}</h3>" + _pairs(view.facts)
    if out and folded:
        out = f"<details><summary>{escape(folded)}</summary>{out}</details>"
    return f'<section id="recipe"><h2>{_t("head.recipe")}</h2>{out}</section>\n' if out else ""


def _checkpoint(row: CheckpointRow, more: str) -> str:
    roles = [k for k, on in (("chosen", row.chosen), ("best", row.best), ("sweet", row.sweet and not row.best)) if on]
    interval = between(*(plain(v) for v in row.interval)) if row.interval else ABSENT
    against = between(*(signed(v) for v in row.diff_interval)) if row.diff_interval else ABSENT
    cells = (
        plain(row.epoch, 2),
        compact(row.tokens),
        plain(row.loss),
        interval,
        "0" if row.best else signed(row.diff),
        "" if row.best else against,
    )
    numbers = "".join(f'<td class="n">{escape(c)}</td>' for c in cells)
    role = tr("report.list_comma").join(tr(f"report.role.{r}") for r in roles)
    return (
        f"<tr{_classes(chosen=row.chosen, sweet=row.sweet)}><th scope='row' class='n'>{count(row.step)}</th>{numbers}"
        f'<td class="st-{row.state}">{_t(f"state.{row.state}")}</td><td class="role">{escape(role)}{more}</td></tr>'
    )


def _stretch(s: Stretch) -> str:
    if s.first == s.last:
        when = tr("report.time.one", step=count(s.first))
    else:
        when = tr("report.time.many", first=count(s.first), last=count(s.last))
    what = tr("report.time.line", action=s.action, verdict=s.verdict)
    times = f"<small>{escape(tr('report.time.times', n=s.times))}</small>" if s.times > 1 else ""
    kept = ""
    if s.recommended is not None and s.action_key != "continue":
        kept = f" <small>{escape(tr('report.time.recommended', step=count(s.recommended)))}</small>"
    earlier = ""
    if s.earlier:
        items = "".join(
            f"<li><b>{escape(tr('report.where.step', step=count(step)))}</b> {prose(reason)}</li>"
            for step, reason in s.earlier
        )
        more = escape(tr("report.time.earlier", n=len(s.earlier)))
        earlier = f"<details><summary>{more}</summary><ul>{items}</ul></details>"
    return (
        f'<li class="a-{s.action_key}"><div class="who"><b>{escape(when)}</b>{times}</div>'
        f'<div><p class="what">{escape(what)}{kept}</p><p>{prose(s.reason)}</p>{earlier}</div></li>'
    )


def _finding(f: FindingRow) -> str:
    more = f'<p class="advice">{prose(f.advice)}</p>' if f.advice else ""
    if f.evidence:
        more += f"<details><summary>{_t('table.evidence')}</summary>{_pairs(f.evidence)}</details>"
    numbers = (f.value, f.interval or ABSENT, f.threshold or ABSENT, count(f.n) if f.n else ABSENT)
    names = ("number", "interval", "threshold", "n")
    # The label is shown where a narrow screen turns rows into cards.
    cells = "".join(
        f'<td class="n{" none" if c == ABSENT else ""}" data-label="{_t(f"table.{name}")}">{escape(c)}</td>'
        for name, c in zip(names, numbers, strict=True)
    )
    # A place of a few words is one line, however narrow the column; a list of rows may break.
    look = "none" if not f.where else "nb" if len(f.where) <= _ONE_LINE else ""
    where = f'<td class="{look}" data-label="{_t("table.where")}">{escape(f.where)}</td>'
    return (
        f'<tr><td><span class="status st-{f.status}">{escape(f.word)}</span></td>'
        f'<th scope="row"><code>{escape(f.code)}</code></th><td class="text"><p>{prose(f.summary)}</p>{more}</td>'
        f"{cells}{where}</tr>"
    )


def _table(name: str, heads: Iterable[str], body: str) -> str:
    head = "".join(f'<th scope="col">{escape(h)}</th>' for h in heads)
    label = _t(f"head.{'evidence' if name == 'findings' else name}")
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{label}"><table class="{name}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    rows = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in pairs)
    return f'<dl class="pairs">{rows}</dl>'


def _classes(**on: bool) -> str:
    names = " ".join(name for name, there in on.items() if there)
    return f' class="{names}"' if names else ""


def _t(key: str) -> str:
    return escape(tr(f"report.{key}"))
