"""How checks on a sanity run put a finding together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doneness.core import Finding, Message, Status, say
from doneness.sanity.measured import Measured, Trial
from doneness.sanity.outcome import outcome_of


def finding(
    code: str,
    status: Status,
    numbers: Mapping[str, Any],
    *,
    value: float,
    key: str | None = None,
    n: int = 0,
    threshold: float | None = None,
    interval: tuple[float, float] | None = None,
    tried: Message | None = None,
    **evidence: Any,
) -> Finding:
    """A finding whose sentence is `sanity.<code>.<key>`, by default "pass" or "found".

    What is found brings its advice along, `sanity.<code>.advice`, and what was tried, where something was.
    """
    name = code.lower()
    key = key or ("pass" if status is Status.PASS else "found")
    advice = None
    if status in (Status.WARN, Status.FAIL, Status.UNSURE):
        advice = say(f"sanity.{name}.advice", **numbers)
        advice = advice if tried is None else say("sanity.tried", advice=advice, tried=tried)
    return Finding(
        code=code,
        status=status,
        message=say(f"sanity.{name}.{key}", **numbers),
        value=value,
        interval=interval,
        threshold=threshold,
        n=n,
        advice=advice,
        evidence=evidence,
    )


def told(trial: Trial | None) -> Message | None:
    """What a trial did, as a sentence; None where none was made."""
    if trial is None:
        return None
    numbers = {"size": trial.size, "steps": trial.steps, "before": trial.before, "after": trial.after}
    return say(f"sanity.trial.{trial.what}", **numbers)


def learnt(measured: Measured) -> bool:
    """Whether the run learnt its rows by heart."""
    found = outcome_of(measured)
    return found is not None and found.word == "learnt"


def needs_run(measured: Measured) -> Message | None:
    """What is missing where nothing was trained."""
    return None if measured.trace is not None else say("sanity.no_run")
