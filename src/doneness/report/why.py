"""Lines that answer what a reader asks next: why not the best step, and why so much was not checked."""

from __future__ import annotations

from collections.abc import Iterable

from doneness.core import Diagnosis, Finding, Message, Status, tr
from doneness.report.decisions import said
from doneness.report.numbers import count


def why_not_best(diagnosis: Diagnosis) -> str | None:
    """Why the recommended step is not the best one; None where it is, or where none is recommended for a tie."""
    spot, kept = diagnosis.sweet_spot, diagnosis.recommended_step
    if spot is None or kept is None or kept == spot.best or kept not in spot.steps:
        return None
    key = "why" if kept == min(spot.steps) else "why_later"
    places = {"step": kept, "best": spot.best, "first": spot.first, "last": spot.last}
    return tr(f"report.figure.{key}", **{name: count(step) for name, step in places.items()})


def skipped(findings: Iterable[Finding]) -> list[tuple[tuple[str, ...], str]]:
    """Checks that were skipped, those of one reason together: their codes and the sentence."""
    groups = _by_reason(findings)
    return [(tuple(f.code for f in group), _sentence(reason, group)) for reason, group in groups.items()]


def lacking(findings: Iterable[Finding]) -> list[tuple[tuple[str, ...], str]]:
    """The same with the reason alone, as a sentence: for where the codes stand before it."""
    told = []
    for reason, group in _by_reason(findings).items():
        part = isinstance(group[0].message.args.get("missing"), Message)
        told.append((tuple(f.code for f in group), tr("report.missing.reason", reason=reason) if part else reason))
    return told


def _by_reason(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.status is Status.SKIPPED:
            groups.setdefault(_reason(finding), []).append(finding)
    return groups


def _reason(finding: Finding) -> str:
    reason = finding.message.args.get("missing")
    return said(reason) if isinstance(reason, Message) else said(finding.message)


def _sentence(reason: str, group: list[Finding]) -> str:
    if len(group) == 1:
        return said(group[0].message)
    return tr("report.term.skipped", codes=tr("report.list_comma").join(f.code for f in group), reason=reason)
