"""What an audit shows, whatever shows it: the worst of it in a sentence, and the findings, gravest first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from doneness.core import Finding, Status, tr
from doneness.report.as_json import written
from doneness.report.numbers import count

SCHEMA = "doneness.audit/1"
GRAVE = (Status.FAIL, Status.ERROR, Status.WARN, Status.UNSURE)


@dataclass(frozen=True)
class AuditView:
    """The result of one audit.

    Attributes:
        train, eval: names of the data; `eval` is "" where there is none.
        rows, eval_rows: that can be used.
        stage: what the rows are for.
        findings: of our checks, in order of their codes.
        theirs: of another auditor.
        flagged: how many training rows each code flags.
        version: of doneness.
        mended: how many training rows `--fix` would take out or mend for each code.
    """

    train: str
    eval: str
    rows: int
    eval_rows: int
    stage: str
    findings: Sequence[Finding]
    theirs: Sequence[Finding] = ()
    flagged: Mapping[str, int] = field(default_factory=dict)
    version: str = ""
    mended: Mapping[str, int] = field(default_factory=dict)

    @property
    def worst(self) -> str:
        """The gravest status: error, fail, warn, unsure or pass."""
        found = {f.status for f in self.findings}
        order = (Status.ERROR, Status.FAIL, Status.WARN, Status.UNSURE)
        return next((status.value for status in order if status in found), Status.PASS.value)

    def of(self, *statuses: Status) -> list[Finding]:
        """Findings of these statuses, in their order."""
        return [f for status in statuses for f in self.findings if f.status is status]

    @property
    def headline(self) -> str:
        """What was found, in one sentence."""
        fail, warn = len(self.of(Status.FAIL)), len(self.of(Status.WARN))
        unsure = len(self.of(Status.UNSURE, Status.ERROR))
        key = "clean" if self.worst == Status.PASS.value else "found"
        return tr(f"report.audit.{key}", fail=fail, warn=warn, unsure=unsure, rows=self.rows)


def mended_too(view: AuditView) -> str:
    """What `--fix` would take out or mend although the check passed; "" for nothing."""
    told = [f"{f.code} {count(view.mended[f.code])}" for f in view.of(Status.PASS) if view.mended.get(f.code)]
    return tr("report.audit.fix_too", codes=tr("report.list_comma").join(told)) if told else ""


def rows_said(view: AuditView, finding: Finding, most: int) -> str:
    """Which rows a finding speaks of, and of which side; `most` of each, and "" for none."""
    numbers = finding.where.rows if finding.where is not None else ()
    held = finding.evidence.get("rows_of") == "eval"
    train: Sequence[int | str] = finding.evidence.get("train_rows") or (() if held else numbers)
    told = []
    if train:
        rows = _first(train, view.flagged.get(finding.code, 0), most)
        told.append(tr("report.audit.rows_train", rows=rows))
    if held and numbers:
        rows = _first(finding.evidence.get("eval_rows") or numbers, len(numbers), most)
        told.append(tr("report.audit.rows_eval", rows=rows))
    return tr("report.audit.rows_apart").join(told)


def _first(rows: Sequence[int | str], total: int, most: int) -> str:
    shown = tr("report.list_comma").join(count(row) if isinstance(row, int) else row for row in rows[:most])
    return shown + ("…" if max(len(rows), total) > min(most, len(rows)) else "")


def title_of(finding: Finding) -> str:
    """What a check is called."""
    return tr(f"audit.{finding.code.lower()}.title")


def sizes(view: AuditView) -> str:
    """How many rows of what were looked at."""
    key = "sizes" if view.eval else "sizes_alone"
    return tr(f"report.audit.{key}", train=count(view.rows), eval=count(view.eval_rows), stage=view.stage)


def audit_json(view: AuditView) -> str:
    """The audit as `doneness audit --json` prints it; its form is in the published schema."""
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "doneness": view.version,
        "train": {"path": view.train, "rows": view.rows},
        "eval": {"path": view.eval, "rows": view.eval_rows} if view.eval else None,
        "stage": view.stage,
        "worst": view.worst,
        "findings": [{"title": title_of(f), **f.to_dict()} for f in view.findings],
        "others": [f.to_dict() for f in view.theirs],
        "flagged": dict(view.flagged),
    }
    return written(data)
