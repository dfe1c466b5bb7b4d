"""All checks on a sanity run, and the causes in the order in which they explain a failure."""

from __future__ import annotations

from collections.abc import Iterable

from doneness.core import Check, Finding, Status, run_checks
from doneness.sanity.checks import (
    contradictions,
    masked,
    memorised,
    no_gradient,
    rate_high,
    rate_low,
    small_adapter,
    small_model,
    tokens,
)
from doneness.sanity.measured import Measured

CHECKS: tuple[Check[Measured], ...] = (
    memorised.CHECK,
    no_gradient.CHECK,
    masked.CHECK,
    rate_low.CHECK,
    rate_high.CHECK,
    small_adapter.CHECK,
    tokens.CHECK,
    contradictions.CHECK,
    small_model.CHECK,
)

# A cause that makes others appear stands before them: without a gradient every rate looks wrong.
_ORDER = ("SA02", "SA03", "SA07", "SA05", "SA04", "SA09", "SA06", "SA08")


def judge(measured: Measured) -> tuple[Finding, ...]:
    """Every finding, SA01 to SA09."""
    return run_checks(CHECKS, measured)


def causes(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """What was found, the likeliest cause first: faults before warnings, each in the order in which they explain."""
    found = [f for f in findings if f.code in _ORDER and f.status in (Status.FAIL, Status.WARN)]
    return tuple(sorted(found, key=lambda f: (f.status is Status.WARN, _ORDER.index(f.code))))
