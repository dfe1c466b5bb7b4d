"""What a judge prefers: this checkpoint's answers or the base model's.

What it finds: whether people would rather have the new answers. How: a judge sees both answers twice, their places
swapped; a verdict counts only where both orders agree, all else is a tie. A win is 1, a tie 0.5, a loss 0; the base
model against itself is 0.5. Of open questions (task, safe, general); without a judge the row is absent.
Source: Zheng et al., NeurIPS 2023 (pairwise comparison, position bias).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

if TYPE_CHECKING:
    from doneness.probe.judge import Judge

_SORTS = ("task", "safe", "general")


def bears(probe: Probe) -> bool:
    """Whether a judge holds its answers against the base model's."""
    return probe.sort in _SORTS and "answer" in probe.asks


def judged(judge: Judge) -> Measure:
    """The measure that asks `judge`."""

    def against(probe: Probe, answer: Answer, base: Answer) -> float | None:
        if not bears(probe):
            return None
        if answer.text == base.text:
            return 0.5
        return judge.prefers(probe.prompt, answer.text, base.text, probe.reference)

    return replace(MEASURE, against=against)


MEASURE = Measure(
    Behaviour("wins", "higher", "share", 0.05, guard=False, group="task", goal=True),
    lambda probe, answer: None,
    binary=False,
)
