"""What a judge says of the answers to the task.

What it finds: how well an open task is done. How: a judge (any OpenAI-compatible endpoint) grades each answer from
1 to 10 by a rubric and the reference, where there is one; shown as a share, 1 as 0 and 10 as 1. Of task questions
whose suite asks for metric = "rubric"; without a judge the row is absent.
Source: Zheng et al., NeurIPS 2023 (single-answer grading).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from doneness.probe.measure import Measure
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour

if TYPE_CHECKING:
    from doneness.probe.judge import Judge


def bears(probe: Probe) -> bool:
    """Whether a judge grades its answers."""
    return probe.sort == "task" and probe.metric == "rubric"


def judged(judge: Judge) -> Measure:
    """The measure that asks `judge`."""

    def score(probe: Probe, answer: Answer) -> float | None:
        if not bears(probe):
            return None
        grade = judge.grade(probe.prompt, probe.reference, answer.text)
        return None if grade is None else (grade - 1) / 9

    return replace(MEASURE, score=score)


MEASURE = Measure(
    Behaviour("task_rubric", "higher", "share", 0.02, guard=False, group="task", goal=True),
    lambda probe, answer: None,
    binary=False,
)
