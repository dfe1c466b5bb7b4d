"""The diagnosis as a short piece of Markdown, for an issue, a model card or a pull request."""

from __future__ import annotations

from doneness.core import Diagnosis, Finding, Status, language, speaking, tr
from doneness.core.text import printable
from doneness.report.decisions import said
from doneness.report.health import spikes_line
from doneness.report.why import skipped, why_not_best
from doneness.runs import Run


def to_markdown(diagnosis: Diagnosis, lang: str | None = None, run: Run | None = None) -> str:
    """Verdict, advice, and one table row for every finding; skipped checks below it, one line a reason.

    Of the run, where it is given, a line on its loss spikes.
    """
    with speaking(lang or language()):
        word = tr(f"report.verdict.{diagnosis.verdict.value}")
        lines = [f"## {cell(diagnosis.run)}", "", f"**{word}.** {said(diagnosis.headline)}"]
        why = why_not_best(diagnosis)
        if why:
            lines += ["", why]
        if diagnosis.advice:
            lines += ["", said(diagnosis.advice)]
        spikes = spikes_line(run) if run is not None else ""
        if spikes:
            lines += ["", cell(spikes)]
        checked = [f for f in diagnosis.findings if f.status is not Status.SKIPPED]
        if checked:
            heads = [tr(f"report.table.{n}") for n in ("status", "code", "finding")]
            lines += ["", f"| {' | '.join(heads)} |", "| --- | --- | --- |", *(_row(f) for f in checked)]
        lacking = skipped(diagnosis.findings)
        if lacking:
            lines += ["", f"{tr('report.head.missing')}:", "", *(f"- {cell(text)}" for _, text in lacking)]
        return "\n".join(lines) + "\n"


def _row(finding: Finding) -> str:
    text = said(finding.message)
    if finding.advice:
        text += ("" if text.endswith("。") else " ") + said(finding.advice)
    return f"| {tr(f'report.status.{finding.status.value}')} | {finding.code} | {cell(text)} |"


def cell(text: str) -> str:
    """Text as it may stand in a table cell: one line, without markup of its own."""
    # A run's name and a log's values come from outside; a table cell is one line without markup.
    text = printable(" ".join(text.split()))
    for mark in "\\|<`*_[":
        text = text.replace(mark, "\\" + mark if mark != "<" else "&lt;")
    return text
