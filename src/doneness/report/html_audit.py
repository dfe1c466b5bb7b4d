"""An audit as one HTML page: the worst in a sentence, each finding with its rows, what passed, what was not checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from doneness.core import Finding, Status, speaking, tr
from doneness.core.catalogue import entries
from doneness.report.audit_view import GRAVE, AuditView, mended_too, rows_said, sizes, title_of
from doneness.report.decisions import said
from doneness.report.html import shell
from doneness.report.prose import prose
from doneness.report.why import lacking

_LOOKS = {"fail": "broken", "error": "broken", "warn": "overfitting", "unsure": "undecided", "pass": "converged"}
_ROWS = 20
_FACTS = 12  # entries of evidence shown


def render_audit(view: AuditView, lang: str) -> str:
    """The whole page, in `lang`."""
    with speaking(lang):
        title = tr("report.audit.title", path=view.train)
        body = _head(view) + _found(view) + _passed(view) + _missing(view) + _theirs(view)
        return shell(lang, title, body)


def _head(view: AuditView) -> str:
    by_code = {f.code: f for f in view.findings}
    shown = [("leak", "AU01"), ("epochs", "AU04")]
    if "AU06" in by_code and by_code["AU06"].status is not Status.PASS:
        # Where hardly a question has two answers, the floor is next to nothing and decides nothing.
        shown.append(("floor", "AU06"))
    numbers = "".join(_number(label, by_code.get(code)) for label, code in shown)
    command = f"doneness audit {view.train}" + (f" --eval {view.eval}" if view.eval else "") + " --fix clean.jsonl"
    advice = ""
    if view.of(Status.FAIL, Status.WARN):
        advice = (
            f'<div class="next"><h2>{escape(tr("report.head.next"))}</h2><p>{prose(tr("report.audit.next"))}</p>'
            f'<pre class="command"><code>{escape(command)}</code></pre></div>'
        )
    return (
        f'<header><p class="run"><strong>{escape(view.train)}</strong> <span>{prose(sizes(view))}</span></p>'
        f'<p class="verdict v-{_LOOKS[view.worst]}">{escape(tr(f"report.audit.worst.{view.worst}"))}</p>'
        f'<h1>{prose(view.headline)}</h1><dl class="numbers">{numbers}</dl>{advice}</header>\n'
    )


def _number(label: str, finding: Finding | None) -> str:
    value, detail = "–", tr(f"report.audit.no_{label}")
    if finding is not None and finding.status not in (Status.SKIPPED, Status.ERROR):
        number = {"leak": finding.value, "epochs": finding.evidence.get("effective_epochs"),
                  "floor": finding.evidence.get("floor_nats_per_row")}[label]  # fmt: skip
        if number is not None:
            value = tr(f"report.audit.{label}_value", value=float(number))
            detail = tr(f"report.audit.{label}_detail")
    head = escape(tr(f"report.audit.{label}"))
    return (
        f'<div class="number"><dt>{head}</dt><dd class="value">{escape(value)}</dd>'
        f'<dd class="detail">{prose(detail)}</dd></div>'
    )


def _found(view: AuditView) -> str:
    findings = view.of(*GRAVE)
    if not findings:
        return ""
    articles = "".join(_article(view, f) for f in findings)
    return f'<section id="found"><h2>{escape(tr("report.audit.findings"))}</h2>{articles}</section>\n'


def _article(view: AuditView, finding: Finding) -> str:
    status = finding.status.value
    word = f'<span class="status st-{status}">{escape(tr(f"report.status.{status}"))}</span>'
    parts = [f"<h3>{word} {escape(title_of(finding))} <small><code>{finding.code}</code></small></h3>"]
    parts.append(f"<p>{prose(said(finding.message))}</p>")
    if finding.advice:
        parts.append(f'<p class="advice">{prose(said(finding.advice))}</p>')
    if rows := rows_said(view, finding, _ROWS):
        parts.append(f'<p class="note">{prose(rows)}</p>')
    parts += [_examples(finding.evidence.get("examples", ())), _facts(finding.evidence)]
    return f'<article class="audit">{"".join(parts)}</article>'


def _examples(examples: Sequence[Mapping[str, Any]]) -> str:
    if not examples:
        return ""
    shown = "".join(
        f'<dl class="pairs">{"".join(f"<dt>{escape(_label(k))}</dt><dd>{_cell(v)}</dd>" for k, v in e.items())}</dl>'
        for e in examples
    )
    text = escape(tr("report.audit.examples", n=len(examples)))
    return f"<details><summary>{text}</summary>{shown}</details>"


def _facts(evidence: Mapping[str, Any]) -> str:
    shown = {
        k: v
        for k, v in evidence.items()
        if k not in ("examples", "rows_of", "train_rows", "eval_rows") and v not in (None, 0, [], {}, (), "")
    }
    if not shown:
        return ""
    pairs = "".join(f"<dt>{escape(_label(k))}</dt><dd>{_cell(v)}</dd>" for k, v in list(shown.items())[:_FACTS])
    return f'<details><summary>{escape(tr("report.table.evidence"))}</summary><dl class="pairs">{pairs}</dl></details>'


def _label(name: str) -> str:
    """What a field of the evidence is called; the name it has in JSON, where it has no other."""
    key = f"report.audit.label.{name}"
    return tr(key) if key in entries("en") else name.replace("_", " ")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return escape(f"{value:.4g}")
    if isinstance(value, Mapping):
        return "<br>".join(f"{escape(str(k))}: {_cell(v)}" for k, v in list(value.items())[:20])
    if isinstance(value, (list, tuple)):
        return "<br>".join(_cell(v) for v in value[:20])
    return escape(str(value))


def _passed(view: AuditView) -> str:
    passed = view.of(Status.PASS)
    if not passed:
        return ""
    rows = "".join(
        f"<dt>{escape(title_of(f))} <small><code>{f.code}</code></small></dt><dd>{prose(said(f.message))}"
        f"{_mended(view, f)}</dd>"
        for f in passed
    )
    too = f'<p class="note">{prose(mended_too(view))}</p>' if mended_too(view) else ""
    title = escape(tr("report.audit.passed"))
    return f'<section id="passed"><h2>{title}</h2>{too}<dl class="pairs">{rows}</dl></section>\n'


def _mended(view: AuditView, finding: Finding) -> str:
    """The rows of a check that passed, where `--fix` changes some of them all the same."""
    rows = rows_said(view, finding, _ROWS) if view.mended.get(finding.code) else ""
    return f' <span class="note">{prose(rows)}</span>' if rows else ""


def _missing(view: AuditView) -> str:
    rows = "".join(
        f"<dt>{escape(tr('report.list_comma').join(codes))}</dt><dd>{prose(why)}</dd>"
        for codes, why in lacking(view.findings)
    )
    title = escape(tr("report.head.missing"))
    return f'<section id="missing"><h2>{title}</h2><dl class="pairs">{rows}</dl></section>\n' if rows else ""


def _theirs(view: AuditView) -> str:
    if not view.theirs:
        return ""
    rows = "".join(
        f"<dt><code>{escape(f.code)}</code> {escape(tr(f'report.status.{f.status.value}'))}</dt>"
        f"<dd>{prose(said(f.message))}</dd>"
        for f in view.theirs
    )
    return f'<section id="theirs"><h2>{escape(tr("report.audit.theirs"))}</h2><dl class="pairs">{rows}</dl></section>\n'
