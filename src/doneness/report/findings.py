"""The evidence: findings as rows, and what was not checked, with the reason."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from doneness.core import Diagnosis, Finding, Status, Where, tr
from doneness.core.text import printable
from doneness.report.curve import Curve
from doneness.report.decisions import said
from doneness.report.keynumbers import rising
from doneness.report.numbers import between, count, general
from doneness.report.view import FindingRow, Missing
from doneness.report.why import lacking
from doneness.runs import Run

_ORDER = (Status.FAIL, Status.ERROR, Status.WARN, Status.UNSURE, Status.PASS)
_LONGEST = 160
GROUPS = ("judged", "log", "given", "reader")


def finding_rows(findings: Sequence[Finding]) -> tuple[FindingRow, ...]:
    """What was checked, gravest first; skipped checks are listed apart, by `missing`."""
    checked = [f for f in findings if f.status in _ORDER]
    return tuple(_row(f) for f in sorted(checked, key=lambda f: (_ORDER.index(f.status), f.code)))


def missing(
    run: Run, diagnosis: Diagnosis, curve: Curve, given: Mapping[str, bool], damaged: int
) -> tuple[Missing, ...]:
    """Everything the report is silent about, by kinds of reason; the reader's notes come last."""
    absent = {
        "train": not curve.raw.step.size,
        "evals": not curve.evals,
        "examples": bool(curve.evals) and not run.examples,
        "rate": curve.rate is None,
        "checkpoints": not curve.checkpoints,
        "forecast": diagnosis.forecast is None,
        **{name: not there for name, there in given.items()},
    }
    comma = tr("report.list_comma")
    found = [Missing("judged", comma.join(codes), why) for codes, why in lacking(diagnosis.findings)]
    found += [Missing(_group(k), tr(f"report.missing.{k}"), _why(k, diagnosis)) for k, gone in absent.items() if gone]
    if damaged:
        found.append(Missing("reader", tr("report.missing.damaged"), tr("report.missing.damaged_why", n=damaged)))
    found += [Missing("reader", tr("report.missing.note"), printable(note)) for note in (*run.notes, *run.faults)]
    return tuple(sorted(found, key=lambda each: GROUPS.index(each.group)))


def _group(name: str) -> str:
    if name in ("examples", "forecast"):
        return "judged"
    return "given" if name in ("probes", "answers", "recipe", "card") else "log"


def _why(name: str, diagnosis: Diagnosis) -> str:
    if name == "forecast" and rising(diagnosis):
        return tr("report.missing.forecast_rising")
    return tr(f"report.missing.{name}_why")


def _row(finding: Finding) -> FindingRow:
    interval = finding.interval
    return FindingRow(
        code=finding.code,
        status=finding.status.value,
        word=tr(f"report.status.{finding.status.value}"),
        summary=said(finding.message),
        value=general(finding.value),
        interval=between(general(interval[0]), general(interval[1])) if interval else "",
        threshold="" if finding.threshold is None else general(finding.threshold),
        n=finding.n,
        where=_where(finding.where, finding.evidence.get("rows_of") == "eval"),
        advice=said(finding.advice) if finding.advice else "",
        evidence=tuple((str(k), _short(v)) for k, v in finding.evidence.items()),
    )


def _where(where: Where | None, held: bool = False) -> str:
    if where is None:
        return ""
    parts = []
    if where.step is not None:
        parts.append(tr("report.where.step", step=count(where.step)))
    if where.rows:
        shown = tr("report.list_comma").join(count(r) for r in where.rows[:5])
        more = "…" if len(where.rows) > 5 else ""
        parts.append(tr("report.audit.rows_eval" if held else "report.where.rows", rows=shown + more))
    if where.checkpoint:
        parts.append(printable(where.checkpoint))
    return tr("report.list_comma").join(parts)


def _short(value: Any) -> str:
    if isinstance(value, float):
        return general(value)
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = printable(text)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
