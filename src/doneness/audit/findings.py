"""How checks put a finding together: row numbers, intervals, and the wording by status."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from doneness.core import Finding, Status, Where, say
from doneness.curves.shares import wilson as wilson

EXAMPLES = 5
# A finding names rows for a person to open; beyond so many the number says it all.
_MOST_ROWS = 200


def place(rows: Iterable[int]) -> Where | None:
    """The rows a finding speaks of, ascending, the first 200; None for none."""
    lines = sorted(set(rows))[:_MOST_ROWS]
    return Where(rows=tuple(lines)) if lines else None


def grade(share: float, warn: float, fail: float) -> Status:
    """WARN above `warn`, FAIL above `fail`, PASS at or below."""
    return Status.FAIL if share > fail else Status.WARN if share > warn else Status.PASS


def finding(
    code: str,
    status: Status,
    numbers: Mapping[str, Any],
    *,
    value: float,
    n: int,
    rows: Iterable[int] = (),
    threshold: float | None = None,
    interval: tuple[float, float] | None = None,
    key: str | None = None,
    examples: Iterable[Mapping[str, Any]] = (),
    **evidence: Any,
) -> Finding:
    """A finding whose sentence is `audit.<code>.<key>`, by default "pass", "found" or "unsure".

    What is found brings its advice along, `audit.<code>.advice`.
    """
    name = code.lower()
    key = key or {Status.PASS: "pass", Status.UNSURE: "unsure"}.get(status, "found")
    advice = say(f"audit.{name}.advice", **numbers) if status in (Status.WARN, Status.FAIL) else None
    shown = [dict(example) for example in examples][:EXAMPLES]
    return Finding(
        code=code,
        status=status,
        message=say(f"audit.{name}.{key}", **numbers),
        value=value,
        interval=interval,
        threshold=threshold,
        n=n,
        where=place(rows),
        advice=advice,
        evidence={**({"examples": shown} if shown else {}), **evidence},
    )


def too_few(code: str, n: int, least: int) -> Finding:
    """UNSURE for want of rows."""
    return Finding(code, Status.UNSURE, say("audit.too_few", n=n, least=least), threshold=float(least), n=n)
