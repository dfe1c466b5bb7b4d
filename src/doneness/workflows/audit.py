"""Audit the data of a run, or data files by themselves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doneness.audit import AuditParams, DataSets, audit, worst
from doneness.core import Finding, Status
from doneness.data import Rows, read_rows


@dataclass(frozen=True)
class Audited:
    """What an audit found; `worst` is the gravest status among the findings."""

    train: Rows
    eval: Rows | None
    findings: tuple[Finding, ...]
    worst: Status


def audit_files(
    train: str | Path,
    held_out: str | Path | None = None,
    suite: str | Path | None = None,
    params: AuditParams | None = None,
) -> Audited:
    """Audit JSONL or JSON files; rows without an answer are counted, not refused.

    Raises:
        DataError: a file is missing, empty, or no data of a known shape.
    """
    rows = read_rows(Path(train), "skip")
    evals = read_rows(Path(held_out), "skip") if held_out else None
    return audit_rows(rows, evals, suite, params)


def audit_rows(
    train: Rows, held_out: Rows | None, suite: str | Path | None = None, params: AuditParams | None = None
) -> Audited:
    """Audit rows that were read already."""
    probes: tuple[tuple[str, str], ...] = ()
    if suite:
        from doneness.probe.suite import load_suite

        probes = tuple((p.id, p.prompt) for p in load_suite(suite))
    findings = audit(DataSets(train, held_out, probes, params or AuditParams()))
    return Audited(train, held_out, findings, worst(findings))
