"""The journal's decisions, read back and folded: what was decided when, and why not earlier."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from doneness.core import Message, StopDecision, tr
from doneness.core.text import printable
from doneness.runs import Run


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive evaluations that ended in the same decision for the same reason.

    Attributes:
        first, last: steps of the first and the last of them.
        times: how many evaluations.
        action, verdict: the words, in the reader's language.
        action_key: "continue", "stop" or "cooldown".
        reason: the sentence of the last of them, whose numbers are the newest.
        earlier: the sentences of the others, each with its step.
        recommended: the step that was recommended, where one was.
    """

    first: int
    last: int
    times: int
    action: str
    action_key: str
    verdict: str
    reason: str
    earlier: tuple[tuple[int, str], ...]
    recommended: int | None


def said(message: Message) -> str:
    """The sentence; where this version lacks its key (a newer journal), the key and its numbers.

    What a log put into it may hold codes that a terminal obeys; they are made visible.
    """
    try:
        return printable(message.text())
    except (KeyError, IndexError, ValueError, TypeError, AttributeError):
        numbers = ", ".join(f"{name}={value}" for name, value in message.args.items())
        return printable(f"{message.key} ({numbers})" if numbers else str(message.key))


def decisions(run: Run) -> tuple[list[StopDecision], int]:
    """The run's decisions in order of step, and how many records could not be read."""
    found: list[StopDecision] = []
    damaged = 0
    for event in run.events:
        if event.kind != "decision":
            continue
        try:
            decision = StopDecision.from_dict({**event.data, "step": event.step})
            if not isinstance(decision.reason.key, str) or not isinstance(decision.recommended_step, int | None):
                raise TypeError("reason or recommended step")
            found.append(decision)
        except (KeyError, ValueError, TypeError, AttributeError):
            damaged += 1
    return sorted(found, key=lambda d: d.step or 0), damaged


def folded(found: Iterable[StopDecision]) -> tuple[Stretch, ...]:
    """Runs of the same action, verdict and reason, each as one stretch."""
    groups: list[list[StopDecision]] = []
    for decision in found:
        if groups and _kind(groups[-1][-1]) == _kind(decision):
            groups[-1].append(decision)
        else:
            groups.append([decision])
    return tuple(_stretch(group) for group in groups)


def _kind(decision: StopDecision) -> tuple[str, str, str]:
    return decision.action.value, decision.verdict.value, decision.reason.key


def _stretch(group: list[StopDecision]) -> Stretch:
    last = group[-1]
    return Stretch(
        first=group[0].step or 0,
        last=last.step or 0,
        times=len(group),
        action=tr(f"report.action.{last.action.value}"),
        action_key=last.action.value,
        verdict=tr(f"report.verdict.{last.verdict.value}").lower(),
        reason=said(last.reason),
        earlier=tuple((d.step or 0, said(d.reason)) for d in group[:-1]),
        recommended=last.recommended_step,
    )
