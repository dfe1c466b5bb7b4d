"""All checks over one data set, in order of their codes."""

from __future__ import annotations

from collections.abc import Iterable

from doneness.audit.checks import (
    abstentions,
    conflicting_answers,
    damage,
    exact_leak,
    exact_repeats,
    held_out,
    lengths,
    near_leak,
    near_repeats,
    probe_leak,
    skipped_rows,
    template,
)
from doneness.audit.subject import DataSets
from doneness.core import Check, Finding, Status, run_checks

CHECKS: tuple[Check[DataSets], ...] = (
    exact_leak.CHECK,
    near_leak.CHECK,
    probe_leak.CHECK,
    exact_repeats.CHECK,
    near_repeats.CHECK,
    conflicting_answers.CHECK,
    skipped_rows.CHECK,
    template.CHECK,
    lengths.CHECK,
    abstentions.CHECK,
    held_out.CHECK,
    damage.CHECK,
)

# A crash is worse than a fault found: nobody knows what it hides.
_ORDER = (Status.ERROR, Status.FAIL, Status.WARN, Status.UNSURE, Status.SKIPPED, Status.PASS)


def audit(subject: DataSets) -> tuple[Finding, ...]:
    """Every finding on the data of a run, AU01 to AU12."""
    return run_checks(CHECKS, subject)


def worst(findings: Iterable[Finding]) -> Status:
    """The gravest status: ERROR, FAIL, WARN, UNSURE, SKIPPED, PASS. No finding at all is UNSURE."""
    found = {finding.status for finding in findings}
    return next((status for status in _ORDER if status in found), Status.UNSURE)
