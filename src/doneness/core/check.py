"""Check and its runner: many small judgements, one result type.

A check looks at its subject (a run, a data set) and returns a Finding. Only the runner makes
SKIPPED (an input is missing) and ERROR (the check raised); a check that crashed can never look
clean, and the others still run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from doneness.core.catalogue import Message, say
from doneness.core.finding import Finding, Status

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One check.

    Attributes:
        code: stable for ever, such as "CV03".
        run: the judgement; pure.
        missing: says which input the subject lacks, or None when all are there.
        required: no verdict of health without a PASS of this check.
    """

    code: str
    run: Callable[[Subject], Finding]
    missing: Callable[[Subject], Message | None] = lambda subject: None
    required: bool = False


def run_checks(checks: Sequence[Check[Subject]], subject: Subject) -> tuple[Finding, ...]:
    """Run every check on `subject`, in order."""
    return tuple(_run(check, subject) for check in checks)


def _run(check: Check[Subject], subject: Subject) -> Finding:
    try:
        lacking = check.missing(subject)
        if lacking is not None:
            return Finding(check.code, Status.SKIPPED, say("core.skipped", code=check.code, missing=lacking))
        return check.run(subject)
    except Exception as error:
        # The boundary: one crashed check must not hide the findings of the others.
        text = f"{type(error).__name__}: {error}"
        return Finding(check.code, Status.ERROR, say("core.crashed", code=check.code, error=text))


def healthy(checks: Sequence[Check[Subject]], findings: Sequence[Finding]) -> bool:
    """Whether every required check passed or merely warned; absence is never health."""
    by_code = {finding.code: finding.status for finding in findings}
    return all(by_code.get(check.code) in (Status.PASS, Status.WARN) for check in checks if check.required)
