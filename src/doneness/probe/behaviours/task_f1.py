"""Words shared with the reference.

What it finds: how well the task is done, on rows that were held out. How: F1 of the words of answer and reference,
of the characters in Chinese; of task questions whose suite asks for metric = "f1".
Source: Rajpurkar et al., EMNLP 2016.
"""

from __future__ import annotations

from doneness.probe.measure import Measure
from doneness.probe.overlap import f1
from doneness.probe.suite import Probe
from doneness.runs.probes import Answer, Behaviour


def _score(probe: Probe, answer: Answer) -> float | None:
    if probe.sort != "task" or probe.metric != "f1":
        return None
    return f1(answer.text, probe.reference)


MEASURE = Measure(
    Behaviour("task_f1", "higher", "share", 0.02, guard=False, group="task", goal=True), _score, binary=False
)
